//! Comma- and tab-separated values with a header (RFC 4180).

use super::columns::Picked;
use super::format::{Format, Open, Rows};
use super::lines::{Line, Lines, MAX_LINE_BYTES, too_long};
use super::options::ListOptions;
use super::record::{Fed, MAX_COLUMNS, Record};
use super::row::{RawFields, RawRow, RowSource};
use crate::error::{Error, Result};
use crate::kept::{KeptColumn, KeptKind, KeptValue};
use std::collections::VecDeque;

pub(super) const CSV: Format = Format { extensions: &["csv"], open: Open::Lines(open_csv) };
pub(super) const TSV: Format = Format { extensions: &["tsv"], open: Open::Lines(open_tsv) };

fn open_csv(lines: Lines, options: &ListOptions) -> Result<Rows> {
    DelimitedRows::open(lines, options, b',')
}

fn open_tsv(lines: Lines, options: &ListOptions) -> Result<Rows> {
    DelimitedRows::open(lines, options, b'\t')
}

struct DelimitedRows {
    lines: Lines,
    text: Vec<u8>,
    /// Lines that a quote without an end had swallowed, to be read again one by one.
    replay: VecDeque<(Line, Vec<u8>)>,
    record: Record,
    columns: usize,
    picked: Picked,
    kept_columns: Vec<KeptColumn>,
}

/// The line where a record begins, and what is wrong with it.
struct Found {
    line: u64,
    bad: Option<String>,
}

impl DelimitedRows {
    fn open(lines: Lines, options: &ListOptions, delimiter: u8) -> Result<Rows> {
        let mut rows = Self {
            lines,
            text: Vec::new(),
            replay: VecDeque::new(),
            record: Record::new(delimiter),
            columns: 0,
            picked: Picked { url: 0, caption: None, sha256: None, kept: Vec::new() },
            kept_columns: Vec::new(),
        };
        let found = rows.next_record()?;
        let path = rows.lines.path();
        match found {
            None => return Err(Error::bad_list(path, "has no header and no rows")),
            Some(Found { bad: Some(reason), .. }) => {
                return Err(Error::bad_list(path, format!("has a header that cannot be read: {reason}")));
            }
            Some(Found { bad: None, .. }) => {}
        }
        let texts = (0..rows.record.len()).map(|at| rows.record.text(at).map(str::to_owned));
        let Some(header) = texts.collect::<Option<Vec<_>>>() else {
            return Err(Error::bad_list(path, "has a header that is not valid UTF-8"));
        };
        rows.picked = Picked::find(path, &header, options)?;
        let kept = |at: &usize| KeptColumn { name: header[*at].trim().to_owned(), kind: KeptKind::Text };
        rows.kept_columns = rows.picked.kept.iter().map(kept).collect();
        rows.columns = header.len();
        Ok(Box::new(rows))
    }

    fn pick(&self) -> Result<RawFields, String> {
        let found = self.record.len();
        if found != self.columns {
            return Err(format!("{found} columns where the header has {}", self.columns));
        }
        let field =
            |at: usize| self.record.text(at).map(str::to_owned).ok_or_else(|| "not valid UTF-8".to_owned());
        // A table of texts cannot tell an empty value from a missing one.
        let kept = |at: &usize| Ok(Some(field(*at)?).filter(|text| !text.is_empty()).map(KeptValue::Text));
        Ok(RawFields {
            url: field(self.picked.url)?,
            caption: self.picked.caption.map(field).transpose()?,
            sha256: self.picked.sha256.map(field).transpose()?,
            kept: self.picked.kept.iter().map(kept).collect::<Result<_, String>>()?,
        })
    }

    /// The next row's fields, in `self.record`; blank lines are skipped.
    fn next_record(&mut self) -> Result<Option<Found>> {
        let (first, replayed) = loop {
            let replayed = self.replay.pop_front();
            let is_replayed = replayed.is_some();
            let line = match replayed {
                Some((line, text)) => {
                    self.text = text;
                    Some(line)
                }
                None => self.lines.next_line(&mut self.text)?,
            };
            match line {
                None => return Ok(None),
                Some(line) if !line.too_long && self.text.trim_ascii().is_empty() => {}
                Some(line) => break (line, is_replayed),
            }
        };
        let bad = if first.too_long { Some(too_long()) } else { self.parse(replayed)? };
        Ok(Some(Found { line: first.number, bad }))
    }

    /// Parses the record that begins with `self.text`; answers what is wrong with it.
    fn parse(&mut self, replayed: bool) -> Result<Option<String>> {
        let mut fed = self.record.start(&self.text);
        let mut size = self.text.len();
        let mut swallowed = VecDeque::new();
        let reason = loop {
            match fed {
                Fed::Done => return Ok(None),
                Fed::BareReturn => break "a carriage return without a line feed".to_owned(),
                Fed::TooMany => break format!("more than {MAX_COLUMNS} columns"),
                Fed::More => {}
            }
            let unclosed = || "opens a quote that is not closed in time".to_owned();
            // A swallowed line may not swallow further ones: each line is then looked at twice at most.
            let mut text = Vec::new();
            let next = if replayed { None } else { self.lines.next_line(&mut text)? };
            let Some(line) = next else { break unclosed() };
            size += if line.too_long { MAX_LINE_BYTES } else { text.len() } + 1;
            if size <= MAX_LINE_BYTES {
                fed = self.record.feed(&text);
            }
            swallowed.push_back((line, text));
            if size > MAX_LINE_BYTES {
                break unclosed();
            }
        };
        // What a bad row had swallowed may be good rows.
        if !swallowed.is_empty() {
            self.replay = swallowed;
        }
        Ok(Some(reason))
    }
}

impl RowSource for DelimitedRows {
    fn kept_columns(&self) -> &[KeptColumn] {
        &self.kept_columns
    }

    fn next_row(&mut self) -> Result<Option<RawRow>> {
        Ok(self.next_record()?.map(|found| RawRow {
            line: found.line,
            fields: match found.bad {
                Some(reason) => Err(reason),
                None => self.pick(),
            },
        }))
    }
}
