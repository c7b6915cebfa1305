//! The fields of one delimited record (RFC 4180; a quoted field may span lines).

use super::lines::MAX_LINE_BYTES;
use csv_core::ReadRecordResult;

/// The most columns of a list.
pub(super) const MAX_COLUMNS: usize = 1024;

/// What feeding a line led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// A quoted field is open.
    More,
    Done,
    BareReturn,
    TooMany,
}

/// The fields of one record. The output is as large as the largest record, so it is never full.
pub(super) struct Record {
    delimiter: u8,
    core: csv_core::Reader,
    output: Vec<u8>,
    written: usize,
    ends: Vec<usize>,
    end_slots: Vec<usize>,
    /// Whether the output has the delimiters too, each behind its field.
    has_delimiters: bool,
}

impl Record {
    pub(super) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            core: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            output: vec![0; MAX_LINE_BYTES * 2],
            written: 0,
            ends: Vec::new(),
            end_slots: vec![0; MAX_COLUMNS],
            has_delimiters: false,
        }
    }

    /// Starts a record with a line of at most [`MAX_LINE_BYTES`].
    pub(super) fn start(&mut self, line: &[u8]) -> Fed {
        self.ends.clear();
        self.has_delimiters = memchr::memchr2(b'"', b'\r', line).is_none();
        if self.has_delimiters { self.split(line) } else { self.parse(line) }
    }

    /// Where nothing is quoted, the delimiters are all there is to see.
    fn split(&mut self, line: &[u8]) -> Fed {
        self.output[..line.len()].copy_from_slice(line);
        self.ends.extend(memchr::memchr_iter(self.delimiter, line).take(MAX_COLUMNS));
        if self.ends.len() == MAX_COLUMNS {
            return Fed::TooMany;
        }
        self.ends.push(line.len());
        Fed::Done
    }

    fn parse(&mut self, line: &[u8]) -> Fed {
        self.core.reset();
        self.written = 0;
        self.feed(line)
    }

    /// Goes on with the next line while a quoted field is open.
    pub(super) fn feed(&mut self, line: &[u8]) -> Fed {
        for piece in [line, b"\n"] {
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

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field's bytes; empty where there is no such field.
    pub(super) fn field(&self, at: usize) -> &[u8] {
        let start = match at.checked_sub(1).and_then(|before| self.ends.get(before)) {
            None => 0,
            Some(end) => end + usize::from(self.has_delimiters),
        };
        self.ends.get(at).and_then(|end| self.output.get(start..*end)).unwrap_or_default()
    }

    /// A field's text, or `None` if it is not UTF-8.
    pub(super) fn text(&self, at: usize) -> Option<&str> {
        std::str::from_utf8(self.field(at)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn splitting_a_line_without_quotes_is_parsing_it(
            line in prop::collection::vec(prop::sample::select(b", \tahttp:\xFF\0".to_vec()), 1..300)
        ) {
            prop_assume!(!line.trim_ascii().is_empty());
            let (mut split, mut parsed) = (Record::new(b','), Record::new(b','));
            prop_assert_eq!(split.start(&line), Fed::Done);
            prop_assert_eq!(parsed.parse(&line), Fed::Done);
            let fields = |record: &Record| (0..record.len()).map(|at| record.field(at).to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(fields(&split), fields(&parsed));
        }
    }

    #[test]
    fn too_many_columns_are_told_either_way() {
        for (columns, fed) in [(MAX_COLUMNS, Fed::Done), (MAX_COLUMNS + 1, Fed::TooMany)] {
            let line = ",".repeat(columns - 1);
            let mut record = Record::new(b',');
            assert_eq!(record.start(line.as_bytes()), fed);
            assert_eq!(record.start(format!("\"\"{line}").as_bytes()), fed);
        }
    }
}
