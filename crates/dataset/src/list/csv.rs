//! CSV with a header (RFC 4180; quoted fields may span lines).

use super::lines::{Line, Lines, MAX_LINE_BYTES, too_long};
use super::{ListOptions, RawRow};
use crate::error::{Error, Result};
use csv_core::ReadRecordResult;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::Path;

const MAX_COLUMNS: usize = 1024;

pub(super) struct CsvRows<R> {
    lines: Lines<R>,
    /// Lines that a quote without an end had swallowed, to be read again one by one.
    replay: VecDeque<Line>,
    parser: Parser,
    columns: usize,
    url: usize,
    caption: Option<usize>,
}

enum Record {
    Fields { line: u64 },
    Bad { line: u64, reason: String },
}

impl<R: Read> CsvRows<R> {
    pub(super) fn new(lines: Lines<R>, path: &Path, options: &ListOptions) -> Result<Self> {
        let (replay, parser) = (VecDeque::new(), Parser::new());
        let mut rows = Self { lines, replay, parser, columns: 0, url: 0, caption: None };
        let header = match rows.next_record().map_err(Error::io("read", path))? {
            None => return Err(Error::bad_list(path, "has no header and no rows")),
            Some(Record::Bad { reason, .. }) => {
                return Err(Error::bad_list(path, format!("has a header that cannot be read: {reason}")));
            }
            Some(Record::Fields { .. }) => rows.parser.fields().map(text).collect::<Option<Vec<_>>>(),
        };
        let Some(header) = header else {
            return Err(Error::bad_list(path, "has a header that is not valid UTF-8"));
        };
        let find = |name: &str| header.iter().position(|column| column.trim() == name.trim());
        let need = |name: &str| {
            find(name).ok_or_else(|| {
                Error::bad_list(path, format!("has no column `{name}`; its columns are {}", names(&header)))
            })
        };
        rows.url = need(&options.url_column)?;
        rows.caption = match &options.caption_column {
            Some(name) => Some(need(name)?),
            None => find("caption").filter(|column| *column != rows.url),
        };
        rows.columns = header.len();
        Ok(rows)
    }

    pub(super) fn get_ref(&self) -> &R {
        self.lines.get_ref()
    }

    pub(super) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        Ok(self.next_record()?.map(|record| match record {
            Record::Bad { line, reason } => RawRow { line, fields: Err(reason) },
            Record::Fields { line } => RawRow { line, fields: self.pick() },
        }))
    }

    fn pick(&self) -> std::result::Result<(String, Option<String>), String> {
        let found = self.parser.ends.len();
        if found != self.columns {
            return Err(format!("{found} columns where the header has {}", self.columns));
        }
        let field = |at: usize| {
            let bytes = self.parser.fields().nth(at).unwrap_or_default();
            text(bytes).ok_or_else(|| "not valid UTF-8".to_owned())
        };
        let caption = self.caption.map(field).transpose()?.filter(|caption| !caption.trim().is_empty());
        Ok((field(self.url)?, caption))
    }

    /// The next row's fields, in `self.parser`; blank lines are skipped.
    fn next_record(&mut self) -> io::Result<Option<Record>> {
        let (first, replayed) = loop {
            let (line, replayed) = match self.replay.pop_front() {
                Some(line) => (Some(line), true),
                None => (self.lines.next_line()?, false),
            };
            match line {
                None => return Ok(None),
                Some(Line { text: Some(text), .. }) if text.trim_ascii().is_empty() => {}
                Some(line) => break (line, replayed),
            }
        };
        let number = first.number;
        let bad = |reason: String| Ok(Some(Record::Bad { line: number, reason }));
        let Some(text) = first.text else { return bad(too_long()) };
        self.parser.start();
        let mut size = text.len();
        let mut state = self.parser.feed(&text);
        let mut swallowed = VecDeque::new();
        let reason = loop {
            match state {
                Fed::Done => return Ok(Some(Record::Fields { line: number })),
                Fed::BareReturn => break "a carriage return without a line feed".to_owned(),
                Fed::TooMany => break format!("more than {MAX_COLUMNS} columns"),
                Fed::More => {}
            }
            let unclosed = || "opens a quote that is not closed in time".to_owned();
            // A swallowed line may not swallow further ones: each line is then looked at twice at most.
            let next = if replayed { None } else { self.lines.next_line()? };
            let Some(line) = next else { break unclosed() };
            size += line.text.as_ref().map_or(MAX_LINE_BYTES, Vec::len) + 1;
            if size <= MAX_LINE_BYTES {
                state = self.parser.feed(line.text.as_deref().unwrap_or_default());
            }
            swallowed.push_back(line);
            if size > MAX_LINE_BYTES {
                break unclosed();
            }
        };
        // What a bad row had swallowed may be good rows.
        if !swallowed.is_empty() {
            self.replay = swallowed;
        }
        bad(reason)
    }
}

enum Fed {
    /// A quoted field is open.
    More,
    Done,
    BareReturn,
    TooMany,
}

/// The fields of one record. The output is as large as the largest record, so it is never full.
struct Parser {
    core: csv_core::Reader,
    output: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    end_slots: Vec<usize>,
}

impl Parser {
    fn new() -> Self {
        Self {
            core: csv_core::Reader::new(),
            output: vec![0; MAX_LINE_BYTES * 2],
            written: 0,
            ends: Vec::new(),
            end_slots: vec![0; MAX_COLUMNS],
        }
    }

    fn start(&mut self) {
        self.core.reset();
        self.written = 0;
        self.ends.clear();
    }

    fn feed(&mut self, text: &[u8]) -> Fed {
        for piece in [text, b"\n"] {
            let mut piece = piece;
            while !piece.is_empty() {
                let room = MAX_COLUMNS - self.ends.len();
                let (result, read, written, ends) = self.core.read_record(
                    piece,
                    &mut self.output[self.written..],
                    &mut self.end_slots[..room],
                );
                self.written += written;
                self.ends.extend_from_slice(&self.end_slots[..ends]);
                piece = &piece[read..];
                match result {
                    ReadRecordResult::InputEmpty => {}
                    ReadRecordResult::Record if piece.trim_ascii().is_empty() => return Fed::Done,
                    // Going on after it would give rows that no line number names.
                    ReadRecordResult::Record => return Fed::BareReturn,
                    ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => return Fed::TooMany,
                    ReadRecordResult::End => return Fed::More,
                }
            }
        }
        Fed::More
    }

    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let field = self.output.get(start..*end).unwrap_or_default();
            start = *end;
            field
        })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn names(header: &[String]) -> String {
    let shown: Vec<String> = header.iter().take(20).map(|name| format!("`{:.64}`", name.trim())).collect();
    let more = if header.len() > 20 { format!(" and {} more", header.len() - 20) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
