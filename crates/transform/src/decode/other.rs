//! Every format but JPEG.

use super::{Decoded, Probe, gif, png_extras, webp};
use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::orient::Orientation;
use crate::pixels::{Layout, Pixels, reduce_f32, reduce_u16};
use crate::settings::TransformSettings;
use crate::sniff::ImageFormat;
use image::{ColorType, ImageDecoder, ImageReader, Limits};
use std::io::Cursor;

/// Tables, windows and rows, per pixel of width and in all.
const ROWS_BYTES: u64 = 64;
const TABLES_BYTES: u64 = 512 * 1024;

/// Opens a decoder that takes at most `alloc_bytes` for what it limits by itself: profiles and texts in PNG, frames
/// in GIF, strips in TIFF.
fn open<'a>(
    bytes: &'a [u8],
    format: ImageFormat,
    alloc_bytes: u64,
    settings: &TransformSettings,
) -> Result<impl ImageDecoder + use<'a>, Refusal> {
    let format = match format {
        ImageFormat::Png => image::ImageFormat::Png,
        ImageFormat::Gif => image::ImageFormat::Gif,
        ImageFormat::Webp => image::ImageFormat::WebP,
        ImageFormat::Bmp => image::ImageFormat::Bmp,
        ImageFormat::Tiff => image::ImageFormat::Tiff,
        ImageFormat::Ico => image::ImageFormat::Ico,
        other => return Err(undecodable(format!("{other} is never decoded"))),
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(settings.max_side);
    limits.max_image_height = Some(settings.max_side);
    limits.max_alloc = Some(alloc_bytes);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.into_decoder().map_err(undecodable)
}

pub(super) fn probe(
    bytes: &[u8],
    format: ImageFormat,
    settings: &TransformSettings,
) -> Result<Probe, Refusal> {
    let extras_bytes = extras_bytes(bytes, format);
    let decoder = open(bytes, format, header_bytes(extras_bytes, settings), settings)?;
    let size = decoder.dimensions();
    let (pixels_bytes, color) = (decoder.total_bytes(), decoder.color_type());
    let area = u64::from(size.0) * u64::from(size.1);
    // Besides the pixels: what the decoders were measured to take, see `tests/memory.rs`.
    let scratch_bytes = match format {
        ImageFormat::Gif => gif::scratch_bytes(bytes, size)?,
        ImageFormat::Webp => webp::scratch_bytes(bytes, area),
        // All of it as it is in the file, before colours are converted; and one strip or tile may be the whole image,
        // compressed.
        ImageFormat::Tiff => {
            let bits = u64::from(decoder.original_color_type().bits_per_pixel());
            let strips_bytes = pixels_bytes.max(area * bits.div_ceil(8)) + bytes.len() as u64;
            // A strip that is a JPEG is decoded apart, with its coefficients if it is progressive.
            let has_jpeg = memchr::memmem::find(bytes, b"\xFF\xD8\xFF").is_some();
            strips_bytes + if has_jpeg { 3 * pixels_bytes } else { 0 }
        }
        _ => 0,
    };
    let peak_bytes =
        pixels_bytes + scratch_bytes + extras_bytes + u64::from(size.0) * ROWS_BYTES + TABLES_BYTES;
    let samples = u64::from(color.channel_count());
    Ok(Probe { size, peak_bytes, decoded: size, pixels_bytes, samples })
}

/// What the decoder may take to open the file.
fn header_bytes(extras_bytes: u64, settings: &TransformSettings) -> u64 {
    (extras_bytes + TABLES_BYTES).min(settings.max_work_bytes)
}

/// A bound for what comes besides the pixels and is held with them.
fn extras_bytes(bytes: &[u8], format: ImageFormat) -> u64 {
    if format == ImageFormat::Png { png_extras::held_bytes(bytes) } else { 0 }
}

pub(super) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    settings: &TransformSettings,
) -> Result<Decoded, Refusal> {
    let probe = probe(bytes, format, settings)?;
    // A frame or a strip that is larger than the image cannot be allowed more than was foretold.
    let alloc_bytes = match format {
        ImageFormat::Png => header_bytes(extras_bytes(bytes, format), settings),
        _ => probe.peak_bytes - probe.pixels_bytes,
    };
    let mut decoder = open(bytes, format, alloc_bytes, settings)?;
    // What cannot be read of these does not make the pixels worse.
    let orientation = match decoder.orientation() {
        Ok(known) => Orientation::new(u32::from(known.to_exif())),
        Err(_) => Orientation::UPRIGHT,
    };
    let icc = decoder.icc_profile().ok().flatten();
    let (size, color) = (decoder.dimensions(), decoder.color_type());
    if format == ImageFormat::Webp && webp::is_plain(bytes) {
        return Ok(Decoded { pixels: webp::decode(bytes, size)?, orientation, icc });
    }
    let total = usize::try_from(decoder.total_bytes()).map_err(undecodable)?;
    let mut data = vec![0; total];
    decoder.read_image(&mut data).map_err(undecodable)?;
    let layout = to_eight_bits(&mut data, color)?;
    Ok(Decoded { pixels: Pixels { size, layout, data }, orientation, icc })
}

fn to_eight_bits(data: &mut Vec<u8>, color: ColorType) -> Result<Layout, Refusal> {
    let samples = usize::from(color.channel_count());
    match usize::from(color.bytes_per_pixel()) / samples.max(1) {
        1 => {}
        2 => reduce_u16(data),
        4 => reduce_f32(data),
        _ => return Err(undecodable(format!("pixels of an unknown kind: {color:?}"))),
    }
    match samples {
        1 => Ok(Layout::L),
        2 => Ok(Layout::La),
        3 => Ok(Layout::Rgb),
        4 => Ok(Layout::Rgba),
        _ => Err(undecodable(format!("pixels of an unknown kind: {color:?}"))),
    }
}
