//! Decode, resize, encode.

use crate::color::to_srgb;
use crate::decode::{Decoded, decode};
use crate::encode::encode;
use crate::guard::guarded;
use crate::inspect::{Inspected, Refusal};
use crate::orient::upright;
use crate::plan::{Fit, Job, Plan, job};
use crate::resize::scale;
use crate::settings::{EncodeFormat, TransformSettings};
use crate::sniff::{ImageFormat, ImageInfo};

/// An image as it is to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformed {
    /// The new file; `None` to store the bytes as they came.
    pub bytes: Option<Vec<u8>>,
    /// The stored file's format.
    pub format: ImageFormat,
    /// The stored file's width in pixels, where known.
    pub width: Option<u32>,
    /// The stored file's height in pixels, where known.
    pub height: Option<u32>,
    /// Whether something was to be done to the pixels, but it is a format that is never decoded.
    pub undecoded: bool,
}

/// Does to an image what the settings say; the rules for colours are in the crate's documentation. Takes processor
/// time: call it on a thread that may block. `inspected` must come from the same bytes and settings.
///
/// # Errors
/// [`Refusal`]: the image cannot be decoded.
pub fn transform(
    bytes: &[u8],
    inspected: &Inspected,
    settings: &TransformSettings,
) -> Result<Transformed, Refusal> {
    let info = inspected.info;
    let kept = Transformed {
        bytes: None,
        format: info.format,
        width: info.width,
        height: info.height,
        undecoded: false,
    };
    match job(&info, settings) {
        Job::Keep => Ok(kept),
        Job::KeepUndecoded => Ok(Transformed { undecoded: true, ..kept }),
        Job::Pixels(plan, _) => guarded(|| pixels(bytes, &info, plan, settings)),
    }
}

fn pixels(
    bytes: &[u8],
    info: &ImageInfo,
    plan: Option<Plan>,
    settings: &TransformSettings,
) -> Result<Transformed, Refusal> {
    let Decoded { mut pixels, orientation, icc } = decode(bytes, info.format, plan.as_ref(), settings)?;
    let format = settings.encode_as();
    pixels.settle_alpha(format == EncodeFormat::Jpg);
    if let Some(plan) = plan {
        // Fewer pixels are turned faster, so they are scaled as they lie: a plan is the same for both sides.
        pixels = scale(pixels, &plan)?;
    }
    if let Some(icc) = icc {
        to_srgb(&mut pixels, &icc);
    }
    pixels = upright(pixels, orientation);
    if let Some(Plan { fit: Fit::Pad(side), .. }) = plan {
        pixels = pixels.pad(side);
    }
    let (width, height) = pixels.size;
    let bytes = encode(pixels, settings)?;
    Ok(Transformed {
        bytes: Some(bytes),
        format: format.image_format(),
        width: Some(width),
        height: Some(height),
        undecoded: false,
    })
}
