use super::*;

#[test]
fn alpha_goes_over_white_or_stays() {
    let make =
        || Pixels { size: (2, 1), layout: Layout::Rgba, data: vec![0, 100, 200, 255, 0, 100, 200, 128] };
    let mut flat = make();
    flat.settle_alpha(true);
    assert_eq!((flat.layout, flat.data), (Layout::Rgb, vec![0, 100, 200, 127, 177, 227]));
    let mut kept = make();
    kept.settle_alpha(false);
    assert_eq!((kept.layout, kept.data.len()), (Layout::Rgba, 8));
    let mut opaque = Pixels { size: (1, 2), layout: Layout::La, data: vec![7, 255, 9, 255] };
    opaque.settle_alpha(false);
    assert_eq!((opaque.layout, opaque.data), (Layout::L, vec![7, 9]));
}

#[test]
fn samples_are_rounded_to_eight_bits() {
    let mut data: Vec<u8> =
        [0u16, 128, 129, 257, 65_535, 65_407, 65_406].iter().flat_map(|s| s.to_ne_bytes()).collect();
    reduce_u16(&mut data);
    assert_eq!(data, [0, 0, 1, 1, 255, 255, 254]);
    let samples = [0.0f32, 0.5, 1.0, 7.0, -1.0, f32::NAN];
    let mut data: Vec<u8> = samples.iter().flat_map(|s| s.to_ne_bytes()).collect();
    reduce_f32(&mut data);
    assert_eq!(data, [0, 128, 255, 255, 0, 0]);
}

#[test]
fn grey_becomes_three_samples() {
    let mut pixels = Pixels { size: (2, 1), layout: Layout::La, data: vec![1, 2, 3, 4] };
    pixels.expand_grey();
    assert_eq!((pixels.layout, pixels.data), (Layout::Rgba, vec![1, 1, 1, 2, 3, 3, 3, 4]));
}
