//! JPEG.

use super::jpeg_header::JpegHeader;
use super::{Decoded, Probe};
use crate::exif::orientation;
use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::pixels::{Layout, Pixels};
use crate::plan::Plan;
use crate::settings::TransformSettings;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// Rows of blocks, tables and the like, per pixel of width and in all.
const ROWS_BYTES: u64 = 768;
const TABLES_BYTES: u64 = 128 * 1024;

fn header(bytes: &[u8]) -> Result<JpegHeader<'_>, Refusal> {
    JpegHeader::read(bytes).ok_or_else(|| undecodable("the JPEG ends before its first scan"))
}

/// How many times smaller it is decoded: 1, 2, 4 or 8.
fn shrink(header: &JpegHeader<'_>, plan: Option<&Plan>) -> u32 {
    let Some(plan) = plan.filter(|_| cfg!(feature = "turbo") && header.components != 4) else { return 1 };
    // The longer side of both, as the plan may be for the image turned; one factor holds for both sides.
    let (have, want) = (header.width.max(header.height), plan.scaled.0.max(plan.scaled.1));
    // Half as many pixels again as are wanted: with fewer, the result differs visibly from that of a full decode, see
    // `tests/scaled_decode.rs`.
    [8, 4, 2].into_iter().find(|by| 2 * u64::from(have) >= 3 * u64::from(want) * by).map_or(1, |by| by as u32)
}

pub(super) fn probe(bytes: &[u8], plan: Option<&Plan>) -> Result<Probe, Refusal> {
    let header = header(bytes)?;
    let by = shrink(&header, plan);
    let decoded = (header.width.div_ceil(by), header.height.div_ceil(by));
    let samples = if header.components == 1 { 1 } else { 3 };
    let pixels_bytes = u64::from(decoded.0) * u64::from(decoded.1) * samples;
    let coefficients_bytes = if header.buffered { 2 * header.padded_samples } else { 0 };
    let peak_bytes = pixels_bytes + coefficients_bytes + u64::from(header.width) * ROWS_BYTES + TABLES_BYTES;
    Ok(Probe { size: (header.width, header.height), peak_bytes, decoded, pixels_bytes, samples })
}

pub(super) fn decode(
    bytes: &[u8],
    plan: Option<&Plan>,
    settings: &TransformSettings,
) -> Result<Decoded, Refusal> {
    let header = header(bytes)?;
    header.check_whole(bytes).map_err(undecodable)?;
    let orientation = orientation(header.exif);
    // What the profile of a file for printing says is about inks; see `color`.
    let icc = if header.components == 4 { None } else { header.icc() };
    let pixels = pixels(bytes, &header, plan, settings)?;
    Ok(Decoded { pixels, orientation, icc })
}

#[cfg(feature = "turbo")]
fn pixels(
    bytes: &[u8],
    header: &JpegHeader<'_>,
    plan: Option<&Plan>,
    settings: &TransformSettings,
) -> Result<Pixels, Refusal> {
    // Files for printing are converted by one and the same code in both builds.
    if header.components == 4 {
        return plain(bytes, header, settings);
    }
    super::turbo::decode(bytes, header, shrink(header, plan))
}

#[cfg(not(feature = "turbo"))]
fn pixels(
    bytes: &[u8],
    header: &JpegHeader<'_>,
    _: Option<&Plan>,
    settings: &TransformSettings,
) -> Result<Pixels, Refusal> {
    plain(bytes, header, settings)
}

fn plain(bytes: &[u8], header: &JpegHeader<'_>, settings: &TransformSettings) -> Result<Pixels, Refusal> {
    let (space, layout) =
        if header.components == 1 { (ColorSpace::Luma, Layout::L) } else { (ColorSpace::RGB, Layout::Rgb) };
    if header.components == 4 && header.subsampled {
        // zune-jpeg 0.5 gives wrong colours for these, or none.
        return Err(undecodable(
            "a CMYK JPEG with subsampled (such as 2x2) components is not supported, only one with all of them in full",
        ));
    }
    let side = settings.max_side as usize;
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(space);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(undecodable)?;
    let bytes = header.width as usize * header.height as usize * layout.samples();
    if decoder.output_buffer_size() != Some(bytes) {
        return Err(undecodable("the JPEG's header contradicts itself"));
    }
    let mut data = vec![0; bytes];
    decoder.decode_into(&mut data).map_err(undecodable)?;
    Ok(Pixels { size: (header.width, header.height), layout, data })
}
