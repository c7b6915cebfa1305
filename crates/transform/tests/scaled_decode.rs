//! Decoding a JPEG at a smaller scale, as the feature `turbo` does, shows what decoding all of it shows.
#![allow(clippy::unwrap_used)]

mod support;

use image::{DynamicImage, ImageFormat, RgbImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use ream_transform::{EncodeFormat, ResizeMode};
use support::{file, pixels, resizing};

/// Without the margin that `shrink` asks for, it is 26 dB at the worst of the sizes below; with it, 34.
const LEAST_DB: f64 = 33.0;

/// Like a photo: shades, edges at odd angles, texture up to the finest, and noise: harder than most photos.
fn photo(width: u32, height: u32) -> RgbImage {
    let mut state = 1u32;
    RgbImage::from_fn(width, height, |x, y| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = (state >> 28) as f32 - 8.0;
        let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
        let texture = 25.0 * ((u * 90.0).sin() * (v * 70.0 + u * 40.0).cos() + (u * u * 400.0).sin() * 0.5);
        let edge = if (u * 7.0 + v * 3.0).fract() < 0.5 { 40.0 } else { 0.0 };
        let at = |base: f32| (base + texture + edge + noise).clamp(0.0, 255.0) as u8;
        image::Rgb([at(40.0 + 120.0 * u), at(60.0 + 90.0 * v), at(140.0 - 80.0 * u * v)])
    })
}

fn psnr_db(a: &DynamicImage, b: &DynamicImage) -> f64 {
    let (a, b) = (a.to_rgb8(), b.to_rgb8());
    assert_eq!(a.dimensions(), b.dimensions());
    let squares: f64 = a.iter().zip(b.iter()).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1e-9)).log10()
}

/// The sides are just above, at and just below what lets the decoder take the next smaller scale.
#[test]
fn a_scaled_decode_shows_what_a_full_decode_shows() {
    for (width, height) in
        [(131, 97), (193, 128), (255, 300), (256, 256), (300, 259), (511, 640), (517, 512), (777, 530)]
    {
        let image = photo(width, height);
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2] {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, 92);
            encoder.set_sampling_factor(sampling);
            encoder.encode(&image, width as u16, height as u16, ColorType::Rgb).unwrap();
            let full = file(&support::decoded_jpeg(&bytes), ImageFormat::Png);
            for mode in [ResizeMode::CenterCrop, ResizeMode::KeepRatio] {
                let settings = resizing(mode, 64, EncodeFormat::Png);
                let found = psnr_db(&pixels(&bytes, &settings), &pixels(&full, &settings));
                assert!(found >= LEAST_DB, "{width}x{height} {sampling:?} {mode}: {found:.1} dB");
            }
        }
    }
}
