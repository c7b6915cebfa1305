//! Parquet, column by column without Arrow. Its memory is bounded by the pages of the columns asked for, which are
//! limited, and not by the row groups.

mod cursor;
mod delta;
mod header;
mod pages;
mod schema;
mod unpack;

use super::columns::Picked;
use super::format::{Format, Open, Rows};
use super::lines::{MAX_LINE_BYTES, too_long};
use super::options::ListOptions;
use super::row::{RawFields, RawRow, RowSource};
use crate::error::{Error, Result};
use crate::kept::{KeptColumn, KeptKind, KeptValue};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use ::parquet::file::reader::{ChunkReader, Length};
use cursor::{Cell, Cursor};
use pages::{Pages, damaged};
use schema::{check_text, find, flat_columns, not_kept, without_unread};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const FORMAT: Format = Format { extensions: &["parquet"], open: Open::File(open) };

/// The largest footer; it names every row group and column.
const MAX_FOOTER_BYTES: usize = 16 * 1024 * 1024;

/// Rows that are read ahead of each column.
const BATCH_ROWS: usize = 1024;

struct ParquetRows {
    path: PathBuf,
    file: Arc<File>,
    bytes: u64,
    metadata: ParquetMetaData,
    /// The leaf columns that are read, each once.
    leaves: Vec<usize>,
    /// Positions in `leaves`.
    picked: Picked,
    kept_columns: Vec<KeptColumn>,
    next_group: usize,
    group_rows_left: usize,
    cursors: Vec<Box<dyn Cursor>>,
    batch_left: usize,
    row: u64,
    total_rows: u64,
}

fn open(file: File, path: &Path, options: &ListOptions) -> Result<Rows> {
    let bytes = file.metadata().map_err(Error::io("open", path))?.len();
    let metadata = caught(path, || {
        let keep_little = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let footer = Footer { file: &file, bytes };
        ParquetMetaDataReader::new().with_metadata_options(Some(keep_little)).parse_and_finish(&footer)
    })?;
    let flat = flat_columns(&metadata);
    let picked = find(path, &metadata, &flat, options)?;
    let (leaves, picked) = without_unread(&flat, &picked);
    let column = |at: usize| metadata.file_metadata().schema_descr().column(leaves[at]);
    for at in [Some(picked.url), picked.caption, picked.sha256].into_iter().flatten() {
        check_text(path, &column(at))?;
    }
    let kept = |at: &usize| {
        let kind = cursor::kind(&column(*at)).map_err(|found| not_kept(path, &column(*at), &found))?;
        Ok(KeptColumn { name: column(*at).name().trim().to_owned(), kind })
    };
    let kept_columns = picked.kept.iter().map(kept).collect::<Result<Vec<_>>>()?;
    let rows = metadata.row_groups().iter().map(|group| group.num_rows().max(0).unsigned_abs());
    Ok(Box::new(ParquetRows {
        path: path.to_owned(),
        file: Arc::new(file),
        bytes,
        total_rows: rows.fold(0, u64::saturating_add),
        metadata,
        leaves,
        picked,
        kept_columns,
        next_group: 0,
        group_rows_left: 0,
        cursors: Vec::new(),
        batch_left: 0,
        row: 0,
    }))
}

impl ParquetRows {
    /// Makes sure that there is a row to take, unless all were taken.
    fn advance(&mut self) -> Result<bool> {
        while self.batch_left == 0 {
            if self.group_rows_left == 0 && !self.open_group()? {
                return Ok(false);
            }
            let rows = self.group_rows_left.min(BATCH_ROWS);
            let cursors = &mut self.cursors;
            caught(&self.path, || cursors.iter_mut().try_for_each(|cursor| cursor.load(rows)))?;
            self.group_rows_left -= rows;
            self.batch_left = rows;
        }
        Ok(true)
    }

    fn open_group(&mut self) -> Result<bool> {
        let Some(group) = self.metadata.row_groups().get(self.next_group) else { return Ok(false) };
        self.cursors = caught(&self.path, || {
            let open = |leaf: &usize| {
                let column = group.column(*leaf);
                cursor::open(column.column_descr_ptr(), Pages::new(&self.file, column))
            };
            self.leaves.iter().map(open).collect()
        })?;
        let rows = usize::try_from(group.num_rows());
        self.group_rows_left =
            rows.map_err(|_| bad(&self.path, "a row group has a negative number of rows"))?;
        self.next_group += 1;
        Ok(true)
    }

    fn take(&mut self) -> Result<RawFields, String> {
        let cells: Vec<Option<Cell>> = self.cursors.iter_mut().map(|cursor| cursor.next()).collect();
        let text = |at: usize| cells[at].as_ref().map(text).transpose();
        let kept = |(at, column): (&usize, &KeptColumn)| {
            let value = |cell| kept_value(column.kind, cell);
            cells[*at].as_ref().map(value).transpose()
        };
        Ok(RawFields {
            url: text(self.picked.url)?.ok_or_else(|| "no URL".to_owned())?,
            caption: self.picked.caption.map_or(Ok(None), text)?,
            sha256: self.picked.sha256.map_or(Ok(None), text)?,
            kept: self.picked.kept.iter().zip(&self.kept_columns).map(kept).collect::<Result<_, String>>()?,
        })
    }
}

fn text(cell: &Cell) -> Result<String, String> {
    match cell {
        Cell::Bytes(bytes) if bytes.len() > MAX_LINE_BYTES => Err(too_long()),
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err("not valid UTF-8".to_owned()),
        },
        Cell::Unsigned(number) => Ok(number.to_string()),
        Cell::Integer(_) | Cell::Float(_) | Cell::Boolean(_) => Err("not a text".to_owned()),
    }
}

fn kept_value(kind: KeptKind, cell: &Cell) -> Result<KeptValue, String> {
    match (kind, cell) {
        (KeptKind::Text, cell) => text(cell).map(KeptValue::Text),
        (KeptKind::Integer, Cell::Integer(value)) => Ok(KeptValue::Integer(*value)),
        (KeptKind::Float, Cell::Float(value)) => Ok(KeptValue::Float(*value)),
        (KeptKind::Boolean, Cell::Boolean(value)) => Ok(KeptValue::Boolean(*value)),
        _ => Err("a value of another type than its column".to_owned()),
    }
}

impl RowSource for ParquetRows {
    fn kept_columns(&self) -> &[KeptColumn] {
        &self.kept_columns
    }

    fn next_row(&mut self) -> Result<Option<RawRow>> {
        if !self.advance()? {
            return Ok(None);
        }
        self.batch_left -= 1;
        self.row += 1;
        Ok(Some(RawRow { line: self.row, fields: self.take() }))
    }

    fn bytes_done(&self) -> Option<u64> {
        let share = u128::from(self.bytes) * u128::from(self.row) / u128::from(self.total_rows.max(1));
        Some(u64::try_from(share).unwrap_or(self.bytes))
    }
}

/// Lets the footer be read, up to its limit.
struct Footer<'a> {
    file: &'a File,
    bytes: u64,
}

impl Length for Footer<'_> {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl ChunkReader for Footer<'_> {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<::bytes::Bytes, ParquetError> {
        if length > MAX_FOOTER_BYTES {
            let mib = MAX_FOOTER_BYTES / 1024 / 1024;
            let message = format!("its footer has {length} bytes, at most {mib} MiB are read");
            return Err(damaged(message));
        }
        self.file.get_bytes(start, length)
    }
}

/// The decoders panic on some damaged files; what they were working on is not used again.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|e| failed(path, e)),
        Err(_) => Err(bad(path, "its contents cannot be decoded")),
    }
}

fn bad(path: &Path, message: &str) -> Error {
    Error::bad_list(path, format!("cannot be read as Parquet: {message}"))
}

fn failed(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) if source.raw_os_error().is_some() => Error::io("read", path)(*source),
            Ok(source) => bad(path, &source.to_string()),
            Err(other) => bad(path, &other.to_string()),
        },
        ParquetError::General(message) | ParquetError::EOF(message) => bad(path, &message),
        other => bad(path, &other.to_string()),
    }
}
