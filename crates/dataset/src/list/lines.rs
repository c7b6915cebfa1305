//! Lines of bounded length.

use super::compression::{Bytes, DamagedStream};
use crate::error::{Error, Result};
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// The longest line, the longest row over several lines, and the longest value of a Parquet row that is looked at.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// One line: its number from 1, and whether it was too long to keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) too_long: bool,
}

/// The lines of a file, whatever it holds, in constant memory.
pub(super) struct Lines {
    path: PathBuf,
    bytes: BufReader<Bytes>,
    number: u64,
}

impl Lines {
    /// Looks at the first bytes; a UTF-8 byte order mark is skipped. `None` for a file without a byte.
    ///
    /// # Errors
    /// [`Error::BadList`] for UTF-16 and for a damaged stream; [`Error::Io`].
    pub(super) fn new(mut bytes: Bytes, path: &Path) -> Result<Option<Self>> {
        let mut start = Vec::with_capacity(3);
        let read = bytes.by_ref().take(3).read_to_end(&mut start);
        read.map_err(|e| failed(path, 0, e))?;
        match start.as_slice() {
            [] => return Ok(None),
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                return Err(Error::bad_list(path, "is encoded as UTF-16; save it as UTF-8"));
            }
            [0xEF, 0xBB, 0xBF] => start.clear(),
            _ => {}
        }
        let whole: Bytes = Box::new(io::Cursor::new(start).chain(bytes));
        let bytes = BufReader::with_capacity(MAX_LINE_BYTES, whole);
        Ok(Some(Self { path: path.to_owned(), bytes, number: 0 }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the next line into `text` without its ending. However long a line is, at most [`MAX_LINE_BYTES`] of it
    /// are kept in memory, and none are given.
    pub(super) fn next_line(&mut self, text: &mut Vec<u8>) -> Result<Option<Line>> {
        text.clear();
        let (mut any, mut too_long) = (false, false);
        loop {
            let buffer = self.fill()?;
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', buffer);
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            too_long |= text.len() + piece.len() > MAX_LINE_BYTES;
            if too_long {
                text.clear();
            } else {
                text.extend_from_slice(piece);
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
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        Ok(Some(Line { number: self.number, too_long }))
    }

    fn fill(&mut self) -> Result<&[u8]> {
        while let Err(e) = self.bytes.fill_buf() {
            if e.kind() != io::ErrorKind::Interrupted {
                return Err(failed(&self.path, self.number, e));
            }
        }
        Ok(self.bytes.buffer())
    }
}

fn failed(path: &Path, line: u64, error: io::Error) -> Error {
    match error.downcast::<DamagedStream>() {
        Ok(damaged) => Error::bad_list(path, format!("cannot be read beyond line {line}: {damaged}")),
        Err(error) => Error::io("read", path)(error),
    }
}

/// The reason for a line, row or value of which the text was not kept.
pub(super) fn too_long() -> String {
    format!("longer than {} KiB", MAX_LINE_BYTES / 1024)
}
