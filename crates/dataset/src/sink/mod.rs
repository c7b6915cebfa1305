//! Where a chunk's images go. Names come from numbers alone, never from URLs.

mod files;
mod webdataset;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

/// The shape of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// A folder of image files per chunk.
    #[default]
    Files,
    /// A tar per chunk: image, metadata and caption of each image side by side.
    Webdataset,
}

impl OutputFormat {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Files, Self::Webdataset];

    /// The name in settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Webdataset => "webdataset",
        }
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OutputFormat {
    type Err = ream_core::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|format| format.as_str() == name);
        found.ok_or_else(|| {
            ream_core::Error::invalid("output_format", format!("{name:?}"), "files or webdataset")
        })
    }
}

/// One fetched and checked image, on its way into the dataset.
#[derive(Debug, Clone, Copy)]
pub struct StoredImage<'a> {
    /// The image number.
    pub number: u64,
    /// The file as it is to be stored.
    pub bytes: &'a [u8],
    /// The file name extension of its format, without a dot.
    pub extension: &'static str,
    /// The caption, if the list has one.
    pub caption: Option<&'a str>,
    /// What else is known, as a JSON object; only formats with a place for it keep it.
    pub metadata: &'a serde_json::Value,
}

/// Takes one chunk's images, in the order of their numbers.
pub trait Sink: Send {
    /// Stores an image and gives its name for the ledger: within the dataset, or within the chunk's tar.
    ///
    /// # Errors
    /// What the file system says; the sink is of no use afterwards.
    fn append(&mut self, image: &StoredImage<'_>) -> io::Result<String>;

    /// Makes everything durable and gives the names of what was written, relative to the staging directory.
    ///
    /// # Errors
    /// What the file system says; nothing may be published then.
    fn finish(self: Box<Self>) -> io::Result<Vec<String>>;
}

/// A sink for one chunk. It writes its output even if no image comes, so that a chunk worked on again replaces
/// what an earlier attempt had.
///
/// # Errors
/// What the file system says.
pub fn open_sink(format: OutputFormat, staging: &Path, chunk_index: u64) -> io::Result<Box<dyn Sink>> {
    Ok(match format {
        OutputFormat::Files => Box::new(files::FilesSink::create(staging, chunk_index)?),
        OutputFormat::Webdataset => Box::new(webdataset::TarSink::create(staging, chunk_index)?),
    })
}

/// The image's name without extension. Nine digits keep a billion images in order where names are sorted.
fn image_stem(number: u64) -> String {
    format!("{number:09}")
}

fn chunk_stem(chunk_index: u64) -> String {
    format!("{chunk_index:05}")
}

#[cfg(test)]
mod tests;
