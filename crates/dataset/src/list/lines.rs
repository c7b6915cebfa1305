//! Lines of bounded length.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line, and the longest CSV row, that is looked at.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// What the first bytes say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Empty,
    Utf16,
    Other,
}

/// One line with its number. The text has no line ending, and is `None` where the line was too long to keep.
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: Option<Vec<u8>>,
}

pub(super) struct Lines<R> {
    bytes: BufReader<R>,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self { bytes: BufReader::with_capacity(MAX_LINE_BYTES, bytes), number: 0 }
    }

    pub(super) fn get_ref(&self) -> &R {
        self.bytes.get_ref()
    }

    /// Looks at the first bytes; a UTF-8 byte order mark is skipped.
    pub(super) fn encoding(&mut self) -> io::Result<Encoding> {
        let start = fill(&mut self.bytes)?;
        if start.is_empty() {
            return Ok(Encoding::Empty);
        }
        if start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]) {
            return Ok(Encoding::Utf16);
        }
        if start.starts_with(&[0xEF, 0xBB, 0xBF]) {
            self.bytes.consume(3);
        }
        Ok(Encoding::Other)
    }

    /// The next line, or `None` at the end. However long a line is, at most [`MAX_LINE_BYTES`] are kept.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Some(Vec::new());
        let mut any = false;
        loop {
            let buffer = fill(&mut self.bytes)?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            text = text.filter(|kept| kept.len() + piece.len() <= MAX_LINE_BYTES);
            if let Some(kept) = &mut text {
                kept.extend_from_slice(piece);
            }
            let used = piece.len() + usize::from(end.is_some());
            self.bytes.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if let Some(kept) = &mut text
            && kept.last() == Some(&b'\r')
        {
            kept.pop();
        }
        Ok(Some(Line { number: self.number, text }))
    }
}

fn fill<R: Read>(bytes: &mut BufReader<R>) -> io::Result<&[u8]> {
    while let Err(e) = bytes.fill_buf() {
        if e.kind() != io::ErrorKind::Interrupted {
            return Err(e);
        }
    }
    Ok(bytes.buffer())
}

/// The reason for a line or row of which the text was not kept.
pub(super) fn too_long() -> String {
    format!("longer than {} KiB", MAX_LINE_BYTES / 1024)
}
