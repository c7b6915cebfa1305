//! The account of a chunk: one row per image beside the chunk's output.

mod field;
mod find;
mod row;

pub use find::find_ledgers;

use crate::error::{Error, Result};
use crate::files::make_dir;
use crate::kept::{KeptColumn, KeptValue};
use crate::kept_cells;
use crate::table::{Cells, Column, TableReader, TableWriter};
use std::fmt;
use std::path::{Path, PathBuf};

pub use row::LedgerRow;

/// Whether an image was stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ImageStatus {
    /// Stored under the row's `file`.
    Ok,
    /// Not stored, for the row's `error_class`.
    #[default]
    Failed,
}

impl ImageStatus {
    /// The name in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for ImageStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Rows held as columns at a time.
const ROWS_PER_GROUP: usize = 10_000;

/// The ledger's file name for a chunk. Which folder it lies in is told by
/// [`OutputOptions::ledger_name`](crate::OutputOptions::ledger_name).
pub fn ledger_name(chunk_index: u64) -> String {
    format!("{chunk_index:05}.ledger.parquet")
}

/// The kept columns under the names that they have in ledgers and shards: their own, unless Ream has a column of
/// that name.
pub(crate) fn name_kept(kept: &[KeptColumn]) -> Vec<KeptColumn> {
    kept_cells::rename_kept(kept, row::FIXED_NAMES)
}

/// The name that a kept column had in the list, from its name in a ledger.
pub fn name_in_list(name: &str) -> &str {
    name.strip_prefix("kept_").filter(|rest| row::FIXED_NAMES.contains(rest)).unwrap_or(name)
}

/// Writes a ledger row by row, in bounded memory. It counts only once [`LedgerWriter::finish`] has returned.
pub struct LedgerWriter {
    table: TableWriter,
    kept: Vec<KeptColumn>,
    rows: Vec<LedgerRow>,
}

impl LedgerWriter {
    /// Creates the file, and its folder where it is missing. Kept columns that have the name of another column get
    /// `kept_` before it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: &Path, kept: &[KeptColumn]) -> Result<Self> {
        if let Some(folder) = path.parent() {
            make_dir(folder).map_err(Error::io("create", folder))?;
        }
        let kept = name_kept(kept);
        let mut columns = row::fixed_columns();
        columns.extend(kept.iter().map(kept_cells::to_column));
        Ok(Self { table: TableWriter::create(path, columns)?, kept, rows: Vec::new() })
    }

    /// Adds a row. A kept value that it does not have, or of another kind than its column, counts as missing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, row: LedgerRow) -> Result<()> {
        self.rows.push(row);
        if self.rows.len() == ROWS_PER_GROUP { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let mut cells = row::to_cells(&self.rows);
        cells.extend(kept_to_cells(&self.kept, &self.rows));
        self.rows.clear();
        self.table.write_group(cells)
    }

    /// Completes the file and makes it durable.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.table.finish()
    }
}

/// The kept values of the rows, column by column.
pub(crate) fn kept_to_cells<'a>(
    kept: &'a [KeptColumn],
    rows: impl IntoIterator<Item = &'a LedgerRow> + Clone,
) -> impl Iterator<Item = Cells> {
    kept.iter().enumerate().map(move |(at, column)| {
        let values = rows.clone().into_iter().map(|row| row.kept.get(at).and_then(Option::as_ref));
        kept_cells::to_cells(column.kind, values)
    })
}

/// The kept values of a row by the names of their columns, missing ones included.
pub(crate) fn kept_of<'a>(
    kept: &'a [KeptColumn],
    row: &'a LedgerRow,
) -> impl Iterator<Item = (&'a str, Option<&'a KeptValue>)> {
    kept.iter().enumerate().map(|(at, column)| {
        let value = row.kept.get(at).and_then(Option::as_ref);
        (column.name.as_str(), value.filter(|value| value.kind() == column.kind))
    })
}

/// Reads a ledger row group by row group.
pub struct LedgerReader {
    table: TableReader,
    kept: Vec<KeptColumn>,
    path: PathBuf,
}

impl LedgerReader {
    /// Opens a ledger.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Damaged`] for a file that is not a ledger.
    pub fn open(path: &Path) -> Result<Self> {
        let fixed = row::fixed_columns();
        let count = fixed.len();
        let table = TableReader::open_file(path, fixed)?;
        let kept = |column: &Column| {
            let odd = || Error::damaged(path, format!("column {} cannot be in a ledger", column.name));
            kept_cells::of_column(column).ok_or_else(odd)
        };
        let kept = table.columns()[count..].iter().map(kept).collect::<Result<_>>()?;
        Ok(Self { table, kept, path: path.to_owned() })
    }

    /// The kept columns, under the names that they have in the ledger.
    pub fn kept(&self) -> &[KeptColumn] {
        &self.kept
    }

    /// All rows, at most 10,000 in memory at a time.
    pub fn rows(&self) -> impl Iterator<Item = Result<LedgerRow>> {
        (0..self.table.groups()).flat_map(|group| match self.group(group) {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    fn group(&self, group: usize) -> Result<Vec<LedgerRow>> {
        let count = self.table.rows_in(group).unwrap_or(0);
        let cells = self.table.read(group, 0, count)?;
        row::of_cells(cells, count).ok_or_else(|| Error::damaged(&self.path, "a value has no meaning"))
    }
}

/// Reads a ledger whole.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] for a file that is not a ledger.
pub fn read_ledger(path: &Path) -> Result<Vec<LedgerRow>> {
    LedgerReader::open(path)?.rows().collect()
}

#[cfg(test)]
mod tests;
