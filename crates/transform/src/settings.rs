//! What is to be done to images, and which are left out.

use crate::sniff::ImageFormat;
use crate::work::largest_square;
use ream_core::error::Validation;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! named {
    ($(#[$doc:meta])* $field:literal, $Name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        pub enum $Name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $Name {
            /// Every one, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in settings and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl fmt::Display for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $Name {
            type Err = ream_core::Error;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().copied().find(|value| value.as_str() == name);
                found.ok_or_else(|| {
                    ream_core::Error::invalid($field, format!("{name:?}"), [$($text),+].join(", "))
                })
            }
        }
    };
}

named! {
    /// How an image is brought to [`TransformSettings::image_size`]; the names are img2dataset's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
    "resize_mode", ResizeMode {
        /// The pixels stay as they are.
        #[default]
        No = "no",
        /// The longer side becomes the size, the rest is filled with white: a square.
        Border = "border",
        /// The shorter side becomes the size.
        KeepRatio = "keep_ratio",
        /// The longer side becomes the size.
        KeepRatioLargest = "keep_ratio_largest",
        /// The shorter side becomes the size, and the middle is cut out: a square.
        CenterCrop = "center_crop",
    }
}

named! {
    /// What stored images are encoded as; the names are img2dataset's.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    "encode_format", EncodeFormat {
        /// JPEG, without alpha.
        Jpg = "jpg",
        /// PNG.
        Png = "png",
        /// WebP, lossy.
        Webp = "webp",
    }
}

impl EncodeFormat {
    /// The format of the stored file.
    pub const fn image_format(self) -> ImageFormat {
        match self {
            Self::Jpg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Webp => ImageFormat::Webp,
        }
    }

    /// The longest side that the format can express, in pixels.
    pub(crate) const fn max_side(self) -> u32 {
        match self {
            Self::Jpg => 65_535,
            Self::Png => 0x7FFF_FFFF,
            Self::Webp => 16_383,
        }
    }
}

/// What is done to each image. The default keeps every image byte by byte as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformSettings {
    /// How images are resized.
    pub resize_mode: ResizeMode,
    /// The side that [`ResizeMode`] brings images to, in pixels.
    pub image_size: u32,
    /// What stored images are encoded as. `None` keeps the bytes as they came, unless images are resized: then it is
    /// JPEG, also for those that need no resizing.
    pub encode_format: Option<EncodeFormat>,
    /// For JPEG and WebP 1 to 100; for PNG the compression, 0 to 9.
    pub encode_quality: u8,
    /// Leaves images alone that are not larger than the size.
    pub resize_only_if_bigger: bool,
    /// Keeps the bytes of an image that needs no resizing and is in the right format already.
    pub skip_reencode: bool,
    /// Images whose shorter side is below are left out, in pixels.
    pub min_image_size: u32,
    /// Images of more pixels are left out.
    pub max_image_area: Option<u64>,
    /// Images whose longer side is more than this many times the shorter are left out.
    pub max_aspect_ratio: Option<f64>,
    /// Images of more pixels are refused as too large, whatever is done to them.
    pub max_pixels: u64,
    /// Images with a longer side are refused as too large, in pixels.
    pub max_side: u32,
    /// Images that need more memory than this to be transformed are refused as too large.
    pub max_work_bytes: u64,
}

/// In pixels; larger than what is served as an image.
const MAX_IMAGE_SIZE: u32 = 16_384;

impl Default for TransformSettings {
    fn default() -> Self {
        Self {
            resize_mode: ResizeMode::No,
            image_size: 256,
            encode_format: None,
            encode_quality: Self::default_quality(None),
            resize_only_if_bigger: false,
            skip_reencode: false,
            min_image_size: 0,
            max_image_area: None,
            max_aspect_ratio: None,
            max_pixels: 50_000_000,
            max_side: 16_384,
            max_work_bytes: 152 * 1024 * 1024,
        }
    }
}

impl TransformSettings {
    /// Whether the pixels of any image are looked at; else all bytes are kept as they came.
    pub fn touches_pixels(&self) -> bool {
        self.resize_mode != ResizeMode::No || self.encode_format.is_some()
    }

    /// The [`TransformSettings::encode_quality`] that suits a format: hard to tell from the original; for PNG, which counts
    /// effort and not quality, moderate.
    pub const fn default_quality(format: Option<EncodeFormat>) -> u8 {
        match format {
            Some(EncodeFormat::Png) => 6,
            _ => 95,
        }
    }

    /// What images are encoded as, if they are.
    pub fn encode_as(&self) -> EncodeFormat {
        self.encode_format.unwrap_or(EncodeFormat::Jpg)
    }

    /// The largest [`TransformSettings::image_size`] that any image can be brought to, in pixels: modes that fill a
    /// square need memory for all of it.
    fn largest_image_size(&self) -> u32 {
        let fills_square = match self.resize_mode {
            ResizeMode::No | ResizeMode::KeepRatioLargest => false,
            ResizeMode::Border | ResizeMode::KeepRatio | ResizeMode::CenterCrop => true,
        };
        let format = self.encode_as();
        let most = MAX_IMAGE_SIZE.min(format.max_side());
        if fills_square { largest_square(format, self.max_work_bytes).clamp(1, most) } else { most }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ream_core::Error::Validation`], with the fields' names and what is allowed.
    pub fn validate(&self) -> ream_core::Result<()> {
        let mut faults = Validation::default();
        let size = self.image_size;
        let largest = self.largest_image_size();
        faults.check((1..=largest).contains(&size), "image_size", size, format!("1 to {largest} pixels"));
        let (quality, allowed) = (
            self.encode_quality,
            if self.encode_format == Some(EncodeFormat::Png) { 0..=9 } else { 1..=100 },
        );
        let words = format!("{} to {} for {}", allowed.start(), allowed.end(), self.encode_as());
        faults.check(allowed.contains(&quality), "encode_quality", quality, words);
        let ratio = self.max_aspect_ratio.unwrap_or(1.0);
        faults.check(ratio >= 1.0, "max_aspect_ratio", ratio, "1 or more");
        faults.check(self.max_image_area != Some(0), "max_image_area", 0, "1 pixel or more");
        faults.check(self.max_pixels > 0, "max_pixels", 0, "1 or more");
        faults.check(self.max_side > 0, "max_side", 0, "1 pixel or more");
        faults.check(self.max_work_bytes > 0, "max_work_bytes", 0, "1 or more");
        faults.finish()
    }
}

#[cfg(test)]
mod tests;
