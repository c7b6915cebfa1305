//! One URL per line; blank lines are skipped.

use super::format::{Format, Open, Rows};
use super::lines::{Lines, too_long};
use super::options::{KeepColumns, ListOptions};
use super::row::{RawFields, RawRow, RowSource};
use crate::error::{Error, Result};
use crate::kept::KeptColumn;

pub(super) const FORMAT: Format = Format { extensions: &["txt"], open: Open::Lines(open) };

struct TxtRows {
    lines: Lines,
    text: Vec<u8>,
}

fn open(lines: Lines, options: &ListOptions) -> Result<Rows> {
    let kept = match &options.keep_columns {
        KeepColumns::Named(names) => names.first(),
        KeepColumns::None | KeepColumns::All => None,
    };
    let asked = options.caption_column.as_ref().or(options.sha256_column.as_ref()).or(kept);
    match asked {
        None => Ok(Box::new(TxtRows { lines, text: Vec::new() })),
        Some(name) => {
            let message =
                format!("has no column `{name}`; a text list has one URL per line and nothing else");
            Err(Error::bad_list(lines.path(), message))
        }
    }
}

impl RowSource for TxtRows {
    fn kept_columns(&self) -> &[KeptColumn] {
        &[]
    }

    fn next_row(&mut self) -> Result<Option<RawRow>> {
        while let Some(line) = self.lines.next_line(&mut self.text)? {
            let fields = if line.too_long {
                Err(too_long())
            } else if self.text.trim_ascii().is_empty() {
                continue;
            } else {
                match std::str::from_utf8(&self.text) {
                    Ok(url) => Ok(RawFields { url: url.to_owned(), ..RawFields::default() }),
                    Err(_) => Err("not valid UTF-8".to_owned()),
                }
            };
            return Ok(Some(RawRow { line: line.number, fields }));
        }
        Ok(None)
    }
}
