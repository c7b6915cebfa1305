//! What is made of a job's images: all that shapes its dataset.

use crate::list::ListRecord;
use ream_core::error::{Error, FieldError};
use ream_dataset::{Layout, OutputFormat, OutputOptions};
use ream_transform::{EncodeFormat, ResizeMode, TransformSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What is made of a job's images; a JSON object with any of these members. It must stay the same for a whole dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageRecipe {
    /// `files` (a folder per chunk), `webdataset` (a tar per chunk) or `parquet`.
    pub format: OutputFormat,
    /// Names, keys, metadata and statistics as img2dataset writes them.
    pub img2dataset_layout: bool,
    /// How images are brought to `image_size`.
    pub resize_mode: ResizeMode,
    /// In pixels.
    pub image_size: u32,
    /// Leaves images alone that are not larger.
    pub resize_only_if_bigger: bool,
    /// `null`: as they came; JPEG where they are resized.
    pub encode_format: Option<EncodeFormat>,
    /// `null`: what suits the format.
    pub encode_quality: Option<u8>,
    /// Keeps the bytes of an image that needs no resizing and has the format already.
    pub skip_reencode: bool,
    /// Images whose shorter side is below are left out, in pixels.
    pub min_image_size: u32,
    /// Images of more pixels are left out.
    pub max_image_area: Option<u64>,
    /// Images whose longer side is more than this many times the shorter are left out.
    pub max_aspect_ratio: Option<f64>,
    /// Images of more pixels are refused as too large.
    pub max_pixels: u64,
    /// Images with a longer side are refused as too large, in pixels.
    pub max_side: u32,
}

/// Every member with what it may be.
const FIELDS: [(&str, &str); 13] = [
    ("format", "files, webdataset or parquet"),
    ("img2dataset_layout", "true or false"),
    ("resize_mode", "no, border, keep_ratio, keep_ratio_largest or center_crop"),
    ("image_size", "a number of pixels, 1 or more"),
    ("resize_only_if_bigger", "true or false"),
    ("encode_format", "jpg, png, webp or null"),
    ("encode_quality", "1 to 100, for png 0 to 9, or null"),
    ("skip_reencode", "true or false"),
    ("min_image_size", "a number of pixels, 0 or more"),
    ("max_image_area", "a number of pixels, 1 or more, or null"),
    ("max_aspect_ratio", "a number, 1 or more, or null"),
    ("max_pixels", "a number of pixels, 1 or more"),
    ("max_side", "a number of pixels, 1 or more"),
];

/// What is repeated of a value that makes no sense.
const MAX_VALUE_CHARS: usize = 80;

impl Default for ImageRecipe {
    fn default() -> Self {
        Self::new(OutputFormat::default(), Layout::default(), &TransformSettings::default())
    }
}

impl ImageRecipe {
    /// The recipe of these settings.
    pub fn new(format: OutputFormat, layout: Layout, transform: &TransformSettings) -> Self {
        let quality = TransformSettings::default_quality(transform.encode_format);
        Self {
            format,
            img2dataset_layout: layout == Layout::Img2dataset,
            resize_mode: transform.resize_mode,
            image_size: transform.image_size,
            resize_only_if_bigger: transform.resize_only_if_bigger,
            encode_format: transform.encode_format,
            encode_quality: Some(transform.encode_quality).filter(|chosen| *chosen != quality),
            skip_reencode: transform.skip_reencode,
            min_image_size: transform.min_image_size,
            max_image_area: transform.max_image_area,
            max_aspect_ratio: transform.max_aspect_ratio,
            max_pixels: transform.max_pixels,
            max_side: transform.max_side,
        }
    }

    /// Reads a recipe; what it does not say is as by default.
    ///
    /// # Errors
    /// Validation, all faults at once: fields are named `recipe.FIELD`.
    pub fn parse(recipe: &Value) -> ream_core::Result<Self> {
        let Value::Object(members) = recipe else {
            return Err(Error::invalid("recipe", shown(recipe), "a JSON object"));
        };
        let errors: Vec<FieldError> = members.iter().filter_map(|(name, value)| fault(name, value)).collect();
        if !errors.is_empty() {
            return Err(Error::Validation { errors });
        }
        let parsed: Self = serde_json::from_value(recipe.clone())
            .map_err(|error| Error::invalid("recipe", error, "an object whose members fit together"))?;
        match parsed.transform().validate() {
            Err(Error::Validation { mut errors }) => {
                for error in &mut errors {
                    error.field = format!("recipe.{}", error.field);
                }
                Err(Error::Validation { errors })
            }
            checked => checked.map(|()| parsed),
        }
    }

    /// The recipe of a job: by default where it has none.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn of_job(job: &ream_core::CrawlJob) -> ream_core::Result<Self> {
        job.recipe.as_ref().map_or_else(|| Ok(Self::default()), Self::parse)
    }

    /// The object for a job's `recipe`, with every member, so that it stays what it was when a default changes.
    pub fn to_json(&self) -> Value {
        // Plain values only: it cannot fail.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Whose names and metadata the dataset has.
    pub const fn layout(&self) -> Layout {
        if self.img2dataset_layout { Layout::Img2dataset } else { Layout::Ream }
    }

    /// What is done to each image.
    pub fn transform(&self) -> TransformSettings {
        let quality = TransformSettings::default_quality(self.encode_format);
        TransformSettings {
            resize_mode: self.resize_mode,
            image_size: self.image_size,
            encode_format: self.encode_format,
            encode_quality: self.encode_quality.unwrap_or(quality),
            resize_only_if_bigger: self.resize_only_if_bigger,
            skip_reencode: self.skip_reencode,
            min_image_size: self.min_image_size,
            max_image_area: self.max_image_area,
            max_aspect_ratio: self.max_aspect_ratio,
            max_pixels: self.max_pixels,
            max_side: self.max_side,
            ..TransformSettings::default()
        }
    }

    /// The shape of the output for images of this list.
    pub fn output(&self, list: &ListRecord) -> OutputOptions {
        let transform = self.transform();
        OutputOptions {
            format: self.format,
            layout: self.layout(),
            chunk_size: list.chunk_size,
            kept: list.ingested.kept_columns.clone(),
            has_captions: list.ingested.has_captions,
            encode_extension: transform.touches_pixels().then(|| transform.encode_as().as_str()),
        }
    }
}

/// What is wrong with one member by itself.
fn fault(name: &str, value: &Value) -> Option<FieldError> {
    let field = format!("recipe.{}", name.chars().take(MAX_VALUE_CHARS).collect::<String>());
    let Some((_, allowed)) = FIELDS.iter().find(|(known, _)| *known == name) else {
        let known = FIELDS.map(|(known, _)| known).join(", ");
        return Some(FieldError { field, value: "unknown".to_owned(), allowed: format!("one of {known}") });
    };
    let alone = Map::from_iter([(name.to_owned(), value.clone())]);
    let bad = serde_json::from_value::<ImageRecipe>(Value::Object(alone)).is_err();
    bad.then(|| FieldError { field, value: shown(value), allowed: (*allowed).to_owned() })
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MAX_VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_recipe_says_only_what_differs_from_the_defaults() {
        let recipe = ImageRecipe::parse(&json!({"format": "webdataset", "encode_format": "png"})).unwrap();
        let default = ImageRecipe::default();
        let expected = ImageRecipe {
            format: OutputFormat::Webdataset,
            encode_format: Some(EncodeFormat::Png),
            ..default.clone()
        };
        assert_eq!(recipe, expected);
        assert_eq!(recipe.transform().encode_quality, 6);
        assert_eq!(ImageRecipe::parse(&json!({})).unwrap(), default);
        assert_eq!(default.transform(), TransformSettings::default());
    }

    #[test]
    fn settings_come_back_from_their_recipe() {
        let transform = TransformSettings {
            resize_mode: ResizeMode::CenterCrop,
            image_size: 224,
            encode_format: Some(EncodeFormat::Webp),
            encode_quality: 80,
            resize_only_if_bigger: true,
            skip_reencode: true,
            min_image_size: 3,
            max_image_area: Some(1000),
            max_aspect_ratio: Some(2.5),
            max_pixels: 77,
            max_side: 88,
            ..TransformSettings::default()
        };
        let recipe = ImageRecipe::new(OutputFormat::Parquet, Layout::Img2dataset, &transform);
        let json = recipe.to_json();
        assert_eq!(json.as_object().unwrap().len(), FIELDS.len());
        let back = ImageRecipe::parse(&json).unwrap();
        assert_eq!((back.layout(), back.format), (Layout::Img2dataset, OutputFormat::Parquet));
        assert_eq!(back.transform(), transform);
    }

    #[test]
    fn every_fault_is_named_with_what_is_allowed() {
        let bad =
            json!({"format": "zip", "image_size": -3, "max_side": 1.5, "resize": 1, "skip_reencode": "yes"});
        let Err(Error::Validation { errors }) = ImageRecipe::parse(&bad) else { panic!() };
        let told: Vec<_> = errors.iter().map(|e| (e.field.as_str(), e.value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("recipe.format", "\"zip\""),
                ("recipe.image_size", "-3"),
                ("recipe.max_side", "1.5"),
                ("recipe.resize", "unknown"),
                ("recipe.skip_reencode", "\"yes\""),
            ]
        );
        assert_eq!(errors[0].allowed, "files, webdataset or parquet");
        for (bad, field) in [
            (json!({"image_size": 0}), "recipe.image_size"),
            (json!({"encode_format": "png", "encode_quality": 95}), "recipe.encode_quality"),
            (json!({"max_aspect_ratio": 0.5}), "recipe.max_aspect_ratio"),
            (json!([]), "recipe"),
        ] {
            let Err(Error::Validation { errors }) = ImageRecipe::parse(&bad) else { panic!("{bad}") };
            assert_eq!(errors[0].field, field);
        }
    }
}
