//! The accepted rows of a list as Parquet parts, one row group per chunk: the file and the row group of any image
//! follow from its number alone.

use crate::error::{Error, Result};
use crate::files::{remove_any, sync_dir};
use crate::kept::KeptColumn;
use crate::list::ListRow;
use crate::table::{LocalFolder, RangeSource, TableReader, TableWriter};
use lru::LruCache;
use ream_core::ImageRange;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

mod rows;

use rows::{columns, fixed_columns, kept_columns, to_cells, to_rows};

/// Row groups, and so chunks, per part.
pub const GROUPS_PER_PART: u64 = 256;

fn part_name(part: u64) -> String {
    format!("part-{part:05}.parquet")
}

/// Writes parts into a directory that appears, whole, when [`PartsWriter::finish`] returns.
pub struct PartsWriter {
    dir: PathBuf,
    unfinished: PathBuf,
    chunk_size: usize,
    kept: Vec<KeptColumn>,
    rows: Vec<ListRow>,
    part: Option<TableWriter>,
    groups: u64,
    total: u64,
}

impl PartsWriter {
    /// Starts over beside `dir`; what an interrupted writer left there is removed. Each row has a value, or none, for
    /// each of the `kept` columns.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Damaged`] for a chunk size of 0.
    pub fn new(dir: &Path, chunk_size: u64, kept: &[KeptColumn]) -> Result<Self> {
        let chunk_size = checked_chunk_size(dir, chunk_size)?;
        let mut name = dir.file_name().map_or_else(|| OsString::from("parts"), OsString::from);
        name.push(".unfinished");
        let unfinished = dir.with_file_name(name);
        remove_any(&unfinished).map_err(Error::io("remove", &unfinished))?;
        std::fs::create_dir_all(&unfinished).map_err(Error::io("create", &unfinished))?;
        Ok(Self {
            dir: dir.to_owned(),
            unfinished,
            chunk_size,
            kept: kept.to_vec(),
            rows: Vec::new(),
            part: None,
            groups: 0,
            total: 0,
        })
    }

    /// Where the parts are until they are finished; files put here appear together with them.
    pub fn unfinished_dir(&self) -> &Path {
        &self.unfinished
    }

    /// Adds the row with the next image number.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Damaged`] if the row has other kept values than the columns.
    pub fn push(&mut self, row: ListRow) -> Result<()> {
        self.rows.push(row);
        self.total += 1;
        if self.rows.len() == self.chunk_size { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let mut part = match self.part.take() {
            Some(part) => part,
            None => {
                let path = self.unfinished.join(part_name(self.groups / GROUPS_PER_PART));
                TableWriter::create(&path, columns(&self.kept))?
            }
        };
        part.write_group(to_cells(&self.unfinished, &self.kept, &mut self.rows)?)?;
        self.groups += 1;
        if self.groups.is_multiple_of(GROUPS_PER_PART) {
            part.finish()
        } else {
            self.part = Some(part);
            Ok(())
        }
    }

    /// Puts the directory in place, replacing an earlier one, and gives the number of rows.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<u64> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        if let Some(part) = self.part.take() {
            part.finish()?;
        }
        sync_dir(&self.unfinished).map_err(Error::io("sync", &self.unfinished))?;
        remove_any(&self.dir).map_err(Error::io("remove", &self.dir))?;
        std::fs::rename(&self.unfinished, &self.dir).map_err(Error::io("rename", &self.unfinished))?;
        let parent = match self.dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        sync_dir(parent).map_err(Error::io("sync", parent))?;
        Ok(self.total)
    }
}

impl Drop for PartsWriter {
    /// After [`PartsWriter::finish`] there is nothing left to remove.
    fn drop(&mut self) {
        let _ = remove_any(&self.unfinished);
    }
}

/// Parts of which a reader remembers where their rows are. Chunks are begun in their order, so few are in use at a time.
const REMEMBERED_PARTS: usize = 4;

/// Reads any run of rows; holds no file open. Clones share what they remember.
#[derive(Clone)]
pub struct PartsReader {
    source: Arc<dyn RangeSource>,
    chunk_size: usize,
    kept: Vec<KeptColumn>,
    parts: Arc<Mutex<LruCache<u64, Arc<TableReader>>>>,
}

impl PartsReader {
    /// The parts in a folder, which were written with this chunk size.
    ///
    /// # Errors
    /// [`Error::Io`] if the first part is not there, [`Error::Damaged`] if it has another chunk size.
    pub fn open(dir: &Path, chunk_size: u64) -> Result<Self> {
        Self::open_source(Arc::new(LocalFolder(dir.to_owned())), chunk_size)
    }

    /// As [`Self::open`], for parts that may lie elsewhere. Of each part the end is read once, then a row group at a
    /// time.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_source(source: Arc<dyn RangeSource>, chunk_size: u64) -> Result<Self> {
        let chunk_size = checked_chunk_size(&source.path(""), chunk_size)?;
        let part = TableReader::open_beginning(Arc::clone(&source), &part_name(0), fixed_columns())?;
        let kept = kept_columns(part.path(), part.columns())?;
        let mut parts = LruCache::new(NonZeroUsize::new(REMEMBERED_PARTS).unwrap_or(NonZeroUsize::MIN));
        let part = Arc::new(part);
        parts.put(0, Arc::clone(&part));
        let reader = Self { source, chunk_size, kept, parts: Arc::new(Mutex::new(parts)) };
        reader.check_group(&part, 0)?;
        Ok(reader)
    }

    /// Whether nobody has taken the parts away since, as far as can be told.
    pub fn is_there(&self) -> bool {
        !matches!(self.source.len(&part_name(0)), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// The columns of which every row has a value, or none, in [`ListRow::kept`].
    pub fn kept_columns(&self) -> &[KeptColumn] {
        &self.kept
    }

    /// The rows of these images, in order: of a chunk, of a piece of one, or of several.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the list has fewer rows or other row groups; [`Error::Io`].
    pub fn read(&self, range: ImageRange) -> Result<Vec<ListRow>> {
        let size = self.chunk_size as u64;
        let mut rows = Vec::new();
        for chunk in range.start() / size..=range.end() / size {
            let (part_index, group) = (chunk / GROUPS_PER_PART, (chunk % GROUPS_PER_PART) as usize);
            let part = self.part(part_index)?;
            let first = range.start().max(chunk * size) - chunk * size;
            let last = (range.end() - chunk * size).min(size - 1);
            let present = self.check_group(&part, group)?;
            if last >= present as u64 {
                let image = chunk * size + present as u64;
                return Err(Error::damaged(part.path(), format!("the list has no image {image}")));
            }
            let cells = part.read(group, first as usize, (last - first + 1) as usize)?;
            rows.extend(to_rows(part.path(), cells)?);
        }
        Ok(rows)
    }

    fn part(&self, index: u64) -> Result<Arc<TableReader>> {
        if let Some(part) = self.remembered().get(&index) {
            return Ok(Arc::clone(part));
        }
        // Not under the lock: others need not wait for this part.
        let part = TableReader::open(Arc::clone(&self.source), &part_name(index), columns(&self.kept))?;
        let part = Arc::new(part);
        self.remembered().put(index, Arc::clone(&part));
        Ok(part)
    }

    fn remembered(&self) -> MutexGuard<'_, LruCache<u64, Arc<TableReader>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group's rows. Only the last of all may be short, else image numbers would point at other rows.
    fn check_group(&self, part: &TableReader, group: usize) -> Result<usize> {
        let rows = part.rows_in(group).unwrap_or(0);
        let is_last_of_part = group + 1 >= part.groups();
        if rows == self.chunk_size || (is_last_of_part && rows < self.chunk_size) {
            return Ok(rows);
        }
        let size = self.chunk_size;
        Err(Error::damaged(part.path(), format!("row group {group} has {rows} rows, chunks have {size}")))
    }
}

impl fmt::Debug for PartsReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartsReader").field("parts", &self.source.path("")).finish_non_exhaustive()
    }
}

fn checked_chunk_size(dir: &Path, chunk_size: u64) -> Result<usize> {
    let checked =
        ream_core::plan::check_chunk_size(chunk_size).map_err(|e| Error::damaged(dir, e.to_string()))?;
    usize::try_from(checked).map_err(|e| Error::damaged(dir, e.to_string()))
}

#[cfg(test)]
mod tests;
