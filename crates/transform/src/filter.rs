//! Images that the list's owner does not want.

use crate::inspect::Refusal;
use crate::plan::Size;
use crate::settings::TransformSettings;
use ream_core::ErrorClass;

/// Checks the limits that are about taste; those that are about memory come before.
pub(crate) fn filter((width, height): Size, settings: &TransformSettings) -> Result<(), Refusal> {
    let (shorter, longer) = (width.min(height), width.max(height));
    let refuse =
        |why: String| Err(Refusal::new(ErrorClass::Filtered, format!("{width}x{height} pixels: {why}")));
    let least = settings.min_image_size;
    if shorter < least {
        return refuse(format!("the shorter side is below {least}"));
    }
    let area = u64::from(width) * u64::from(height);
    if let Some(most) = settings.max_image_area.filter(|&most| area > most) {
        return refuse(format!("{area} in all are more than {most}"));
    }
    let ratio = f64::from(longer) / f64::from(shorter);
    if let Some(most) = settings.max_aspect_ratio.filter(|&most| ratio > most) {
        return refuse(format!("the sides are as {ratio:.2} to 1, more than {most}"));
    }
    Ok(())
}
