//! From a list to parts: every accepted row gets its image number here.

use crate::error::{Error, Result};
use crate::files::hex;
use crate::list::{ListItem, ListOptions, ListReader};
use crate::parts::PartsWriter;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Write as _};
use std::path::Path;

/// The rejected rows beside the parts, one JSON object per line.
pub const REJECTS_FILE: &str = "rejects.jsonl";

/// How a list becomes parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestOptions {
    /// Which columns to use.
    pub list: ListOptions,
    /// Rows per chunk.
    pub chunk_size: u64,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { list: ListOptions::default(), chunk_size: ream_core::CHUNK_SIZE }
    }
}

/// What a list held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// Rows with an image number: the job's `max_images`.
    pub accepted: u64,
    /// Rows without one; [`REJECTS_FILE`] says why.
    pub rejected: u64,
    /// SHA-256 of the list's bytes, in lower-case hexadecimal.
    pub sha256: String,
}

/// Reads the list once and writes its parts and [`REJECTS_FILE`] into `dir`, which appears, whole, at the end.
/// `progress` hears the bytes read so far and the bytes there are.
///
/// # Errors
/// [`Error::BadList`] for a list that cannot be read or has no good row; [`Error::Io`].
pub fn ingest(
    list: &Path,
    dir: &Path,
    options: &IngestOptions,
    mut progress: impl FnMut(u64, u64),
) -> Result<Ingested> {
    let file = File::open(list).map_err(Error::io("open", list))?;
    let total = file.metadata().map_err(Error::io("open", list))?.len();
    let bytes = Metered { inner: file, hash: Sha256::new(), bytes: 0 };
    let mut reader = ListReader::new(bytes, list, &options.list)?;
    let mut parts = PartsWriter::new(dir, options.chunk_size)?;
    let mut rejects = Rejects::create(parts.unfinished_dir())?;

    let (mut accepted, mut told) = (0, 0);
    while let Some(item) = reader.next() {
        match item? {
            ListItem::Row(row) => {
                parts.push(row)?;
                accepted += 1;
            }
            ListItem::Reject(reject) => rejects.push(&reject)?,
        }
        let bytes = reader.get_ref().bytes;
        if bytes != told {
            told = bytes;
            progress(bytes, total.max(bytes));
        }
    }
    if accepted == 0 {
        return Err(Error::bad_list(list, rejects.explain_empty()));
    }
    let rejected = rejects.finish()?;
    parts.finish()?;
    let meter = reader.get_ref();
    progress(meter.bytes, meter.bytes);
    Ok(Ingested { accepted, rejected, sha256: hex(&meter.hash.clone().finalize()) })
}

struct Metered<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

struct Rejects {
    path: std::path::PathBuf,
    file: BufWriter<File>,
    count: u64,
    first: Option<(u64, String)>,
}

impl Rejects {
    fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(REJECTS_FILE);
        let file = BufWriter::new(File::create(&path).map_err(Error::io("create", &path))?);
        Ok(Self { path, file, count: 0, first: None })
    }

    fn push(&mut self, reject: &crate::list::Reject) -> Result<()> {
        self.count += 1;
        self.first.get_or_insert_with(|| (reject.source_line, reject.reason.clone()));
        let written = serde_json::to_writer(&mut self.file, reject).map_err(std::io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(Error::io("write", &self.path))
    }

    fn explain_empty(&self) -> String {
        match &self.first {
            None => "has no rows".to_owned(),
            Some((line, reason)) => {
                format!(
                    "has no usable row: all {} were rejected, the first in line {line}: {reason}",
                    self.count
                )
            }
        }
    }

    fn finish(mut self) -> Result<u64> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        flushed.map_err(Error::io("write", &self.path))?;
        Ok(self.count)
    }
}

#[cfg(test)]
mod tests;
