//! Pixels to file bytes. The same pixels and settings give the same bytes.

use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use crate::settings::{EncodeFormat, TransformSettings};
use png::{BitDepth, DeflateCompression, Encoder as PngEncoder};
use std::io::Write as _;

pub(crate) fn encode(mut pixels: Pixels, settings: &TransformSettings) -> Result<Vec<u8>, Refusal> {
    let mut bytes = match settings.encode_as() {
        EncodeFormat::Jpg => jpeg(&pixels, settings.encode_quality)?,
        EncodeFormat::Png => png(&pixels, settings.encode_quality)?,
        EncodeFormat::Webp => {
            pixels.expand_grey();
            webp(&pixels, settings.encode_quality)?
        }
    };
    // Shrinking may copy, so what is not needed any more goes first.
    drop(pixels);
    // It waits in memory until its chunk is packed.
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// An upper bound of what [`encode`] takes besides the pixels, in bytes, for so many pixels of so many samples each.
pub(crate) fn encoder_bytes(format: EncodeFormat, pixels: u64, samples: u64) -> u64 {
    match format {
        EncodeFormat::Jpg => jpeg_reserve_bytes(pixels),
        EncodeFormat::Png => png_reserve_bytes(pixels.saturating_mul(samples)) + PNG_WINDOW_BYTES,
        // The library's planes, statistics, references and stream, measured by the resident memory of a process; its alpha plane is
        // compressed without loss, which takes more. Grey becomes RGB first.
        EncodeFormat::Webp => {
            let library = match (samples.is_multiple_of(2), saves_memory(pixels)) {
                (true, _) => WEBP_ALPHA_BYTES_PER_PIXEL,
                (false, false) => WEBP_BYTES_PER_PIXEL,
                (false, true) => WEBP_SAVING_BYTES_PER_PIXEL,
            };
            let as_rgb = if samples <= 2 { samples + 2 } else { 0 };
            pixels.saturating_mul(library + as_rgb)
        }
    }
}

// Noise takes 28, 8 and 37 at quality 95; photos half as much.
const WEBP_BYTES_PER_PIXEL: u64 = 30;
const WEBP_SAVING_BYTES_PER_PIXEL: u64 = 9;
const WEBP_ALPHA_BYTES_PER_PIXEL: u64 = 40;

/// Whether libwebp is told to hold no symbols until the end: for large images, as it takes more time.
const fn saves_memory(pixels: u64) -> bool {
    pixels > 1 << 20
}

/// Rows, the window and the tables of deflate.
const PNG_WINDOW_BYTES: u64 = 1024 * 1024;

/// More bytes than a PNG of so many bytes of pixels takes: where deflate gains nothing, it stores. Rows and chunks
/// have heads.
const fn png_reserve_bytes(pixels_bytes: u64) -> u64 {
    pixels_bytes + pixels_bytes / 64 + 256 * 1024
}

/// More bytes than a JPEG of so many pixels takes, save for noise at the highest qualities.
const fn jpeg_reserve_bytes(pixels: u64) -> u64 {
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

const PNG_CHUNK_BYTES: usize = 32 * 1024;

fn png(pixels: &Pixels, level: u8) -> Result<Vec<u8>, Refusal> {
    let color = match pixels.layout {
        Layout::L => png::ColorType::Grayscale,
        Layout::La => png::ColorType::GrayscaleAlpha,
        Layout::Rgb => png::ColorType::Rgb,
        Layout::Rgba => png::ColorType::Rgba,
    };
    let reserve_bytes = png_reserve_bytes(pixels.data.len() as u64);
    // A stream that grew by doubling would take three times its size at times. What is not used is not touched.
    let mut bytes = Vec::with_capacity(usize::try_from(reserve_bytes).map_err(undecodable)?);
    let mut encoder = PngEncoder::new(&mut bytes, pixels.size.0, pixels.size.1);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(match level {
        0 => DeflateCompression::NoCompression,
        level => DeflateCompression::Level(level.min(9)),
    });
    let mut file = encoder.write_header().map_err(undecodable)?;
    // Row by row: else all rows are held once more, filtered.
    let mut rows = file.stream_writer_with_size(PNG_CHUNK_BYTES).map_err(undecodable)?;
    rows.write_all(&pixels.data).map_err(undecodable)?;
    rows.finish().map_err(undecodable)?;
    file.finish().map_err(undecodable)?;
    Ok(bytes)
}

fn webp(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, Refusal> {
    let (width, height) = pixels.size;
    let encoder = match pixels.layout {
        Layout::Rgba => webp::Encoder::from_rgba(&pixels.data, width, height),
        _ => webp::Encoder::from_rgb(&pixels.data, width, height),
    };
    let failed = |()| undecodable("the WebP library's settings are of another version");
    let mut config = webp::WebPConfig::new().map_err(failed)?;
    config.quality = f32::from(quality);
    config.low_memory = i32::from(saves_memory(u64::from(width) * u64::from(height)));
    let encoded = encoder.encode_advanced(&config);
    let memory = encoded.map_err(|error| undecodable(format!("cannot encode as WebP: {error:?}")))?;
    Ok(memory.to_vec())
}
