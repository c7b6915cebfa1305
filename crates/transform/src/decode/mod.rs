//! File bytes to pixels.

mod gif;
mod jpeg;
pub(crate) mod jpeg_header;
mod other;
mod png_extras;
#[cfg(feature = "turbo")]
mod turbo;
mod webp;

use crate::guard::undecodable;
use crate::inspect::Refusal;
use crate::orient::Orientation;
use crate::pixels::Pixels;
use crate::plan::{Plan, Size};
use crate::settings::TransformSettings;
use crate::sniff::ImageFormat;

/// What is known before decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probe {
    /// What the decoder says, in pixels.
    pub(crate) size: Size,
    /// The memory that decoding takes at its peak, the pixels included.
    pub(crate) peak_bytes: u64,
    /// The size of the decoded pixels, which is smaller than `size` where the decoder scales.
    pub(crate) decoded: Size,
    /// The pixels' bytes.
    pub(crate) pixels_bytes: u64,
    /// Bytes per decoded pixel.
    pub(crate) samples: u64,
}

/// Decoded pixels and what the file says about them.
pub(crate) struct Decoded {
    pub(crate) pixels: Pixels,
    pub(crate) orientation: Orientation,
    pub(crate) icc: Option<Vec<u8>>,
}

/// Reads the header as the decoder does. A header that says twice how large the image is may say nothing the second time.
pub(crate) fn probe(
    bytes: &[u8],
    format: ImageFormat,
    plan: Option<&Plan>,
    settings: &TransformSettings,
) -> Result<Probe, Refusal> {
    let probe = match format {
        ImageFormat::Jpeg => jpeg::probe(bytes, plan),
        _ => other::probe(bytes, format, settings),
    }?;
    match probe.size {
        (0, _) | (_, 0) => Err(undecodable("its header says that it has no pixels")),
        _ => Ok(probe),
    }
}

/// Decodes; of an animation, the first frame. The size is the probe's `decoded`.
pub(crate) fn decode(
    bytes: &[u8],
    format: ImageFormat,
    plan: Option<&Plan>,
    settings: &TransformSettings,
) -> Result<Decoded, Refusal> {
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, plan, settings),
        _ => other::decode(bytes, format, settings),
    }
}
