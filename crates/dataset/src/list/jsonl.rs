//! One JSON object per line (JSON Lines, NDJSON); blank lines are skipped.

use super::columns::{quoted, without_repeats};
use super::format::{Format, Open, Rows};
use super::lines::{Lines, too_long};
use super::object::{Members, Value, read_members};
use super::options::{KeepColumns, ListOptions};
use super::row::{RawFields, RawRow, RowSource};
use crate::error::{Error, Result};
use crate::kept::{KeptColumn, KeptKind, KeptValue};

pub(super) const FORMAT: Format = Format { extensions: &["jsonl", "ndjson"], open: Open::Lines(open) };

struct JsonRows {
    lines: Lines,
    text: Vec<u8>,
    /// The keys that are read.
    names: Vec<String>,
    /// Positions in `names`.
    caption: usize,
    sha256: Option<usize>,
    kept: Vec<usize>,
    kept_columns: Vec<KeptColumn>,
    /// Which of the names have to be in some row, and have not yet been.
    awaited: Vec<bool>,
    /// The keys of the first object, for messages.
    first_keys: Option<Vec<String>>,
}

const URL: usize = 0;

fn open(lines: Lines, options: &ListOptions) -> Result<Rows> {
    let kept_names = match &options.keep_columns {
        KeepColumns::None => Vec::new(),
        KeepColumns::Named(names) => names.iter().map(|name| name.trim().to_owned()).collect(),
        KeepColumns::All => {
            let message = "has JSON rows, each of which may have other keys; name the columns to keep";
            return Err(Error::bad_list(lines.path(), message));
        }
    };
    let mut names = vec![options.url_column.trim().to_owned()];
    let mut awaited = vec![true];
    let mut position = |name: &str, needed: bool| {
        let at = names.iter().position(|known| known == name.trim()).unwrap_or_else(|| {
            names.push(name.trim().to_owned());
            awaited.push(false);
            names.len() - 1
        });
        awaited[at] |= needed;
        at
    };
    let caption =
        position(options.caption_column.as_deref().unwrap_or("caption"), options.caption_column.is_some());
    let sha256 = options.sha256_column.as_deref().map(|name| position(name, true));
    let kept: Vec<usize> = without_repeats(kept_names.iter().map(|name| position(name, true)).collect());
    let kept_columns =
        kept.iter().map(|at| KeptColumn { name: names[*at].clone(), kind: KeptKind::Text }).collect();
    let text = Vec::new();
    Ok(Box::new(JsonRows {
        lines,
        text,
        names,
        caption,
        sha256,
        kept,
        kept_columns,
        awaited,
        first_keys: None,
    }))
}

impl JsonRows {
    fn fields(&mut self) -> Result<RawFields, String> {
        let text = std::str::from_utf8(&self.text).map_err(|_| "not valid UTF-8".to_owned())?;
        let is_first = self.first_keys.is_none();
        let Members { values, keys } = read_members(text, &self.names, is_first)?;
        if is_first {
            self.first_keys = Some(keys);
        }
        for (awaited, value) in self.awaited.iter_mut().zip(&values) {
            *awaited &= value.is_none();
        }
        let text = |at: usize| values[at].as_ref().map_or(Ok(None), Value::text);
        let url = match &values[URL] {
            None => return Err(format!("has no key `{:.64}`", self.names[URL])),
            Some(value) if !value.is_string() => {
                return Err(format!("the value of `{:.64}` is not a text", self.names[URL]));
            }
            Some(value) => value.text()?.unwrap_or_default(),
        };
        // The default caption must not be the URL itself.
        let caption = if self.caption == URL { None } else { text(self.caption)? };
        let kept = |at: &usize| Ok(text(*at)?.map(KeptValue::Text));
        Ok(RawFields {
            url,
            caption,
            sha256: self.sha256.map_or(Ok(None), text)?,
            kept: self.kept.iter().map(kept).collect::<Result<_, String>>()?,
        })
    }

    /// A key that no row has was mistyped; that shows only at the end.
    fn check_seen(&self) -> Result<()> {
        let Some(keys) = &self.first_keys else { return Ok(()) };
        match self.awaited.iter().position(|awaited| *awaited) {
            None => Ok(()),
            Some(at) => {
                let name = &self.names[at];
                let message =
                    format!("has no row with the key `{name}`; the first row's are {}", quoted(keys));
                Err(Error::bad_list(self.lines.path(), message))
            }
        }
    }
}

impl RowSource for JsonRows {
    fn kept_columns(&self) -> &[KeptColumn] {
        &self.kept_columns
    }

    fn next_row(&mut self) -> Result<Option<RawRow>> {
        while let Some(line) = self.lines.next_line(&mut self.text)? {
            let fields = if line.too_long {
                Err(too_long())
            } else if self.text.trim_ascii().is_empty() {
                continue;
            } else {
                self.fields()
            };
            return Ok(Some(RawRow { line: line.number, fields }));
        }
        self.check_seen()?;
        Ok(None)
    }
}
