//! What a dataset's files are called, and what stands in them beside the images.

pub(crate) mod img2dataset;

use crate::kept::KeptColumn;
use crate::ledger::ledger_name;
use crate::sink::OutputFormat;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The folder for ledgers where they must not lie among the shards. Readers of datasets pass over names that begin
/// with `_`.
pub const LEDGER_DIR: &str = "_ledger";

const SUMMARY_NAME: &str = "dataset.json";

/// Whose names and metadata a dataset has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Ream's own: names from image numbers, facts as in the ledger.
    #[default]
    Ream,
    /// Those of img2dataset 1.47, so that what reads its output reads this: names, keys, metadata, statistics.
    Img2dataset,
}

impl Layout {
    /// Every layout.
    pub const ALL: &[Self] = &[Self::Ream, Self::Img2dataset];

    /// The name in settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ream => "ream",
            Self::Img2dataset => "img2dataset",
        }
    }

    /// Where the dataset's summary lies. Beside img2dataset's shards every `*.json` has to be the statistics of one.
    pub fn summary_name(self) -> String {
        match self {
            Self::Ream => SUMMARY_NAME.to_owned(),
            Self::Img2dataset => format!("{LEDGER_DIR}/{SUMMARY_NAME}"),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Layout {
    type Err = ream_core::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|layout| layout.as_str() == name);
        found.ok_or_else(|| ream_core::Error::invalid("layout", format!("{name:?}"), "ream or img2dataset"))
    }
}

/// All that shapes a dataset's files. It must stay the same for all chunks of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputOptions {
    /// What the shards are.
    pub format: OutputFormat,
    /// What they are called and hold.
    pub layout: Layout,
    /// Images per chunk; how many digits an img2dataset key has follows from it.
    pub chunk_size: u64,
    /// The kept columns, in the order of [`LedgerRow::kept`](crate::LedgerRow::kept).
    pub kept: Vec<KeptColumn>,
    /// Whether the list has a column of captions. img2dataset then writes a caption for every image, empty ones too.
    pub has_captions: bool,
    /// The file name extension of the format that images are encoded as: `jpg`, `png` or `webp`. `None` where the
    /// bytes are kept as they came, whatever they are. Only img2dataset's layout asks.
    pub encode_extension: Option<&'static str>,
}

impl From<OutputFormat> for OutputOptions {
    /// This format in Ream's layout, with nothing kept.
    fn from(format: OutputFormat) -> Self {
        Self {
            format,
            layout: Layout::default(),
            chunk_size: ream_core::plan::CHUNK_SIZE,
            kept: Vec::new(),
            has_captions: false,
            encode_extension: None,
        }
    }
}

impl OutputOptions {
    /// Whether the output has a place for an image's EXIF fields.
    pub fn has_exif(&self) -> bool {
        self.layout == Layout::Img2dataset
    }

    /// A chunk's ledger, relative to the dataset: beside the shards, unless a pattern such as `*.parquet` for the
    /// shards would find it.
    pub fn ledger_name(&self, chunk_index: u64) -> String {
        let name = ledger_name(chunk_index);
        match (self.layout, self.format) {
            (Layout::Ream, OutputFormat::Files | OutputFormat::Webdataset) => name,
            _ => format!("{LEDGER_DIR}/{name}"),
        }
    }

    /// Why an image that is stored undecoded (its format as an extension without a dot) has no place in the layout;
    /// `None` if it has one.
    ///
    /// Where img2dataset encodes images, each is what its name says, and readers rely on it. Where it keeps the bytes
    /// as they came, it gives everything one extension, and so do we.
    pub fn refusal_of_undecoded(&self, format: &str) -> Option<String> {
        let refused = self.layout == Layout::Img2dataset && self.encode_extension.is_some();
        refused.then(|| format!("Image decoding error: {format} images are not decoded"))
    }
}

/// Whether a name in a dataset's folder is one that some layout gives its output: `00000`, `00000.tar`,
/// `00000_stats.json`, `_ledger`, `dataset.json`.
pub fn is_output_name(name: &str) -> bool {
    let stem = name.split(['.', '_']).next().unwrap_or_default();
    let is_chunk = stem.len() >= 5 && stem.bytes().all(|byte| byte.is_ascii_digit());
    name == SUMMARY_NAME || name == LEDGER_DIR || is_chunk
}

#[cfg(test)]
mod tests;
