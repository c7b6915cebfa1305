//! Taking a list in: from a file, or from a store, to the parts that workers read.

use crate::error::{Error, Result};
use crate::list::{LIST_DIR, LIST_FILE, ListRecord};
use crate::scratch::ScratchFolder;
use crate::storage::{Access, Storage};
use futures::{StreamExt as _, TryStreamExt as _};
use ream_dataset::{IngestOptions, Ingested, ingest, list_sha256};
use std::io;
use std::path::{Path, PathBuf};

/// What a crawl notes in its folder.
const CRAWL_RECORD: &str = "_ream/crawl.json";
/// Files of a list that are uploaded at the same time.
const UPLOADS: usize = 4;

/// Takes a list, a file or a folder of them, into a dataset that has no output yet. `progress` hears the bytes read so
/// far and the bytes there are.
///
/// The list is there with the last file that is written, whole. The same list with the same options again is taken
/// as it is. Two that take a list into one dataset do each other no harm: the first counts.
///
/// # Errors
/// [`Error::HasList`], [`Error::HasOutput`], [`Error::SamePlace`], [`Error::WithinDataset`]: the dataset is in use, or its place is. [`Error::Images`] for a list that
/// cannot be read or has no good row. The storage's.
pub async fn take_in(
    list: &Path,
    dataset: &Storage,
    options: IngestOptions,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Ingested> {
    check_apart(list, dataset)?;
    if dataset.has(CRAWL_RECORD).await? {
        return Err(Error::HasOutput { dataset: dataset.to_string(), example: CRAWL_RECORD.to_owned() });
    }
    // Before its output: of a job whose chunks are done it is still the same list.
    if let Some(present) = ListRecord::read(dataset).await? {
        return same(list, dataset, present, &options).await;
    }
    if let Some(example) = dataset.output().await? {
        return Err(Error::HasOutput { dataset: dataset.to_string(), example });
    }
    check_not_within(dataset).await?;
    // A name of their own, so that parts of two that are at it are never mixed.
    let parts = format!("{:016x}", fastrand::u64(..));
    let written = write(list, dataset, &options, &parts, progress).await;
    settle(list, dataset, &options, &parts, written).await
}

/// What became of the record decides: a store that tries again may say of our own that somebody else's was first, and an
/// answer may be lost. Parts are removed only where it is sure that no record names them.
async fn settle(
    list: &Path,
    dataset: &Storage,
    options: &IngestOptions,
    parts: &str,
    written: Result<Option<Ingested>>,
) -> Result<Ingested> {
    if let Ok(Some(ingested)) = written {
        return Ok(ingested);
    }
    let present = match (ListRecord::read(dataset).await, written) {
        (Ok(Some(present)), _) if present.is_of(parts) => return Ok(present.ingested),
        (Ok(present), Ok(_)) => present,
        (Ok(_), Err(error)) => {
            clean_up(dataset, parts).await;
            return Err(error);
        }
        (Err(_), Err(error)) | (Err(error), Ok(_)) => return Err(error),
    };
    clean_up(dataset, parts).await;
    let present = present.ok_or_else(|| Error::NoList { dataset: dataset.to_string() })?;
    same(list, dataset, present, options).await
}

/// The output of a dataset around it could take its place. What lies around a dataset may be none of ours to look at: then it
/// is not judged.
async fn check_not_within(dataset: &Storage) -> Result<()> {
    for outer in dataset.outer() {
        for record in [LIST_FILE, CRAWL_RECORD] {
            if outer.size(record).await.is_ok_and(|size| size.is_some()) {
                let (dataset, outer) = (dataset.to_string(), outer.to_string());
                return Err(Error::WithinDataset { dataset, outer });
            }
        }
    }
    Ok(())
}

/// The dataset's files would be lists of its own list.
fn check_apart(list: &Path, dataset: &Storage) -> Result<()> {
    let Some(folder) = dataset.as_folder() else { return Ok(()) };
    match (list.canonicalize(), folder.canonicalize()) {
        (Ok(list), Ok(folder)) if list == folder => Err(Error::SamePlace { dataset: dataset.to_string() }),
        _ => Ok(()),
    }
}

/// Writes the parts and at last the record; `None` if somebody else's record was first.
async fn write(
    list: &Path,
    dataset: &Storage,
    options: &IngestOptions,
    parts: &str,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Option<Ingested>> {
    let scratch = dataset.as_folder().is_none().then(|| ScratchFolder::create(None)).transpose()?;
    let folder =
        scratch.as_ref().map(ScratchFolder::path).or_else(|| dataset.as_folder()).unwrap_or(Path::new("."));
    let dir = folder.join(LIST_DIR).join(parts);
    let (from, into, how) = (list.to_owned(), dir.clone(), options.clone());
    let ingested = tokio::task::spawn_blocking(move || ingest(&from, &into, &how, progress)).await;
    let ingested =
        ingested.map_err(io::Error::other).map_err(Error::io("read", list.display().to_string()))??;
    if scratch.is_some() {
        upload(&dir, dataset, &format!("{LIST_DIR}/{parts}")).await?;
    }
    let record = ListRecord::new(Some(parts.to_owned()), options, ingested);
    let first = dataset.put_new(LIST_FILE, record.to_json()?).await?;
    Ok(first.then_some(record.ingested))
}

async fn upload(dir: &Path, dataset: &Storage, folder: &str) -> Result<()> {
    let names = std::fs::read_dir(dir).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()
    });
    let names = names.map_err(Error::io("list", dir.display().to_string()))?;
    futures::stream::iter(names)
        .map(Ok)
        .try_for_each_concurrent(UPLOADS, |name| async move {
            dataset.put_file(&format!("{folder}/{name}"), &dir.join(&name)).await
        })
        .await
}

/// Removes parts that no record names, and the folders where nothing else is in them.
async fn clean_up(dataset: &Storage, parts: &str) {
    if let Err(error) = dataset.delete_folder(&format!("{LIST_DIR}/{parts}")).await {
        tracing::debug!(%error, "could not remove parts of a list that was not taken in");
    }
    if let Some(folder) = dataset.as_folder() {
        for empty in [LIST_DIR, "_ream", ""] {
            let _ = std::fs::remove_dir(folder.join(empty));
        }
    }
}

/// The list that is there already, if it is this one.
async fn same(
    list: &Path,
    dataset: &Storage,
    present: ListRecord,
    options: &IngestOptions,
) -> Result<Ingested> {
    let from = list.to_owned();
    let sha256 = tokio::task::spawn_blocking(move || list_sha256(&from)).await;
    let sha256 =
        sha256.map_err(io::Error::other).map_err(Error::io("read", list.display().to_string()))??;
    let differences = present.differences(&sha256, options);
    if differences.is_empty() {
        return Ok(present.ingested);
    }
    Err(Error::HasList { dataset: dataset.to_string(), differences: differences.join(", ") })
}

/// A list in the file system; one that was fetched goes when this is dropped.
#[derive(Debug)]
pub struct LocalList {
    path: PathBuf,
    _fetched: Option<ScratchFolder>,
}

impl LocalList {
    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl From<PathBuf> for LocalList {
    /// One that needs not be fetched.
    fn from(path: PathBuf) -> Self {
        Self { path, _fetched: None }
    }
}

/// The list at a path, or a copy of the file at a URL as [`Storage::parse`] takes it, under its own name in the system's
/// folder for temporary files.
///
/// # Errors
/// [`Error::Jobs`]: a URL of another kind, or without a file's name. The storage's; also a full disk.
pub async fn fetch_list(list: &str) -> Result<LocalList> {
    fetch_list_with(list, &Access::of_this_process()).await
}

/// As [`fetch_list`], with other access than this process has.
///
/// # Errors
/// As [`fetch_list`].
pub async fn fetch_list_with(list: &str, access: &Access) -> Result<LocalList> {
    let (place, name) = list.rsplit_once('/').unwrap_or(("", list));
    if !list.contains("://") {
        return Ok(PathBuf::from(list).into());
    }
    let whole = Storage::parse_with("list", list, access)?;
    if let Some(path) = whole.as_folder() {
        return Ok(path.to_owned().into());
    }
    if name.is_empty() || place.ends_with('/') {
        let allowed = "a URL that ends with the name of one file, such as s3://BUCKET/pets.parquet";
        return Err(ream_core::Error::invalid("list", whole, allowed).into());
    }
    let folder = ScratchFolder::create(None)?;
    let path = folder.path().join(name);
    Storage::parse_with("list", place, access)?.fetch(name, &path).await?;
    Ok(LocalList { path, _fetched: Some(folder) })
}

#[cfg(test)]
mod tests;
