use super::*;
use proptest::prelude::*;

/// Source, size, what albumentations 1.4 (img2dataset's resizer) makes of it by the shorter and by the longer side.
#[rustfmt::skip]
const SIZES: &[(Size, u32, Size, Size)] = &[
    ((640, 480), 256, (341, 256), (256, 192)),
    ((480, 640), 256, (256, 341), (192, 256)),
    ((1365, 1074), 256, (325, 256), (256, 201)),
    ((100, 50), 256, (512, 256), (256, 128)),
    ((256, 256), 256, (256, 256), (256, 256)),
    ((1, 1000), 256, (256, 256000), (1, 256)),
    ((1000, 3), 100, (33333, 100), (100, 1)),
    ((5, 2), 1, (2, 1), (1, 1)),
    ((3, 2), 1, (2, 1), (1, 1)),
    ((2, 3), 3, (3, 4), (2, 3)),
    ((999, 1000), 333, (333, 333), (333, 333)),
    ((6000, 4000), 224, (336, 224), (224, 149)),
    ((512, 333), 512, (787, 512), (512, 333)),
    ((7, 5), 10, (14, 10), (10, 7)),
    ((1920, 1080), 299, (532, 299), (299, 168)),
    ((257, 256), 256, (257, 256), (256, 255)),
    ((1327, 3883), 224, (224, 655), (77, 224)),
    ((1618, 2667), 64, (64, 105), (39, 64)),
    ((297, 3364), 512, (512, 5799), (45, 512)),
    ((386, 1498), 512, (512, 1987), (132, 512)),
    ((238, 3727), 512, (512, 8018), (33, 512)),
    ((880, 154), 64, (366, 64), (64, 11)),
    ((1777, 1713), 64, (66, 64), (64, 62)),
    ((986, 372), 512, (1357, 512), (512, 193)),
    ((1739, 243), 512, (3664, 512), (512, 72)),
    ((508, 3881), 224, (224, 1711), (29, 224)),
    ((2584, 2570), 512, (515, 512), (512, 509)),
    ((3882, 254), 512, (7825, 512), (512, 34)),
    ((2399, 1625), 64, (94, 64), (64, 43)),
    ((3999, 906), 64, (282, 64), (64, 14)),
    ((2281, 3517), 224, (224, 345), (145, 224)),
    ((1187, 1717), 224, (224, 324), (155, 224)),
];

fn settings(resize_mode: ResizeMode, image_size: u32) -> TransformSettings {
    TransformSettings { resize_mode, image_size, ..TransformSettings::default() }
}

fn info(format: ImageFormat, (width, height): Size) -> ImageInfo {
    ImageInfo { format, width: Some(width), height: Some(height) }
}

fn result(size: Size, settings: &TransformSettings) -> Size {
    plan(size, settings).map_or(size, |plan| plan.result())
}

#[test]
fn sizes_are_those_of_img2dataset() {
    for &(size, side, by_shorter, by_longer) in SIZES {
        assert_eq!(result(size, &settings(ResizeMode::KeepRatio, side)), by_shorter, "{size:?} {side}");
        assert_eq!(result(size, &settings(ResizeMode::KeepRatioLargest, side)), by_longer, "{size:?} {side}");
        assert_eq!(result(size, &settings(ResizeMode::CenterCrop, side)), (side, side));
        assert_eq!(result(size, &settings(ResizeMode::Border, side)), (side, side));
        assert_eq!(result(size, &settings(ResizeMode::No, side)), size);
    }
}

#[test]
fn small_images_stay_as_they_are_if_only_bigger_ones_are_resized() {
    for (mode, size, is_resized) in [
        (ResizeMode::KeepRatio, (256, 999), false),
        (ResizeMode::KeepRatio, (257, 257), true),
        (ResizeMode::CenterCrop, (999, 256), false),
        (ResizeMode::CenterCrop, (999, 257), true),
        (ResizeMode::KeepRatioLargest, (256, 100), false),
        (ResizeMode::KeepRatioLargest, (257, 1), true),
        (ResizeMode::Border, (10, 256), false),
        (ResizeMode::Border, (10, 257), true),
    ] {
        let settings = TransformSettings { resize_only_if_bigger: true, ..settings(mode, 256) };
        assert_eq!(plan(size, &settings).is_some(), is_resized, "{mode} {size:?}");
    }
}

#[test]
fn bytes_are_kept_only_where_nothing_is_to_be_done() {
    use ImageFormat as F;
    let resizing = settings(ResizeMode::KeepRatio, 256);
    let resizing_skipping = TransformSettings { skip_reencode: true, ..resizing.clone() };
    let encoding =
        TransformSettings { encode_format: Some(EncodeFormat::Png), ..TransformSettings::default() };
    let skipping = TransformSettings { skip_reencode: true, ..encoding.clone() };
    let pixels = |format| Job::Pixels(None, format);
    for (settings, info, expected) in [
        (&TransformSettings::default(), info(F::Gif, (900, 900)), Job::Keep),
        (&TransformSettings::default(), info(F::Avif, (900, 900)), Job::Keep),
        (&resizing, info(F::Png, (256, 300)), pixels(EncodeFormat::Jpg)),
        (&resizing, info(F::Jpeg, (256, 300)), pixels(EncodeFormat::Jpg)),
        (&resizing_skipping, info(F::Jpeg, (256, 300)), Job::Keep),
        (&resizing_skipping, info(F::Png, (256, 300)), pixels(EncodeFormat::Jpg)),
        (&resizing, info(F::Avif, (900, 900)), Job::KeepUndecoded),
        (&resizing, ImageInfo { format: F::Svg, width: None, height: None }, Job::KeepUndecoded),
        (&encoding, info(F::Png, (9, 9)), pixels(EncodeFormat::Png)),
        (&encoding, info(F::Heic, (9, 9)), Job::KeepUndecoded),
        (&skipping, info(F::Png, (9, 9)), Job::Keep),
        (&skipping, info(F::Jpeg, (9, 9)), pixels(EncodeFormat::Png)),
    ] {
        assert_eq!(job(&info, settings), expected, "{info:?}");
    }
    let Job::Pixels(Some(plan), EncodeFormat::Jpg) = job(&info(F::Png, (512, 1024)), &resizing) else {
        panic!("a larger image is not resized");
    };
    assert_eq!(plan.scaled, (256, 512));
}

proptest! {
    #[test]
    fn a_plan_fits_what_it_promises(
        width in 1u32..20_000, height in 1u32..20_000, size in 1u32..3000,
        mode in prop::sample::select(ResizeMode::ALL),
    ) {
        let settings = settings(mode, size);
        let Some(plan) = plan((width, height), &settings) else { return Ok(()) };
        let (left, top, wanted_width, wanted_height) = plan.wanted();
        prop_assert!(left + wanted_width <= plan.scaled.0 && top + wanted_height <= plan.scaled.1);
        let (scaled_width, scaled_height) = plan.scaled;
        match mode {
            ResizeMode::No => prop_assert!(false, "nothing is to be resized"),
            ResizeMode::KeepRatio => prop_assert_eq!(scaled_width.min(scaled_height), size),
            ResizeMode::KeepRatioLargest => prop_assert_eq!(scaled_width.max(scaled_height), size),
            ResizeMode::CenterCrop | ResizeMode::Border => prop_assert_eq!(plan.result(), (size, size)),
        }
        // An image lying on its side gets the same plan, on its side.
        let turned = super::plan((height, width), &settings).unwrap();
        prop_assert_eq!(turned.scaled, (scaled_height, scaled_width));
    }
}
