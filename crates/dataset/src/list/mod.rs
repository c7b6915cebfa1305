//! Reading image lists: one item per row, in constant memory whatever the file holds.

mod csv;
mod lines;
mod txt;
mod url_check;

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use lines::MAX_LINE_BYTES;

/// The kinds of list that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFormat {
    /// One URL per line.
    Txt,
    /// A header, then one row per image.
    Csv,
}

impl ListFormat {
    /// Tells the format from the file's extension, in any case.
    ///
    /// # Errors
    /// [`Error::BadList`] that names the extension found and those that are allowed.
    pub fn of(path: &Path) -> Result<Self> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        match extension.as_deref() {
            Some("txt") => Ok(Self::Txt),
            Some("csv") => Ok(Self::Csv),
            Some(other) => {
                Err(Error::bad_list(path, format!("ends in `.{other}`; allowed are `.txt` and `.csv`")))
            }
            None => Err(Error::bad_list(path, "has no extension; allowed are `.txt` and `.csv`")),
        }
    }
}

/// Which columns of a list to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// The column with the URL.
    pub url_column: String,
    /// The column with the caption; `None` takes `caption` where the list has it.
    pub caption_column: Option<String>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { url_column: "url".to_owned(), caption_column: None }
    }
}

/// A row that takes an image number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The URL as the list has it, without surrounding blanks.
    pub url: String,
    /// The caption, unless there is none or it is empty.
    pub caption: Option<String>,
    /// The list's file name.
    pub source_file: String,
    /// The row's first line in that file, from 1.
    pub source_line: u64,
}

/// A row that takes no image number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Reject {
    /// The list's file name.
    pub source_file: String,
    /// The row's first line in that file, from 1.
    pub source_line: u64,
    /// What is wrong with the row.
    pub reason: String,
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListItem {
    /// Takes the next image number.
    Row(ListRow),
    /// Takes no number and never stops the rest.
    Reject(Reject),
}

/// The rows of a list in order. An error of the iterator means that the file cannot be read on; a bad row is a
/// [`ListItem::Reject`].
pub struct ListReader<R> {
    rows: Rows<R>,
    path: PathBuf,
    source_file: String,
    failed: bool,
}

enum Rows<R> {
    Txt(txt::TxtRows<R>),
    Csv(Box<csv::CsvRows<R>>),
}

/// What a format hands up for one row: its first line, and URL and caption or what is wrong.
struct RawRow {
    line: u64,
    fields: std::result::Result<(String, Option<String>), String>,
}

impl ListReader<File> {
    /// Opens a list by its extension.
    ///
    /// # Errors
    /// [`Error::BadList`] for an unknown extension, an empty file, UTF-16 or a missing column; [`Error::Io`].
    pub fn open(path: &Path, options: &ListOptions) -> Result<Self> {
        ListFormat::of(path)?;
        let file = File::open(path).map_err(Error::io("open", path))?;
        Self::new(file, path, options)
    }
}

impl<R: Read> ListReader<R> {
    /// Reads the bytes of the list named `path`, whose extension tells the format; the file is not opened.
    ///
    /// # Errors
    /// As [`ListReader::open`].
    pub fn new(bytes: R, path: &Path, options: &ListOptions) -> Result<Self> {
        let format = ListFormat::of(path)?;
        let io = |e| Error::io("read", path)(e);
        let mut lines = lines::Lines::new(bytes);
        match lines.encoding().map_err(io)? {
            lines::Encoding::Empty => return Err(Error::bad_list(path, "is empty")),
            lines::Encoding::Utf16 => {
                return Err(Error::bad_list(path, "is encoded as UTF-16; save it as UTF-8"));
            }
            lines::Encoding::Other => {}
        }
        let rows = match format {
            ListFormat::Txt => Rows::Txt(txt::TxtRows::new(lines)),
            ListFormat::Csv => Rows::Csv(Box::new(csv::CsvRows::new(lines, path, options)?)),
        };
        let name = path.file_name().unwrap_or(path.as_os_str());
        let source_file = name.to_string_lossy().into_owned();
        Ok(Self { rows, path: path.to_owned(), source_file, failed: false })
    }

    /// The source of the bytes, which may be ahead of the rows by a buffer.
    pub fn get_ref(&self) -> &R {
        match &self.rows {
            Rows::Txt(rows) => rows.get_ref(),
            Rows::Csv(rows) => rows.get_ref(),
        }
    }

    fn item(&self, raw: RawRow) -> ListItem {
        let source_file = self.source_file.clone();
        let checked = raw.fields.and_then(|(url, caption)| Ok((url_check::check(&url)?, caption)));
        match checked {
            Ok((url, caption)) => ListItem::Row(ListRow { url, caption, source_file, source_line: raw.line }),
            Err(reason) => ListItem::Reject(Reject { source_file, source_line: raw.line, reason }),
        }
    }
}

impl<R: Read> Iterator for ListReader<R> {
    type Item = Result<ListItem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let raw = match &mut self.rows {
            Rows::Txt(rows) => rows.next_row(),
            Rows::Csv(rows) => rows.next_row(),
        };
        match raw {
            Ok(raw) => raw.map(|raw| Ok(self.item(raw))),
            Err(e) => {
                self.failed = true;
                Some(Err(Error::io("read", &self.path)(e)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
