//! The rules of `ream_transform::color` and of the encoders, on images of every kind.
#![allow(clippy::unwrap_used)]

mod support;

use image::{ColorType, ImageFormat as F};
use ream_core::ErrorClass;
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings, exif_json};
use sha2::{Digest, Sha256};
use support::*;

fn encoding(format: EncodeFormat) -> TransformSettings {
    resizing(ResizeMode::No, 256, format)
}

#[test]
fn every_kind_is_decoded_to_what_it_shows() {
    let (width, height) = (96, 64);
    for (kind, bytes) in every_kind(width, height) {
        let shown = pixels(&bytes, &encoding(EncodeFormat::Png));
        assert_eq!((shown.width(), shown.height()), (width, height), "{kind}");
        let is_grey = kind.contains("grey") || kind.contains("Luma");
        let expected = if is_grey { grey(width, height) } else { rgb(width, height) };
        // A palette of four colours is another picture; GIF has 256 colours, and losses differ.
        let tolerance = if kind.contains("gif") {
            48
        } else if kind.contains("palette") {
            255
        } else {
            24
        };
        assert!(difference(&shown, &expected) <= tolerance, "{kind}: {}", difference(&shown, &expected));
        // GIF knows no half-transparent pixels.
        let has_alpha =
            (kind.contains("alpha") || kind.contains("rgba") || kind == "ico") && !kind.contains("gif");
        assert_eq!(shown.color().has_alpha(), has_alpha, "{kind}");
        assert_eq!(shown.color().has_color(), !is_grey, "{kind}");
    }
}

#[test]
fn every_kind_goes_into_every_format_and_mode() {
    for (kind, bytes) in every_kind(90, 61) {
        for &mode in ResizeMode::ALL {
            for &format in EncodeFormat::ALL {
                let settings = resizing(mode, 32, format);
                let (inspected, out) =
                    run(&bytes, &settings).unwrap_or_else(|error| panic!("{kind}: {error}"));
                let size = match mode {
                    ResizeMode::No => (90, 61),
                    ResizeMode::KeepRatio => (47, 32),
                    ResizeMode::KeepRatioLargest => (32, 22),
                    ResizeMode::Border | ResizeMode::CenterCrop => (32, 32),
                };
                assert_eq!((out.width, out.height), (Some(size.0), Some(size.1)), "{kind} {mode} {format}");
                assert_eq!(out.format, format.image_format());
                let found = ream_transform::sniff(&out.bytes.unwrap()).unwrap();
                assert_eq!((found.format, found.width, found.height), (out.format, out.width, out.height));
                assert!(inspected.work_bytes > 0);
            }
        }
    }
}

#[test]
fn exif_orientation_is_applied_to_pixels_and_left_alone_in_kept_bytes() {
    let upright = rgb(64, 32);
    for orientation in 1..=8 {
        let bytes = jpeg_with(64, 32, JPEG, &[(1, &exif(orientation))]);
        let mut expected = decoded_jpeg(&bytes);
        expected.apply_orientation(image::metadata::Orientation::from_exif(orientation).unwrap());
        let shown = pixels(&bytes, &encoding(EncodeFormat::Png));
        assert!(difference(&shown, &expected) <= 4, "{orientation}");
        assert_eq!(shown.width() == 32, orientation >= 5);
        let small = pixels(&bytes, &resizing(ResizeMode::KeepRatio, 16, EncodeFormat::Png));
        assert_eq!((small.width(), small.height()), if orientation >= 5 { (16, 32) } else { (32, 16) });
        let (_, kept) = run(&bytes, &TransformSettings::default()).unwrap();
        assert_eq!((kept.bytes, kept.width, kept.height), (None, Some(64), Some(32)));
    }
    // What is none of the eight is upright.
    let odd = jpeg_with(64, 32, JPEG, &[(1, &exif(9))]);
    assert!(difference(&pixels(&odd, &encoding(EncodeFormat::Png)), &upright) <= 24);
}

#[test]
fn alpha_is_flattened_on_white_for_jpeg_and_kept_otherwise() {
    let transparent = file(&rgba(40, 40, 0), F::Png);
    let white = pixels(&transparent, &encoding(EncodeFormat::Jpg));
    assert!(white.to_rgb8().iter().all(|&sample| sample >= 253));
    for format in [EncodeFormat::Png, EncodeFormat::Webp] {
        let kept = pixels(&file(&rgba(40, 40, 100), F::Png), &encoding(format));
        assert!(kept.to_rgba8().pixels().all(|pixel| pixel.0[3] == 100), "{format}");
    }
    let opaque = pixels(&file(&rgba(40, 40, 255), F::Png), &encoding(EncodeFormat::Png));
    assert_eq!(opaque.color(), ColorType::Rgb8);
    let hole = pixels(&palette_png(40, 40, true), &encoding(EncodeFormat::Png)).to_rgba8();
    assert_eq!((hole.get_pixel(0, 0).0, hole.get_pixel(39, 0).0[3]), ([255, 0, 0, 255], 0));
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let shown = pixels(&file(&rgb16(50, 50), F::Png), &encoding(EncodeFormat::Png));
    assert_eq!((shown.color(), difference(&shown, &rgb(50, 50))), (ColorType::Rgb8, 0));
}

#[test]
fn a_profile_is_converted_to_srgb_and_not_stored() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let mut chunk = b"ICC_PROFILE\0\x01\x01".to_vec();
    chunk.extend(&p3);
    let mut jpeg = Jpeg { sampling: jpeg_encoder::SamplingFactor::F_1_1, ..JPEG };
    for progressive in [false, true] {
        jpeg.progressive = progressive;
        let (plain, tagged) = (jpeg_with(64, 64, jpeg, &[]), jpeg_with(64, 64, jpeg, &[(2, &chunk)]));
        let settings = encoding(EncodeFormat::Png);
        let (plain, tagged) = (pixels(&plain, &settings).to_rgb8(), pixels(&tagged, &settings).to_rgb8());
        // Red of Display P3 lies outside of sRGB: it becomes redder, and less green.
        let (before, after) = (plain.get_pixel(50, 10).0, tagged.get_pixel(50, 10).0);
        assert!(after[0] > before[0] + 3 && after[1] < before[1], "{before:?} {after:?}");
        let grey = plain.iter().zip(tagged.iter()).all(|(a, b)| a == b);
        assert!(!grey);
    }
    // A broken profile counts as none.
    let broken = jpeg_with(64, 64, JPEG, &[(2, b"ICC_PROFILE\0\x01\x01no profile")]);
    let settings = encoding(EncodeFormat::Png);
    assert_eq!(difference(&pixels(&broken, &settings), &pixels(&jpeg_with(64, 64, JPEG, &[]), &settings)), 0);
}

#[test]
fn of_an_animation_the_first_frame_is_taken() {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for level in [200, 10, 90] {
        let frame = image::RgbaImage::from_pixel(20, 20, image::Rgba([level, level, level, 255]));
        encoder.encode_frame(image::Frame::new(frame)).unwrap();
    }
    drop(encoder);
    let shown = pixels(&bytes, &encoding(EncodeFormat::Png)).to_rgb8();
    assert!(shown.iter().all(|sample| sample.abs_diff(200) < 3));
}

#[test]
fn a_border_is_white_and_the_image_in_its_middle() {
    {
        let black = image::DynamicImage::ImageRgb8(image::RgbImage::new(100, 50));
        let bytes = file(&black, F::Png);
        let shown = pixels(&bytes, &resizing(ResizeMode::Border, 41, EncodeFormat::Png)).to_rgb8();
        let dark: Vec<u32> = (0..41).filter(|&y| shown.get_pixel(20, y).0[0] < 128).collect();
        assert_eq!((dark.first(), dark.last(), dark.len()), (Some(&10), Some(&29), 20));
    }
}

#[test]
fn the_middle_is_cut_out() {
    // Black, and white in the middle third.
    let stripes = image::RgbImage::from_fn(300, 100, |x, _| {
        image::Rgb([if (100..200).contains(&x) { 255 } else { 0 }; 3])
    });
    for size in [100, 50, 200] {
        let settings = resizing(ResizeMode::CenterCrop, size, EncodeFormat::Png);
        let shown = pixels(&file(&stripes.clone().into(), F::Png), &settings).to_rgb8();
        let dark =
            shown.enumerate_pixels().filter(|(x, _, pixel)| (8..size - 8).contains(x) && pixel.0[0] < 250);
        assert_eq!(dark.count(), 0, "{size}");
    }
}

#[test]
fn unwanted_images_are_filtered_with_the_numbers() {
    let bytes = jpeg(200, 100);
    let base = TransformSettings::default();
    for (settings, words) in [
        (TransformSettings { min_image_size: 101, ..base.clone() }, "below 101"),
        (
            TransformSettings { max_image_area: Some(19_999), ..base.clone() },
            "20000 in all are more than 19999",
        ),
        (TransformSettings { max_aspect_ratio: Some(1.9), ..base.clone() }, "2.00 to 1, more than 1.9"),
    ] {
        let refusal = run(&bytes, &settings).unwrap_err();
        assert_eq!(refusal.class, ErrorClass::Filtered);
        assert!(refusal.message.contains(words) && refusal.message.contains("200x100"), "{refusal}");
    }
    let fits = TransformSettings {
        min_image_size: 100,
        max_image_area: Some(20_000),
        max_aspect_ratio: Some(2.0),
        ..base
    };
    assert!(run(&bytes, &fits).is_ok());
}

#[test]
fn what_needs_more_memory_than_allowed_is_refused_with_both_numbers() {
    let settings = TransformSettings { max_work_bytes: 1_000_000, ..encoding(EncodeFormat::Jpg) };
    let refusal = run(&jpeg(2000, 1000), &settings).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::TooLarge);
    assert!(refusal.message.contains("allowed are 1000000"), "{refusal}");
    // Kept as it is, it costs nothing.
    assert_eq!(
        run(&jpeg(2000, 1000), &TransformSettings { max_work_bytes: 1, ..Default::default() })
            .unwrap()
            .0
            .work_bytes,
        0
    );
    // A line that would become a wall.
    let line = file(&grey(8000, 1), F::Png);
    let refusal = run(&line, &resizing(ResizeMode::KeepRatio, 256, EncodeFormat::Jpg)).unwrap_err();
    assert_eq!(refusal.class, ErrorClass::TooLarge);
    assert!(refusal.message.contains("2048000x256"), "{refusal}");
}

#[test]
fn subsampled_cmyk_is_refused_instead_of_stored_in_wrong_colours() {
    for kind in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        let refusal = run(&jpeg_with(64, 64, Jpeg { kind, ..JPEG }, &[]), &encoding(EncodeFormat::Png));
        assert_eq!(refusal.unwrap_err().class, ErrorClass::Decode);
    }
}

#[test]
fn formats_that_are_never_decoded_are_kept_and_say_so() {
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
    let (inspected, out) = run(svg, &resizing(ResizeMode::CenterCrop, 256, EncodeFormat::Jpg)).unwrap();
    assert!(out.undecoded && out.bytes.is_none() && inspected.work_bytes == 0);
    let (_, kept) = run(svg, &TransformSettings::default()).unwrap();
    assert!(!kept.undecoded && kept.bytes.is_none());
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    for &format in EncodeFormat::ALL {
        let settings = resizing(ResizeMode::CenterCrop, 64, format);
        for (kind, bytes) in every_kind(150, 100) {
            let hash = || Sha256::digest(run(&bytes, &settings).unwrap().1.bytes.unwrap());
            assert_eq!(hash(), hash(), "{kind} {format}");
        }
    }
}

#[test]
fn exif_comes_as_names_and_values() {
    let bytes = jpeg_with(64, 32, JPEG, &[(1, &exif(6))]);
    let json = exif_json(&bytes).unwrap();
    assert!(json.contains("\"Image Make\":\"Ream\"") && json.contains("\"Image Orientation\""), "{json}");
    assert_eq!(exif_json(&jpeg(64, 32)), None);
    assert_eq!(exif_json(b"no image at all"), None);
}
