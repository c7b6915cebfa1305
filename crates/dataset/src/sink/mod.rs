//! Where a chunk's images go. Names come from numbers alone, never from URLs.
//!
//! What is written depends on nothing but the options, the list's rows and the bytes that were fetched: the same
//! images give the same shards, byte by byte. Times and headers of a single run belong in the ledger.

mod files;
mod folder;
mod parquet;
mod shard_facts;
mod tar;
mod webdataset;

use crate::error::Error;
use crate::layout::img2dataset::Img2datasetSink;
use crate::layout::{Layout, OutputOptions};
use crate::ledger::LedgerRow;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

pub(crate) use folder::Folder;
pub(crate) use tar::Tar;

/// The shape of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// A folder of image files per chunk.
    #[default]
    Files,
    /// A tar per chunk: image, metadata and caption of each image side by side.
    Webdataset,
    /// A Parquet file per chunk, with the images as a column of bytes.
    Parquet,
}

impl OutputFormat {
    /// Every format.
    pub const ALL: &[Self] = &[Self::Files, Self::Webdataset, Self::Parquet];

    /// The name in settings and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Webdataset => "webdataset",
            Self::Parquet => "parquet",
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
            ream_core::Error::invalid("output_format", format!("{name:?}"), "files, webdataset or parquet")
        })
    }
}

/// A fetched and checked image, on its way into the dataset.
#[derive(Debug, Clone, Copy)]
pub struct StoredImage<'a> {
    /// The file as it is to be stored.
    pub bytes: &'a Bytes,
    /// The EXIF fields of the file as fetched, as a JSON object; only img2dataset's layout keeps them.
    pub exif: Option<&'a str>,
}

/// Takes one chunk's images, in the order of their numbers.
pub trait Sink: Send {
    /// Takes what is known of the next image, and the image itself if there is one to be stored. Gives the stored
    /// image's name for the ledger: within the dataset, within the chunk's tar, or the chunk's Parquet file.
    ///
    /// # Errors
    /// What the file system says; the sink is of no use afterwards. An image without a format in its row.
    fn append(&mut self, row: &LedgerRow, image: Option<StoredImage<'_>>) -> io::Result<Option<String>>;

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
pub fn open_sink(options: &OutputOptions, staging: &Path, chunk_index: u64) -> io::Result<Box<dyn Sink>> {
    Ok(match (options.layout, options.format) {
        (Layout::Img2dataset, _) => Box::new(Img2datasetSink::create(options, staging, chunk_index)?),
        (Layout::Ream, OutputFormat::Files) => Box::new(files::FilesSink::create(staging, chunk_index)?),
        (Layout::Ream, OutputFormat::Webdataset) => {
            Box::new(webdataset::WebdatasetSink::create(options, staging, chunk_index)?)
        }
        (Layout::Ream, OutputFormat::Parquet) => {
            Box::new(parquet::ParquetSink::create(options, staging, chunk_index)?)
        }
    })
}

/// The image's file name. The format becomes an extension, so it must be fit for one.
fn image_name(row: &LedgerRow) -> io::Result<String> {
    let format = row.format.as_deref().unwrap_or_default();
    if format.is_empty() || !format.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let message = format!("image {} has the format {format:?}, which is no extension", row.image);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(format!("{}.{format}", image_stem(row.image)))
}

/// The image's name without extension. Nine digits keep a billion images in order where names are sorted.
fn image_stem(number: u64) -> String {
    format!("{number:09}")
}

/// The name of a chunk's output without extension.
pub(crate) fn chunk_stem(chunk_index: u64) -> String {
    format!("{chunk_index:05}")
}

/// A full disk must stay recognisable.
pub(crate) fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io { source, .. } => source,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests;
