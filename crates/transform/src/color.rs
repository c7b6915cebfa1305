//! What happens to colours, in one place.
//!
//! Whatever comes in, what is encoded has eight bits per sample, in sRGB:
//!
//! | what comes | what becomes of it |
//! |---|---|
//! | Exif orientation | applied; bytes that are kept keep their Exif |
//! | an ICC profile for RGB or grey | the pixels are converted to sRGB, the profile is dropped; one that cannot be used is dropped as if it said sRGB |
//! | CMYK and YCCK JPEG | converted to RGB by the plain formula; a profile for inks is not used |
//! | 16 bits or floating point | rounded to 8 bits |
//! | a palette, fewer than 8 bits | expanded |
//! | grey | stays grey: one sample per pixel in JPEG and PNG, RGB in WebP |
//! | alpha | over white for JPEG; kept for PNG and WebP unless all of it is opaque |
//! | an animation, several pages | the first frame, on its canvas; the largest of an icon's images |
//! | SVG, AVIF, HEIC, JPEG XL | never decoded: kept as they came |

use crate::guard::caught;
use crate::pixels::{Layout, Pixels};
use moxcms::{ColorProfile, DataColorSpace, Layout as CmsLayout, ProfileText, TransformOptions};

/// Profiles of cameras and printers have up to some megabytes; those of photos on the web a few kilobytes.
pub(crate) const MAX_PROFILE_BYTES: usize = 4 * 1024 * 1024;

/// Converts the pixels from the profile's colours to sRGB. Leaves them alone if the profile cannot be used.
pub(crate) fn to_srgb(pixels: &mut Pixels, icc: &[u8]) {
    if icc.len() > MAX_PROFILE_BYTES {
        return;
    }
    // A profile that breaks the converter is one that cannot be used.
    let converted = caught(|| convert(pixels, icc)).flatten();
    if let Some(data) = converted {
        pixels.data = data;
    }
}

fn convert(pixels: &Pixels, icc: &[u8]) -> Option<Vec<u8>> {
    let profile = ColorProfile::new_from_slice(icc).ok()?;
    let (from, to, space) = match pixels.layout {
        Layout::L => (CmsLayout::Gray, CmsLayout::Rgb, DataColorSpace::Gray),
        Layout::La => (CmsLayout::GrayAlpha, CmsLayout::Rgba, DataColorSpace::Gray),
        Layout::Rgb => (CmsLayout::Rgb, CmsLayout::Rgb, DataColorSpace::Rgb),
        Layout::Rgba => (CmsLayout::Rgba, CmsLayout::Rgba, DataColorSpace::Rgb),
    };
    if profile.color_space != space || is_srgb(&profile) {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(from, &srgb, to, TransformOptions::default()).ok()?;
    let mut data = Vec::with_capacity(pixels.data.len());
    let mut row = vec![0; pixels.size.0 as usize * to.channels()];
    for from in pixels.data.chunks_exact(pixels.row_bytes()) {
        transform.transform(from, &mut row).ok()?;
        match pixels.layout {
            // Of three equal samples one is enough.
            Layout::L => data.extend(row.chunks_exact(3).map(|pixel| pixel[1])),
            Layout::La => data.extend(row.chunks_exact(4).flat_map(|pixel| [pixel[1], pixel[3]])),
            Layout::Rgb | Layout::Rgba => data.extend_from_slice(&row),
        }
    }
    Some(data)
}

/// Most profiles in photos say sRGB, by many hands and names; converting would only cost time.
fn is_srgb(profile: &ColorProfile) -> bool {
    let named = |text: &str| text.contains("sRGB") && !text.contains("scRGB");
    match &profile.description {
        Some(ProfileText::PlainString(text)) => named(text),
        Some(ProfileText::Localizable(texts)) => texts.iter().any(|text| named(&text.value)),
        Some(ProfileText::Description(text)) => named(&text.ascii_string),
        None => false,
    }
}
