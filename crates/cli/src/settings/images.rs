//! What `ream crawl` does to images, and which it leaves out.

use super::{Layers, Row, Setting, Source, number, whole, yes_or_no};
use crate::failure::{Failure, Result};
use crate::values::flag;
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings};
use std::str::FromStr;

/// What is done to images, as far as the command line says it.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Images")]
pub(crate) struct ImageFlags {
    /// `no`, `border`, `keep_ratio`, `keep_ratio_largest` or `center_crop` [default: no]
    #[arg(long, value_name = "MODE", value_parser = flag(ResizeMode::from_str))]
    pub(crate) resize_mode: Option<ResizeMode>,
    /// The side that images are resized to, in pixels [default: 256]
    #[arg(long, value_name = "PIXELS", value_parser = flag(whole::<u32>), allow_negative_numbers = true)]
    pub(crate) image_size: Option<u32>,
    /// Resize only images larger than that
    #[arg(long)]
    pub(crate) only_if_bigger: bool,
    /// Encode images as `jpg`, `png` or `webp` [default: as they came; jpg with --resize-mode]
    #[arg(long, value_name = "FORMAT", value_parser = flag(EncodeFormat::from_str))]
    pub(crate) encode_format: Option<EncodeFormat>,
    /// jpg and webp: 1 to 100; png: how hard to compress, 0 to 9 [default: 95; 6 for png]
    #[arg(long, value_name = "QUALITY", value_parser = flag(whole::<u8>), allow_negative_numbers = true)]
    pub(crate) encode_quality: Option<u8>,
    /// Keep the bytes of an image that needs no resizing and has the format already
    #[arg(long)]
    pub(crate) skip_reencode: bool,
    /// Leave out images with a shorter side below this, in pixels [default: 0]
    #[arg(long, value_name = "PIXELS", value_parser = flag(whole::<u32>), allow_negative_numbers = true)]
    pub(crate) min_image_size: Option<u32>,
    /// Leave out images of more pixels than this [default: none]
    #[arg(long, value_name = "PIXELS", value_parser = flag(whole::<u64>), allow_negative_numbers = true)]
    pub(crate) max_image_area: Option<u64>,
    /// Leave out images whose longer side is more than this many times the shorter [default: none]
    #[arg(long, value_name = "RATIO", value_parser = flag(ratio), allow_negative_numbers = true)]
    pub(crate) max_aspect_ratio: Option<f64>,
    /// Refuse images of more pixels as too large [default: 50000000]
    #[arg(long, value_name = "PIXELS", value_parser = flag(whole::<u64>), allow_negative_numbers = true)]
    pub(crate) max_pixels: Option<u64>,
    /// Refuse images with a longer side as too large, in pixels [default: 16384]
    #[arg(long, value_name = "PIXELS", value_parser = flag(whole::<u32>), allow_negative_numbers = true)]
    pub(crate) max_side: Option<u32>,
}

/// What is done to images. Ranges and defaults are those of [`TransformSettings`].
pub(crate) struct ImageSettings {
    resize_mode: Setting<ResizeMode>,
    image_size: Setting<u32>,
    only_if_bigger: Setting<bool>,
    encode_format: Setting<Option<EncodeFormat>>,
    encode_quality: Setting<Option<u8>>,
    skip_reencode: Setting<bool>,
    min_image_size: Setting<u32>,
    max_image_area: Setting<Option<u64>>,
    max_aspect_ratio: Setting<Option<f64>>,
    max_pixels: Setting<u64>,
    max_side: Setting<u32>,
}

impl ImageSettings {
    pub(crate) fn load(layers: &Layers, flags: &ImageFlags) -> Result<Self> {
        let f = flags.clone();
        let d = TransformSettings::default();
        Ok(Self {
            resize_mode: layers.pick(
                "images.resize_mode",
                f.resize_mode,
                ResizeMode::from_str,
                d.resize_mode,
            )?,
            image_size: layers.pick("images.image_size", f.image_size, whole, d.image_size)?,
            only_if_bigger: layers.pick(
                "images.only_if_bigger",
                f.only_if_bigger.then_some(true),
                yes_or_no,
                d.resize_only_if_bigger,
            )?,
            encode_format: layers.pick(
                "images.encode_format",
                f.encode_format.map(Some),
                |text| EncodeFormat::from_str(text).map(Some),
                d.encode_format,
            )?,
            encode_quality: layers.pick(
                "images.encode_quality",
                f.encode_quality.map(Some),
                |text| whole(text).map(Some),
                None,
            )?,
            skip_reencode: layers.pick(
                "images.skip_reencode",
                f.skip_reencode.then_some(true),
                yes_or_no,
                d.skip_reencode,
            )?,
            min_image_size: layers.pick(
                "images.min_image_size",
                f.min_image_size,
                whole,
                d.min_image_size,
            )?,
            max_image_area: layers.pick(
                "images.max_image_area",
                f.max_image_area.map(Some),
                |text| whole(text).map(Some),
                d.max_image_area,
            )?,
            max_aspect_ratio: layers.pick(
                "images.max_aspect_ratio",
                f.max_aspect_ratio.map(Some),
                |text| ratio(text).map(Some),
                d.max_aspect_ratio,
            )?,
            max_pixels: layers.pick("images.max_pixels", f.max_pixels, whole, d.max_pixels)?,
            max_side: layers.pick("images.max_side", f.max_side, whole, d.max_side)?,
        })
    }

    fn encode_quality(&self) -> u8 {
        let default = TransformSettings::default_quality(self.encode_format.value);
        self.encode_quality.value.unwrap_or(default)
    }

    /// What is done to each image.
    ///
    /// # Errors
    /// Validation: a number out of its range, by the name and place where the user gave it.
    pub(crate) fn transform(&self) -> Result<TransformSettings> {
        let settings = TransformSettings {
            resize_mode: self.resize_mode.value,
            image_size: self.image_size.value,
            encode_format: self.encode_format.value,
            encode_quality: self.encode_quality(),
            resize_only_if_bigger: self.only_if_bigger.value,
            skip_reencode: self.skip_reencode.value,
            min_image_size: self.min_image_size.value,
            max_image_area: self.max_image_area.value,
            max_aspect_ratio: self.max_aspect_ratio.value,
            max_pixels: self.max_pixels.value,
            max_side: self.max_side.value,
            ..TransformSettings::default()
        };
        let rows = self.rows();
        let named = |field: &str| {
            let key = format!("images.{field}");
            rows.iter().find(|row| row.key == key).map(|row| row.source.names(row.key))
        };
        settings.validate().map_err(|error| Failure::from(error).rename_fields(named))?;
        self.check_effect(&settings)?;
        Ok(settings)
    }

    /// A flag that does nothing is a mistake, and a large crawl is a dear way to find out.
    fn check_effect(&self, settings: &TransformSettings) -> Result<()> {
        let (resizes, encodes) = (settings.resize_mode != ResizeMode::No, settings.touches_pixels());
        let idle = |source: &Source, has_effect: bool, needs: &str| match source {
            Source::Flag(flag) if !has_effect => {
                Err(Failure::usage(format!("`{flag}` has no effect without {needs}")))
            }
            _ => Ok(()),
        };
        idle(&self.image_size.source, resizes, "`--resize-mode`")?;
        idle(&self.only_if_bigger.source, resizes, "`--resize-mode`")?;
        idle(&self.encode_quality.source, encodes, "`--resize-mode` or `--encode-format`")?;
        idle(&self.skip_reencode.source, encodes, "`--resize-mode` or `--encode-format`")
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![
            self.resize_mode.row(self.resize_mode.value),
            self.image_size.row(self.image_size.value),
            self.only_if_bigger.row(self.only_if_bigger.value),
            self.encode_format.row(or_word(self.encode_format.value, "as it came")),
            self.encode_quality.row(self.encode_quality()),
            self.skip_reencode.row(self.skip_reencode.value),
            self.min_image_size.row(self.min_image_size.value),
            self.max_image_area.row(or_word(self.max_image_area.value, "none")),
            self.max_aspect_ratio.row(or_word(self.max_aspect_ratio.value, "none")),
            self.max_pixels.row(self.max_pixels.value),
            self.max_side.row(self.max_side.value),
        ]
    }
}

fn ratio(text: &str) -> ream::Result<f64> {
    number(text, "a number, 1 or more")
}

fn or_word(value: Option<impl std::fmt::Display>, word: &str) -> String {
    value.map_or_else(|| word.to_owned(), |value| value.to_string())
}
