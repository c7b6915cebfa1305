//! A dataset's image list, as it was taken in: `_ream/list/` holds its parts, its rejected rows, and what they are.

use crate::error::{Error, Result};
use crate::storage::Storage;
use bytes::Bytes;
use ream_core::ImageRange;
use ream_dataset::{IngestOptions, Ingested, ListOptions, ListRow, PartsReader, RangeSource};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The folder within a dataset with its list.
pub const LIST_DIR: &str = "_ream/list";

/// What says that a list is there, whole, and what it is.
pub const LIST_FILE: &str = "_ream/list/list.json";

/// A list may have many kept columns and source files, but not that many.
const MAX_RECORD_BYTES: u64 = 64 * 1024 * 1024;

/// The shape of [`ListRecord`]. A later one must still read this.
const RECORD_VERSION: u32 = 1;

/// What a taken list is: the content of [`LIST_FILE`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRecord {
    version: u32,
    /// The folder of the parts, within [`LIST_DIR`]; `None`: that itself.
    parts: Option<String>,
    /// Images per chunk, and so rows per row group.
    pub chunk_size: u64,
    /// Which columns were used.
    pub columns: ListOptions,
    /// What the list held.
    #[serde(flatten)]
    pub ingested: Ingested,
}

impl ListRecord {
    /// Of a list that was taken in with these options, into a folder of this name or into [`LIST_DIR`] itself.
    pub fn new(parts: Option<String>, options: &IngestOptions, ingested: Ingested) -> Self {
        let IngestOptions { list, chunk_size } = options.clone();
        Self { version: RECORD_VERSION, parts, chunk_size, columns: list, ingested }
    }

    /// The list of a dataset; `None` where none was taken in.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a record that makes no sense; the storage's.
    pub async fn read(dataset: &Storage) -> Result<Option<Self>> {
        let Some(bytes) = dataset.read(LIST_FILE, MAX_RECORD_BYTES).await? else { return Ok(None) };
        let damaged = |message| Error::Damaged { place: dataset.place_of(LIST_FILE), message };
        let record: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        match record.version {
            RECORD_VERSION => Ok(Some(record)),
            other => Err(damaged(format!(
                "it was written by another version of this program (shape {other}, known is {RECORD_VERSION})"
            ))),
        }
    }

    /// The record's text.
    pub(crate) fn to_json(&self) -> Result<Bytes> {
        let json = serde_json::to_vec_pretty(self).map_err(io::Error::from);
        json.map(Bytes::from).map_err(Error::io("write", LIST_FILE))
    }

    /// The folder of the parts, as [`LIST_FILE`] is named.
    pub fn parts_dir(&self) -> String {
        match &self.parts {
            Some(folder) => format!("{LIST_DIR}/{folder}"),
            None => LIST_DIR.to_owned(),
        }
    }

    /// Whether its parts are in the folder of this name.
    pub(crate) fn is_of(&self, parts: &str) -> bool {
        self.parts.as_deref() == Some(parts)
    }

    /// What is different from a list of this content and options; nothing if it would be taken in as this one was.
    pub(crate) fn differences(&self, sha256: &str, options: &IngestOptions) -> Vec<&'static str> {
        let differs = [
            (self.ingested.sha256 != sha256, "other content"),
            (self.chunk_size != options.chunk_size, "another chunk size"),
            (self.columns != options.list, "other columns"),
        ];
        differs.into_iter().filter_map(|(differs, what)| differs.then_some(what)).collect()
    }
}

/// A list that was taken in; cheap to clone.
#[derive(Debug, Clone)]
pub struct ImageList {
    record: Arc<ListRecord>,
    parts: PartsReader,
}

impl ImageList {
    /// The list of a dataset.
    ///
    /// # Errors
    /// [`Error::NoList`]; [`Error::Damaged`], [`Error::Images`] for one that makes no sense; the storage's.
    pub async fn open(dataset: &Storage) -> Result<Self> {
        let record = ListRecord::read(dataset).await?;
        let record = record.ok_or_else(|| Error::NoList { dataset: dataset.to_string() })?;
        let chunk_size = record.chunk_size;
        let opening: Box<dyn FnOnce() -> ream_dataset::Result<PartsReader> + Send> = match dataset.as_folder()
        {
            Some(folder) => {
                let parts = folder.join(record.parts_dir());
                Box::new(move || PartsReader::open(&parts, chunk_size))
            }
            None => {
                let (storage, runtime) = (dataset.join(&record.parts_dir())?, Handle::current());
                let source = Arc::new(Parts { storage, runtime });
                Box::new(move || PartsReader::open_source(source, chunk_size))
            }
        };
        let parts = blocking(opening).await?;
        Ok(Self { record: Arc::new(record), parts })
    }

    /// A list whose parts and record are at hand.
    pub fn new(record: ListRecord, parts: PartsReader) -> Self {
        Self { record: Arc::new(record), parts }
    }

    /// What the list is.
    pub fn record(&self) -> &ListRecord {
        &self.record
    }

    /// The rows of these images, in order.
    ///
    /// # Errors
    /// As [`PartsReader::read`].
    pub async fn read(&self, range: ImageRange) -> Result<Vec<ListRow>> {
        let parts = self.parts.clone();
        blocking(move || parts.read(range)).await
    }

    /// Whether nobody has taken the list away since, as far as can be told.
    pub async fn is_there(&self) -> bool {
        let parts = self.parts.clone();
        blocking(move || Ok(parts.is_there())).await.unwrap_or(true)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> ream_dataset::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(io::Error::other).map_err(Error::io("read", "an image list"))??)
}

/// Parts in a store, for threads that may block.
struct Parts {
    storage: Storage,
    runtime: Handle,
}

impl RangeSource for Parts {
    fn path(&self, name: &str) -> PathBuf {
        self.storage.place_of(name).into()
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let size = self.runtime.block_on(self.storage.size(name)).map_err(io::Error::other)?;
        size.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not there"))
    }

    fn read(&self, name: &str, range: Range<u64>) -> io::Result<Bytes> {
        self.runtime.block_on(self.storage.read_range(name, range)).map_err(io::Error::other)
    }
}
