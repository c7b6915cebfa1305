//! Page headers (Thrift compact protocol; `parquet.thrift` of the Parquet format), read to be judged before a byte
//! of the page is unpacked.

use parquet::basic::Encoding;

const MAX_DEPTH: u32 = 8;

/// What a page says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// 0 data, 1 index, 2 dictionary, 3 data of version 2.
    pub(super) kind: i32,
    pub(super) unpacked_bytes: i32,
    pub(super) packed_bytes: i32,
    pub(super) values: i32,
    pub(super) encoding: i32,
    pub(super) definition_encoding: i32,
    pub(super) repetition_encoding: i32,
    pub(super) nulls: i32,
    pub(super) rows: i32,
    pub(super) definition_bytes: i32,
    pub(super) repetition_bytes: i32,
    pub(super) stored_unpacked: bool,
}

impl PageHeader {
    /// The header that `bytes` begin with, and its length. `None` if there is no whole one.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let mut input = Compact { bytes, at: 0 };
        let mut header = Self::default();
        input.fields(|input, id, kind| match (id, kind) {
            (1, I32) => input.int(&mut header.kind),
            (2, I32) => input.int(&mut header.unpacked_bytes),
            (3, I32) => input.int(&mut header.packed_bytes),
            (5, STRUCT) => input.fields(|input, id, kind| match (id, kind) {
                (1, I32) => input.int(&mut header.values),
                (2, I32) => input.int(&mut header.encoding),
                (3, I32) => input.int(&mut header.definition_encoding),
                (4, I32) => input.int(&mut header.repetition_encoding),
                _ => input.skip(kind, MAX_DEPTH),
            }),
            (7, STRUCT) => input.fields(|input, id, kind| match (id, kind) {
                (1, I32) => input.int(&mut header.values),
                (2, I32) => input.int(&mut header.encoding),
                _ => input.skip(kind, MAX_DEPTH),
            }),
            (8, STRUCT) => input.fields(|input, id, kind| match (id, kind) {
                (1, I32) => input.int(&mut header.values),
                (2, I32) => input.int(&mut header.nulls),
                (3, I32) => input.int(&mut header.rows),
                (4, I32) => input.int(&mut header.encoding),
                (5, I32) => input.int(&mut header.definition_bytes),
                (6, I32) => input.int(&mut header.repetition_bytes),
                (7, FALSE) => {
                    header.stored_unpacked = true;
                    Some(())
                }
                _ => input.skip(kind, MAX_DEPTH),
            }),
            _ => input.skip(kind, MAX_DEPTH),
        })?;
        Some((header, input.at))
    }
}

/// An encoding by its number in `parquet.thrift`.
pub(super) fn encoding(number: i32) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I8: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;

struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Compact<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, used) = varint(self.bytes.get(self.at..)?)?;
        self.at += used;
        Some(value)
    }

    fn int(&mut self, into: &mut i32) -> Option<()> {
        *into = i32::try_from(zigzag(self.varint()?)).ok()?;
        Some(())
    }

    fn advance(&mut self, bytes: u64) -> Option<()> {
        let end = self.at.checked_add(usize::try_from(bytes).ok()?)?;
        self.bytes.get(self.at..end)?;
        self.at = end;
        Some(())
    }

    /// Hands every field of a struct to `each`, which has to consume it.
    fn fields(&mut self, mut each: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0F;
            if kind == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => zigzag(self.varint()?),
                delta => id.checked_add(i64::from(delta))?,
            };
            each(self, id, kind)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => Some(()),
            I8 => self.advance(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.advance(8),
            BINARY => {
                let length = self.varint()?;
                self.advance(length)
            }
            LIST | SET => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                (0..length).try_for_each(|_| self.skip_element(head & 0x0F, depth))
            }
            MAP => {
                let length = self.varint()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                (0..length).try_for_each(|_| {
                    self.skip_element(kinds >> 4, depth)?;
                    self.skip_element(kinds & 0x0F, depth)
                })
            }
            STRUCT => self.fields(|input, _, kind| input.skip(kind, depth)),
            _ => None,
        }
    }

    /// Within a collection a boolean has a byte of its own.
    fn skip_element(&mut self, kind: u8, depth: u32) -> Option<()> {
        if matches!(kind, TRUE | FALSE) { self.advance(1) } else { self.skip(kind, depth) }
    }
}

/// An unsigned LEB128 number and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_read_and_what_is_unknown_is_skipped() {
        // kind 2, unpacked 100, packed 50, crc, dictionary {values 7, encoding 2, sorted, 9: "ab"}, rest.
        let bytes = [
            0x15, 4, 0x15, 200, 1, 0x15, 100, 0x15, 2, 0x3C, 0x15, 14, 0x15, 4, 0x11, 0x68, 2, b'a', b'b', 0,
            0, 99,
        ];
        let (header, length) = PageHeader::parse(&bytes).unwrap();
        let wanted = PageHeader {
            kind: 2,
            unpacked_bytes: 100,
            packed_bytes: 50,
            values: 7,
            encoding: 2,
            ..PageHeader::default()
        };
        assert_eq!((header, length), (wanted, bytes.len() - 1));
        assert_eq!(PageHeader::parse(&bytes[..bytes.len() - 2]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_header_panic_or_be_longer_than_they_are(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((_, length)) = PageHeader::parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
