//! What the header says, and whether the image is wanted.

use crate::decode::{Probe, probe};
use crate::filter::filter;
use crate::guard::guarded;
use crate::plan::{Job, job};
use crate::settings::TransformSettings;
use crate::sniff::{ImageInfo, sniff};
use crate::work::work_bytes;
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

/// Recognises an image and checks its header against the settings. Decodes nothing. The settings must be
/// [valid](TransformSettings::validate).
///
/// # Errors
/// [`Refusal`]: no image, larger than allowed, filtered out, or more memory than allowed to transform it.
pub fn inspect(bytes: &[u8], settings: &TransformSettings) -> Result<Inspected, Refusal> {
    let Some(mut info) = sniff(bytes) else {
        let what = if bytes.is_empty() { "an empty body" } else { "not a known image" };
        return Err(Refusal::new(ErrorClass::NotAnImage, what));
    };
    check_size(&info, settings)?;
    let Job::Pixels(plan, _) = job(&info, settings) else { return Ok(Inspected { info, work_bytes: 0 }) };
    let probe = guarded(|| probe(bytes, info.format, plan.as_ref(), settings))?;
    if (info.width, info.height) == (Some(probe.size.0), Some(probe.size.1)) {
        return budgeted(info, &probe, settings);
    }
    // The directory of an icon, for one, does not bind the image that it points to. The decoder has the last word.
    (info.width, info.height) = (Some(probe.size.0), Some(probe.size.1));
    check_size(&info, settings)?;
    budgeted(info, &probe, settings)
}

fn check_size(info: &ImageInfo, settings: &TransformSettings) -> Result<(), Refusal> {
    let (Some(width), Some(height)) = (info.width, info.height) else { return Ok(()) };
    let pixels = u64::from(width) * u64::from(height);
    if width.max(height) > settings.max_side || pixels > settings.max_pixels {
        let (side, most) = (settings.max_side, settings.max_pixels);
        let message = format!("{width}x{height} pixels, allowed are {side} per side and {most} in all");
        return Err(Refusal::new(ErrorClass::TooLarge, message));
    }
    filter((width, height), settings)
}

/// Adds the need of memory, which must be within the limit.
fn budgeted(info: ImageInfo, probe: &Probe, settings: &TransformSettings) -> Result<Inspected, Refusal> {
    let Job::Pixels(plan, format) = job(&info, settings) else {
        return Ok(Inspected { info, work_bytes: 0 });
    };
    let (width, height) = plan.map_or(probe.size, |plan| plan.result());
    let side = format.max_side();
    if width.max(height) > side {
        let message =
            format!("it would be {width}x{height} pixels as {format}, which takes at most {side} per side");
        return Err(Refusal::new(ErrorClass::TooLarge, message));
    }
    let (work_bytes, most) = (work_bytes(probe, plan.as_ref(), format), settings.max_work_bytes);
    if work_bytes > most {
        let message = format!(
            "{}x{} pixels of {} take {work_bytes} bytes of memory, allowed are {most}",
            probe.size.0, probe.size.1, info.format
        );
        return Err(Refusal::new(ErrorClass::TooLarge, message));
    }
    Ok(Inspected { info, work_bytes })
}
