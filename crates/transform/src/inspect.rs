//! What the header says, and whether the image is wanted.

use crate::settings::TransformSettings;
use crate::sniff::{ImageInfo, sniff};
use ream_core::ErrorClass;

/// Why an image is not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct Refusal {
    /// For counting.
    pub class: ErrorClass,
    /// What is wrong with it, in a line.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

/// An image whose header passed the checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// What the header says.
    pub info: ImageInfo,
    /// The memory that [`crate::transform()`] takes at most besides the bytes that it is given; 0 if the image is to be
    /// kept as it came.
    pub work_bytes: u64,
}

/// Recognises an image and checks its header against the settings. Decodes nothing.
///
/// # Errors
/// [`Refusal`]: no image, larger than allowed, or filtered out.
pub fn inspect(bytes: &[u8], settings: &TransformSettings) -> Result<Inspected, Refusal> {
    let Some(info) = sniff(bytes) else {
        let what = if bytes.is_empty() { "an empty body" } else { "not a known image" };
        return Err(Refusal::new(ErrorClass::NotAnImage, what));
    };
    if let (Some(width), Some(height)) = (info.width, info.height) {
        let pixels = u64::from(width) * u64::from(height);
        if width.max(height) > settings.max_side || pixels > settings.max_pixels {
            let (side, most) = (settings.max_side, settings.max_pixels);
            let message = format!("{width}x{height} pixels, allowed are {side} per side and {most} in all");
            return Err(Refusal::new(ErrorClass::TooLarge, message));
        }
    }
    Ok(Inspected { info, work_bytes: 0 })
}
