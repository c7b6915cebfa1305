//! The account of a chunk: one row per image beside the chunk's output.

use crate::error::{Error, Result};
use crate::table::{Cells, Column, TableReader, TableWriter};
use ream_core::ErrorClass;
use std::fmt;
use std::path::Path;

/// Whether an image was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStatus {
    /// Stored under the row's `file`.
    Ok,
    /// Not stored, for the row's `error_class`.
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

/// What became of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The image number.
    pub image: u64,
    /// The URL as the list has it.
    pub url: String,
    /// The caption, if the list has one.
    pub caption: Option<String>,
    /// Whether it was stored.
    pub status: ImageStatus,
    /// Why it was not stored.
    pub error_class: Option<ErrorClass>,
    /// The same in words.
    pub error_message: Option<String>,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// The size of the stored file.
    pub bytes: Option<u64>,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// The image format's name.
    pub format: Option<String>,
    /// SHA-256 of the stored file, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// The file's name within the dataset, or within the chunk's tar.
    pub file: Option<String>,
    /// How long fetching took, retries included.
    pub fetch_ms: Option<u64>,
    /// The list's file name.
    pub source_file: String,
    /// The row's line in the list.
    pub source_line: u64,
}

fn columns() -> Vec<Column> {
    vec![
        Column::integer("image"),
        Column::text("url"),
        Column::text("caption").nullable(),
        Column::text("status"),
        Column::text("error_class").nullable(),
        Column::text("error_message").nullable(),
        Column::integer("http_status").nullable(),
        Column::integer("bytes").nullable(),
        Column::integer("width").nullable(),
        Column::integer("height").nullable(),
        Column::text("format").nullable(),
        Column::text("sha256").nullable(),
        Column::text("file").nullable(),
        Column::integer("fetch_ms").nullable(),
        Column::text("source_file"),
        Column::integer("source_line"),
    ]
}

/// Rows held as columns at a time.
const ROWS_PER_GROUP: usize = 10_000;

/// The ledger's file name for a chunk.
pub fn ledger_name(chunk_index: u64) -> String {
    format!("{chunk_index:05}.ledger.parquet")
}

/// Writes a ledger and makes it durable.
///
/// # Errors
/// [`Error::Io`].
pub fn write_ledger(path: &Path, rows: &[LedgerRow]) -> Result<()> {
    let mut table = TableWriter::create(path, columns())?;
    for rows in rows.chunks(ROWS_PER_GROUP) {
        table.write_group(to_cells(rows))?;
    }
    table.finish()
}

/// Reads a ledger whole.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] for a file that is not a ledger.
pub fn read_ledger(path: &Path) -> Result<Vec<LedgerRow>> {
    let table = TableReader::open(path, columns())?;
    let mut rows = Vec::new();
    for group in 0..table.groups() {
        let count = table.rows_in(group).unwrap_or(0);
        let mut columns = Columns { cells: table.read(group, 0, count)?.into_iter() };
        rows.extend(columns.rows(count).ok_or_else(|| Error::damaged(path, "a value has no meaning"))?);
    }
    Ok(rows)
}

fn to_cells(rows: &[LedgerRow]) -> Vec<Cells> {
    let texts = |of: &dyn Fn(&LedgerRow) -> Option<String>| Cells::Text(rows.iter().map(of).collect());
    let numbers = |of: &dyn Fn(&LedgerRow) -> Option<u64>| {
        Cells::Integers(rows.iter().map(|row| of(row).map(u64::cast_signed)).collect())
    };
    vec![
        numbers(&|r| Some(r.image)),
        texts(&|r| Some(r.url.clone())),
        texts(&|r| r.caption.clone()),
        texts(&|r| Some(r.status.to_string())),
        texts(&|r| r.error_class.map(|class| class.to_string())),
        texts(&|r| r.error_message.clone()),
        numbers(&|r| r.http_status.map(u64::from)),
        numbers(&|r| r.bytes),
        numbers(&|r| r.width.map(u64::from)),
        numbers(&|r| r.height.map(u64::from)),
        texts(&|r| r.format.clone()),
        texts(&|r| r.sha256.clone()),
        texts(&|r| r.file.clone()),
        numbers(&|r| r.fetch_ms),
        texts(&|r| Some(r.source_file.clone())),
        numbers(&|r| Some(r.source_line)),
    ]
}

/// Takes a group's columns apart in the order of [`columns`]; `None` means that a value does not fit its field.
struct Columns {
    cells: std::vec::IntoIter<Cells>,
}

impl Columns {
    fn texts(&mut self) -> Option<std::vec::IntoIter<Option<String>>> {
        match self.cells.next()? {
            Cells::Text(values) => Some(values.into_iter()),
            _ => None,
        }
    }

    fn numbers(&mut self) -> Option<std::vec::IntoIter<Option<u64>>> {
        match self.cells.next()? {
            Cells::Integers(values) => {
                let values: Vec<_> = values.into_iter().map(|value| value.map(i64::cast_unsigned)).collect();
                Some(values.into_iter())
            }
            _ => None,
        }
    }

    fn rows(&mut self, count: usize) -> Option<Vec<LedgerRow>> {
        let (mut image, mut url, mut caption) = (self.numbers()?, self.texts()?, self.texts()?);
        let (mut status, mut class, mut message) = (self.texts()?, self.texts()?, self.texts()?);
        let (mut http_status, mut bytes) = (self.numbers()?, self.numbers()?);
        let (mut width, mut height) = (self.numbers()?, self.numbers()?);
        let (mut format, mut sha256, mut file) = (self.texts()?, self.texts()?, self.texts()?);
        let (mut fetch_ms, mut source_file, mut source_line) =
            (self.numbers()?, self.texts()?, self.numbers()?);
        let mut row = || {
            Some(LedgerRow {
                image: image.next()??,
                url: url.next()??,
                caption: caption.next()?,
                status: parse_status(&status.next()??)?,
                error_class: all_or_none(class.next()?, |name| parse_class(&name))?,
                error_message: message.next()?,
                http_status: all_or_none(http_status.next()?, |n| u16::try_from(n).ok())?,
                bytes: bytes.next()?,
                width: all_or_none(width.next()?, |n| u32::try_from(n).ok())?,
                height: all_or_none(height.next()?, |n| u32::try_from(n).ok())?,
                format: format.next()?,
                sha256: sha256.next()?,
                file: file.next()?,
                fetch_ms: fetch_ms.next()?,
                source_file: source_file.next()??,
                source_line: source_line.next()??,
            })
        };
        (0..count).map(|_| row()).collect()
    }
}

/// `Some(None)` for no value, `None` for one that does not fit.
fn all_or_none<T, U>(value: Option<T>, convert: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => convert(value).map(Some),
    }
}

fn parse_status(name: &str) -> Option<ImageStatus> {
    [ImageStatus::Ok, ImageStatus::Failed].into_iter().find(|status| status.as_str() == name)
}

fn parse_class(name: &str) -> Option<ErrorClass> {
    ErrorClass::ALL.iter().copied().find(|class| class.as_str() == name)
}

#[cfg(test)]
mod tests;
