//! What a format hands up, and what becomes of it.

use super::url_check;
use crate::error::Result;
use crate::kept::{KeptColumn, KeptValue};

/// A row that takes an image number.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRow {
    /// The URL as the list has it, without surrounding blanks.
    pub url: String,
    /// The caption, unless there is none or it is blank.
    pub caption: Option<String>,
    /// The SHA-256 that the image must have: 64 hexadecimal digits in lower case.
    pub expected_sha256: Option<String>,
    /// The values of the kept columns, in their order.
    pub kept: Vec<Option<KeptValue>>,
    /// The list's file name.
    pub source_file: String,
    /// The row's first line in that file, in Parquet its row, from 1.
    pub source_line: u64,
}

/// A row that takes no image number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reject {
    /// The list's file name.
    pub source_file: String,
    /// The row's first line in that file, in Parquet its row, from 1.
    pub source_line: u64,
    /// What is wrong with the row.
    pub reason: String,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq)]
pub enum ListItem {
    /// Takes the next image number.
    Row(ListRow),
    /// Takes no number and never stops the rest.
    Reject(Reject),
}

/// The rows of one file, in order.
pub(super) trait RowSource {
    /// The columns of which every row has a value, or none, in [`RawFields::kept`].
    fn kept_columns(&self) -> &[KeptColumn];

    /// The next row, or `None` at the end. An error means that the file cannot be read on.
    fn next_row(&mut self) -> Result<Option<RawRow>>;

    /// How much of the file is done with, in bytes; `None` if that is what was read.
    fn bytes_done(&self) -> Option<u64> {
        None
    }
}

/// A row by its first line, and what it has or what is wrong with it.
pub(super) struct RawRow {
    pub(super) line: u64,
    pub(super) fields: Result<RawFields, String>,
}

/// A row's values as the list has them.
#[derive(Default)]
pub(super) struct RawFields {
    pub(super) url: String,
    pub(super) caption: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) kept: Vec<Option<KeptValue>>,
}

impl RawRow {
    pub(super) fn check(self, source_file: &str) -> ListItem {
        let source_line = self.line;
        match self.fields.and_then(|fields| checked(fields, source_file, source_line)) {
            Ok(row) => ListItem::Row(row),
            Err(reason) => {
                ListItem::Reject(Reject { source_file: source_file.to_owned(), source_line, reason })
            }
        }
    }
}

fn checked(fields: RawFields, source_file: &str, source_line: u64) -> Result<ListRow, String> {
    Ok(ListRow {
        url: url_check::check(fields.url)?,
        caption: fields.caption.filter(|caption| !caption.trim().is_empty()),
        expected_sha256: fields.sha256.map_or(Ok(None), |text| sha256(&text))?,
        kept: fields.kept,
        source_file: source_file.to_owned(),
        source_line,
    })
}

fn sha256(text: &str) -> Result<Option<String>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Some(text.to_ascii_lowercase()));
    }
    Err(format!("the SHA-256 `{text:.80}` is not 64 hexadecimal digits"))
}
