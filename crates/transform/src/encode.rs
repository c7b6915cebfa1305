//! Pixels to file bytes. The same pixels and settings give the same bytes.

use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use crate::settings::{EncodeFormat, TransformSettings};
use png::{BitDepth, DeflateCompression, Encoder as PngEncoder};

pub(crate) fn encode(pixels: Pixels, settings: &TransformSettings) -> Result<Vec<u8>, Refusal> {
    let mut bytes = match settings.encode_as() {
        EncodeFormat::Jpg => jpeg(&pixels, settings.encode_quality)?,
        EncodeFormat::Png => png(&pixels, settings.encode_quality)?,
        EncodeFormat::Webp => webp(pixels, settings.encode_quality)?,
    };
    // It waits in memory until its chunk is packed.
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// More bytes than a JPEG of so many pixels takes, save for noise at the highest qualities.
pub(crate) const fn jpeg_reserve_bytes(pixels: u64) -> u64 {
    2 * pixels + 16 * 1024
}

#[cfg(not(feature = "turbo"))]
fn jpeg(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, Refusal> {
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    let (width, height) = (u16::try_from(pixels.size.0), u16::try_from(pixels.size.1));
    let (width, height) = (width.map_err(undecodable)?, height.map_err(undecodable)?);
    let color = if pixels.layout == Layout::L { ColorType::Luma } else { ColorType::Rgb };
    let area = u64::from(width) * u64::from(height);
    let mut bytes = Vec::with_capacity(usize::try_from(jpeg_reserve_bytes(area)).map_err(undecodable)?);
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&pixels.data, width, height, color).map_err(undecodable)?;
    Ok(bytes)
}

#[cfg(feature = "turbo")]
fn jpeg(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, Refusal> {
    use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};
    let (format, subsampling) = match pixels.layout {
        Layout::L => (PixelFormat::GRAY, Subsamp::Gray),
        _ => (PixelFormat::RGB, Subsamp::Sub2x2),
    };
    let (width, height) = (pixels.size.0 as usize, pixels.size.1 as usize);
    let image = Image { pixels: pixels.data.as_slice(), width, pitch: pixels.row_bytes(), height, format };
    let mut compressor = Compressor::new().map_err(undecodable)?;
    compressor.set_quality(i32::from(quality));
    compressor.set_subsamp(subsampling);
    compressor.compress_to_vec(image).map_err(undecodable)
}

fn png(pixels: &Pixels, level: u8) -> Result<Vec<u8>, Refusal> {
    let color = match pixels.layout {
        Layout::L => png::ColorType::Grayscale,
        Layout::La => png::ColorType::GrayscaleAlpha,
        Layout::Rgb => png::ColorType::Rgb,
        Layout::Rgba => png::ColorType::Rgba,
    };
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes, pixels.size.0, pixels.size.1);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(match level {
        0 => DeflateCompression::NoCompression,
        level => DeflateCompression::Level(level.min(9)),
    });
    let mut writer = encoder.write_header().map_err(undecodable)?;
    writer.write_image_data(&pixels.data).map_err(undecodable)?;
    writer.finish().map_err(undecodable)?;
    Ok(bytes)
}

fn webp(mut pixels: Pixels, quality: u8) -> Result<Vec<u8>, Refusal> {
    pixels.expand_grey();
    let (width, height) = pixels.size;
    let encoder = match pixels.layout {
        Layout::Rgba => webp::Encoder::from_rgba(&pixels.data, width, height),
        _ => webp::Encoder::from_rgb(&pixels.data, width, height),
    };
    let encoded = encoder.encode_simple(false, f32::from(quality));
    let memory = encoded.map_err(|error| undecodable(format!("cannot encode as WebP: {error:?}")))?;
    Ok(memory.to_vec())
}
