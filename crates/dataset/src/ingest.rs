//! From a list to parts: every accepted row gets its image number here.

mod rejects;

use crate::error::{Error, Result};
use crate::kept::KeptColumn;
use crate::list::{ListItem, ListOptions, ListReader, ListRow};
use crate::parts::PartsWriter;
use rejects::Rejects;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// The rejected rows beside the parts, one JSON object per line.
pub const REJECTS_FILE: &str = "rejects.jsonl";

/// Rows that go from the reading to the writing thread at once.
const BATCH_ROWS: usize = 500;

/// Batches that may wait for the writing thread.
const BATCHES_AHEAD: usize = 4;

/// How a list becomes parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingested {
    /// Rows with an image number: the job's `max_images`.
    pub accepted: u64,
    /// Rows without one; [`REJECTS_FILE`] says why.
    pub rejected: u64,
    /// The list's SHA-256 in lower-case hexadecimal, as [`crate::list_sha256`] has it.
    pub sha256: String,
    /// The columns of which every row has a value, or none.
    pub kept_columns: Vec<KeptColumn>,
    /// Whether the list has captions: a column for them was named, or a row has one.
    pub has_captions: bool,
    /// The names of the files in the order in which they were read.
    pub source_files: Vec<String>,
    /// What else a folder holds, as [`ListReader::passed_over`] names it.
    pub passed_over: Vec<String>,
}

/// Reads the list once, a file or a folder of them, and writes its parts and [`REJECTS_FILE`] into `dir`, which
/// appears, whole, at the end. `progress` hears the bytes read so far and the bytes there are, as they lie on disk.
///
/// # Errors
/// [`Error::BadList`] for a list that cannot be read or has no good row; [`Error::Io`].
pub fn ingest(
    list: &Path,
    dir: &Path,
    options: &IngestOptions,
    progress: impl FnMut(u64, u64),
) -> Result<Ingested> {
    let reader = ListReader::open(list, &options.list)?;
    let (kept_columns, source_files) = (reader.kept_columns().to_vec(), reader.source_files());
    let passed_over = reader.passed_over().to_vec();
    let parts = PartsWriter::new(dir, options.chunk_size, &kept_columns)?;
    let rejects = Rejects::create(parts.unfinished_dir())?;
    // Parsing and packing take about as long as each other.
    let (read, written) = std::thread::scope(|scope| {
        let (batches, received) = sync_channel(BATCHES_AHEAD);
        let writer = std::thread::Builder::new().name("list parts".to_owned());
        let writer =
            writer.spawn_scoped(scope, || write(parts, received)).map_err(Error::io("write", dir))?;
        let read = read(list, reader, rejects, &batches, progress);
        drop(batches);
        let written = writer.join().unwrap_or_else(|_| Err(Error::damaged(dir, "the writer panicked")));
        Ok((read, written))
    })?;
    // The writer's failure is why the reader could not go on.
    let parts = written?;
    let Read { accepted, rejected, has_captions, sha256 } = read?;
    parts.finish()?;
    let has_captions = has_captions || options.list.caption_column.is_some();
    Ok(Ingested { accepted, rejected, sha256, kept_columns, has_captions, source_files, passed_over })
}

struct Read {
    accepted: u64,
    rejected: u64,
    has_captions: bool,
    sha256: String,
}

/// Reads the whole list.
fn read(
    list: &Path,
    mut reader: ListReader,
    mut rejects: Rejects,
    batches: &SyncSender<Vec<ListRow>>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Read> {
    let total = reader.bytes_total();
    let (mut accepted, mut told, mut has_captions) = (0, 0, false);
    let mut batch = Vec::with_capacity(BATCH_ROWS);
    while let Some(item) = reader.next() {
        match item? {
            ListItem::Row(row) => {
                accepted += 1;
                has_captions |= row.caption.is_some();
                batch.push(row);
            }
            ListItem::Reject(reject) => rejects.push(&reject)?,
        }
        if batch.len() == BATCH_ROWS
            && batches.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_ROWS))).is_err()
        {
            break;
        }
        let bytes = reader.bytes_read();
        if bytes != told {
            told = bytes;
            progress(bytes, total.max(bytes));
        }
    }
    if accepted == 0 {
        return Err(Error::bad_list(list, rejects.explain_empty()));
    }
    // If the writer is gone, its error is the answer.
    let _ = batches.send(batch);
    let rejected = rejects.finish()?;
    let bytes = reader.bytes_read();
    progress(bytes, bytes);
    Ok(Read { accepted, rejected, has_captions, sha256: reader.into_sha256() })
}

fn write(mut parts: PartsWriter, batches: Receiver<Vec<ListRow>>) -> Result<PartsWriter> {
    for row in batches.into_iter().flatten() {
        parts.push(row)?;
    }
    Ok(parts)
}

#[cfg(test)]
mod tests;
