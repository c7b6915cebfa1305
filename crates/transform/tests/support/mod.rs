//! Images of every kind, made on the spot.
#![allow(clippy::unwrap_used, dead_code)]

use image::{DynamicImage, ImageBuffer, ImageFormat as F, Luma, LumaA, Rgb, Rgba};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use ream_transform::{
    EncodeFormat, Inspected, Refusal, ResizeMode, TransformSettings, Transformed, inspect, transform,
};
use std::io::Cursor;

/// A smooth colour at a place: red to the right, green downwards.
pub(crate) fn color(x: u32, y: u32, width: u32, height: u32) -> [u8; 3] {
    [(255 * x / width) as u8, (255 * y / height) as u8, 128]
}

pub(crate) fn rgb(width: u32, height: u32) -> DynamicImage {
    ImageBuffer::from_fn(width, height, |x, y| Rgb(color(x, y, width, height))).into()
}

pub(crate) fn rgba(width: u32, height: u32, alpha: u8) -> DynamicImage {
    let pixel = |x, y| {
        let [r, g, b] = color(x, y, width, height);
        Rgba([r, g, b, alpha])
    };
    ImageBuffer::from_fn(width, height, pixel).into()
}

pub(crate) fn grey(width: u32, height: u32) -> DynamicImage {
    ImageBuffer::from_fn(width, height, |x, _| Luma([(255 * x / width) as u8])).into()
}

pub(crate) fn grey_alpha(width: u32, height: u32) -> DynamicImage {
    ImageBuffer::from_fn(width, height, |x, _| LumaA([(255 * x / width) as u8, 128])).into()
}

pub(crate) fn rgb16(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgb16(rgb(width, height).to_rgb16())
}

pub(crate) fn file(image: &DynamicImage, format: F) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A PNG with a palette of four colours: red, green, blue, white, in columns; the last is transparent if asked for.
pub(crate) fn palette_png(width: u32, height: u32, transparent: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]);
    if transparent {
        encoder.set_trns(vec![255, 255, 255, 0]);
    }
    let pixels: Vec<u8> = (0..width * height).map(|n| (n % width * 4 / width) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Jpeg {
    pub(crate) kind: ColorType,
    pub(crate) progressive: bool,
    pub(crate) sampling: SamplingFactor,
}

pub(crate) const JPEG: Jpeg =
    Jpeg { kind: ColorType::Rgb, progressive: false, sampling: SamplingFactor::F_2_2 };

/// A JPEG with the segments given put in front.
pub(crate) fn jpeg_with(width: u32, height: u32, jpeg: Jpeg, segments: &[(u8, &[u8])]) -> Vec<u8> {
    let samples: usize = match jpeg.kind {
        ColorType::Luma => 1,
        ColorType::Rgb => 3,
        _ => 4,
    };
    let mut pixels = Vec::new();
    for n in 0..width * height {
        let [r, g, b] = color(n % width, n / width, width, height);
        match samples {
            1 => pixels.push(r),
            3 => pixels.extend([r, g, b]),
            // Ink: no black, and the opposites of light.
            _ => pixels.extend([255 - r, 255 - g, 255 - b, 0]),
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 92);
    encoder.set_progressive(jpeg.progressive);
    encoder.set_sampling_factor(jpeg.sampling);
    for (number, data) in segments {
        encoder.add_app_segment(*number, data.to_vec()).unwrap();
    }
    encoder.encode(&pixels, width as u16, height as u16, jpeg.kind).unwrap();
    bytes
}

pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    jpeg_with(width, height, JPEG, &[])
}

/// An Exif block with the orientation and the maker `Ream`.
pub(crate) fn exif(orientation: u8) -> Vec<u8> {
    let mut bytes = b"Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    bytes.extend(b"\x01\x0F\0\x02\0\0\0\x05\0\0\0\x26");
    bytes.extend([1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    bytes.extend(b"\0\0\0\0Ream\0");
    bytes
}

/// One file of each kind that is decoded, all of the same size.
pub(crate) fn every_kind(width: u32, height: u32) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for kind in [ColorType::Luma, ColorType::Rgb, ColorType::Cmyk, ColorType::CmykAsYcck] {
        for progressive in [false, true] {
            for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_2] {
                // These are refused, see `tests/rules.rs`.
                let is_cmyk = matches!(kind, ColorType::Cmyk | ColorType::CmykAsYcck);
                if is_cmyk && sampling != SamplingFactor::F_1_1 {
                    continue;
                }
                let jpeg = Jpeg { kind, progressive, sampling };
                files.push((format!("{jpeg:?}"), jpeg_with(width, height, jpeg, &[])));
            }
        }
    }
    let images = [
        ("grey", grey(width, height)),
        ("grey and alpha", grey_alpha(width, height)),
        ("rgb", rgb(width, height)),
        ("rgba", rgba(width, height, 100)),
        ("rgb of 16 bits", rgb16(width, height)),
    ];
    for (name, image) in &images {
        files.push((format!("png {name}"), file(image, F::Png)));
    }
    files.push(("png palette".into(), palette_png(width, height, false)));
    for (name, image) in images.iter().filter(|(name, _)| *name != "grey and alpha") {
        files.push((format!("tiff {name}"), file(image, F::Tiff)));
    }
    for (name, image) in images.iter().filter(|(name, _)| ["rgb", "rgba"].contains(name)) {
        files.push((format!("gif {name}"), file(image, F::Gif)));
        files.push((format!("bmp {name}"), file(image, F::Bmp)));
        files.push((format!("webp lossless {name}"), file(image, F::WebP)));
    }
    let (rgb8, rgba8) = (rgb(width, height).to_rgb8(), rgba(width, height, 100).to_rgba8());
    let lossy = webp::Encoder::from_rgb(&rgb8, width, height).encode_simple(false, 80.0).unwrap();
    files.push(("webp lossy rgb".into(), lossy.to_vec()));
    let lossy = webp::Encoder::from_rgba(&rgba8, width, height).encode_simple(false, 80.0).unwrap();
    files.push(("webp lossy rgba".into(), lossy.to_vec()));
    if width.max(height) <= 256 {
        files.push(("ico".into(), file(&images[3].1, F::Ico)));
    }
    files
}

pub(crate) fn resizing(resize_mode: ResizeMode, image_size: u32, format: EncodeFormat) -> TransformSettings {
    let encode_quality = if format == EncodeFormat::Png { 6 } else { 95 };
    let settings = TransformSettings {
        resize_mode,
        image_size,
        encode_format: Some(format),
        encode_quality,
        ..TransformSettings::default()
    };
    settings.validate().unwrap();
    settings
}

pub(crate) fn run(bytes: &[u8], settings: &TransformSettings) -> Result<(Inspected, Transformed), Refusal> {
    let inspected = inspect(bytes, settings)?;
    let transformed = transform(bytes, &inspected, settings)?;
    Ok((inspected, transformed))
}

/// The pixels that come out.
pub(crate) fn pixels(bytes: &[u8], settings: &TransformSettings) -> DynamicImage {
    let (_, transformed) = run(bytes, settings).unwrap();
    let bytes = transformed.bytes.unwrap();
    let image = if bytes.starts_with(b"\xFF\xD8") {
        decoded_jpeg(&bytes)
    } else {
        image::load_from_memory(&bytes).unwrap()
    };
    assert_eq!((Some(image.width()), Some(image.height())), (transformed.width, transformed.height));
    image
}

pub(crate) fn decoded_jpeg(bytes: &[u8]) -> DynamicImage {
    use zune_jpeg::zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
    let header = ream_transform::sniff(bytes).unwrap();
    let (width, height) = (header.width.unwrap(), header.height.unwrap());
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let data = decoder.decode().unwrap();
    assert_eq!(data.len(), (width * height * 3) as usize);
    image::RgbImage::from_raw(width, height, data).unwrap().into()
}

/// The largest difference of any sample.
pub(crate) fn difference(a: &DynamicImage, b: &DynamicImage) -> u8 {
    let (a, b) = (a.to_rgb8(), b.to_rgb8());
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}
