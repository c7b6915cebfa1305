//! How large an image becomes. The numbers are img2dataset's, to the pixel.

use crate::settings::{EncodeFormat, ResizeMode, TransformSettings};
use crate::sniff::{ImageFormat, ImageInfo};

/// Width and height in pixels.
pub(crate) type Size = (u32, u32);

/// What becomes of an image as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// The bytes are stored as they came.
    Keep,
    /// As [`Job::Keep`], because it is a format whose pixels are never looked at.
    KeepUndecoded,
    /// Decoded, resized if there is a plan, and encoded.
    Pixels(Option<Plan>, EncodeFormat),
}

/// A resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// What the whole image is scaled to.
    pub(crate) scaled: Size,
    /// What is done after that.
    pub(crate) fit: Fit,
}

/// What is done after scaling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fit {
    /// Nothing.
    Whole,
    /// The middle is cut out: a square of this side.
    Crop(u32),
    /// White is added around it: a square of this side.
    Pad(u32),
}

impl Plan {
    /// What is stored.
    pub(crate) fn result(&self) -> Size {
        match self.fit {
            Fit::Whole => self.scaled,
            Fit::Crop(side) | Fit::Pad(side) => (side, side),
        }
    }

    /// The part of the scaled image that is wanted: left, top, width, height.
    pub(crate) fn wanted(&self) -> (u32, u32, u32, u32) {
        let (width, height) = self.scaled;
        match self.fit {
            Fit::Crop(side) => ((width - side) / 2, (height - side) / 2, side, side),
            Fit::Whole | Fit::Pad(_) => (0, 0, width, height),
        }
    }
}

/// What is done to an image of which the header says this.
pub(crate) fn job(info: &ImageInfo, settings: &TransformSettings) -> Job {
    if !settings.touches_pixels() {
        return Job::Keep;
    }
    let (Some(width), Some(height), true) = (info.width, info.height, decodable(info.format)) else {
        return Job::KeepUndecoded;
    };
    let plan = plan((width, height), settings);
    let format = settings.encode_as();
    // All that is stored has the one format, whether or not it had to be resized.
    let kept = settings.skip_reencode && format.image_format() == info.format;
    if plan.is_none() && kept { Job::Keep } else { Job::Pixels(plan, format) }
}

fn decodable(format: ImageFormat) -> bool {
    use ImageFormat as F;
    match format {
        F::Jpeg | F::Png | F::Gif | F::Webp | F::Bmp | F::Tiff | F::Ico => true,
        F::Svg | F::Avif | F::Heic | F::Jxl => false,
    }
}

/// `None`: the image stays as large as it is.
fn plan((width, height): Size, settings: &TransformSettings) -> Option<Plan> {
    let size = settings.image_size;
    let (from, fit) = match settings.resize_mode {
        ResizeMode::No => return None,
        ResizeMode::KeepRatio => (width.min(height), Fit::Whole),
        ResizeMode::CenterCrop => (width.min(height), Fit::Crop(size)),
        ResizeMode::KeepRatioLargest => (width.max(height), Fit::Whole),
        ResizeMode::Border => (width.max(height), Fit::Pad(size)),
    };
    if settings.resize_only_if_bigger && from <= size {
        return None;
    }
    // As albumentations does it: one factor for both sides, a half rounded to the even neighbour, never 0.
    let factor = f64::from(size) / f64::from(from);
    // The cast saturates, and what is that large is refused for its memory.
    let side = |pixels: u32| ((f64::from(pixels) * factor).round_ties_even() as u32).max(1);
    let plan = Plan { scaled: (side(width), side(height)), fit };
    ((width, height) != plan.scaled || (width, height) != plan.result()).then_some(plan)
}

#[cfg(test)]
mod tests;
