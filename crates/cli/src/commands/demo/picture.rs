//! Pictures drawn from a number: small, all different, the same each time.

const WIDTH: u32 = 96;
const HEIGHT: u32 = 64;

/// A PNG of coloured bands that tell its number apart from all others.
pub(super) fn picture(number: u64) -> Vec<u8> {
    let seed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut pixels = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let wave = (u64::from(x) * (1 + seed % 7) + u64::from(y) * (1 + (seed >> 8) % 5)) as u8;
            pixels.extend_from_slice(&[
                wave.wrapping_add((seed >> 16) as u8),
                wave.wrapping_mul(2).wrapping_add((seed >> 24) as u8),
                (x as u8).wrapping_add((seed >> 32) as u8),
            ]);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH, HEIGHT);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory with the right number of pixels cannot fail; an empty answer would show as a broken picture.
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    if written.is_err() {
        bytes.clear();
    }
    bytes
}
