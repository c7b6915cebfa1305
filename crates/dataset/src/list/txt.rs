//! One URL per line; blank lines are skipped.

use super::RawRow;
use super::lines::{Lines, too_long};
use std::io::{self, Read};

pub(super) struct TxtRows<R>(Lines<R>);

impl<R: Read> TxtRows<R> {
    pub(super) fn new(lines: Lines<R>) -> Self {
        Self(lines)
    }

    pub(super) fn get_ref(&self) -> &R {
        self.0.get_ref()
    }

    pub(super) fn next_row(&mut self) -> io::Result<Option<RawRow>> {
        while let Some(line) = self.0.next_line()? {
            let fields = match line.text {
                None => Err(too_long()),
                Some(text) if text.trim_ascii().is_empty() => continue,
                Some(text) => match String::from_utf8(text) {
                    Ok(url) => Ok((url, None)),
                    Err(_) => Err("not valid UTF-8".to_owned()),
                },
            };
            return Ok(Some(RawRow { line: line.number, fields }));
        }
        Ok(None)
    }
}
