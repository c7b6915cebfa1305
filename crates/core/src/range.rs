//! Runs of consecutive images.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The largest image number: image numbers live in signed 64-bit columns.
pub const MAX_IMAGE_NUMBER: u64 = i64::MAX as u64 - 1;

/// First and last image number, both inclusive; never empty. JSON: `{"start": 0, "end": 499}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RangeFields", into = "RangeFields")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImageRange {
    /// The first image.
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    start: u64,
    /// The last image, which belongs to the range.
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0))]
    end: u64,
}

#[derive(Serialize, Deserialize)]
struct RangeFields {
    start: u64,
    end: u64,
}

impl ImageRange {
    /// # Errors
    /// Validation: `start` after `end`, or `end` above [`MAX_IMAGE_NUMBER`].
    pub fn new(start: u64, end: u64) -> Result<Self> {
        if end > MAX_IMAGE_NUMBER {
            return Err(Error::invalid("image_range.end", end, format!("0 to {MAX_IMAGE_NUMBER}")));
        }
        if start > end {
            return Err(Error::invalid("image_range.start", start, format!("0 to the range's end, {end}")));
        }
        Ok(Self { start, end })
    }

    /// The first image.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The last image, which belongs to the range.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// How many images; at least one.
    pub const fn images(self) -> u64 {
        self.end - self.start + 1
    }

    /// Every image number in order.
    pub fn iter(self) -> std::ops::RangeInclusive<u64> {
        self.start..=self.end
    }
}

impl TryFrom<RangeFields> for ImageRange {
    type Error = Error;

    fn try_from(fields: RangeFields) -> Result<Self> {
        Self::new(fields.start, fields.end)
    }
}

impl From<ImageRange> for RangeFields {
    fn from(range: ImageRange) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl fmt::Display for ImageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}
