//! The pages of one column of one row group, each judged by its header before memory is taken for it.

use super::header::{PageHeader, encoding};
use super::{delta, unpack};
use parquet::basic::{Compression, Encoding, Type as PhysicalType};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

type Result<T> = std::result::Result<T, ParquetError>;

/// The largest page, packed and unpacked. Writers make pages of 1 MiB, some of a whole row group.
pub(super) const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;

/// The most entries of a dictionary; an entry takes 32 bytes beside its text.
const MAX_DICTIONARY_VALUES: usize = 1024 * 1024;

/// Headers may repeat the least and the greatest value; most are a tenth of this.
const HEADER_BYTES: [usize; 2] = [1024, 1024 * 1024];

/// Reads pages one by one; skipping is not needed for reading a list from its start.
pub(super) struct Pages {
    file: Arc<File>,
    codec: Compression,
    physical: PhysicalType,
    is_optional: bool,
    has_dictionary: bool,
    at: u64,
    remaining: u64,
}

impl Pages {
    /// The pages of a column that is not nested.
    pub(super) fn new(file: &Arc<File>, column: &ColumnChunkMetaData) -> Self {
        let (at, remaining) = column.byte_range();
        Self {
            file: Arc::clone(file),
            codec: column.compression(),
            physical: column.column_type(),
            is_optional: column.column_descr().max_def_level() > 0,
            has_dictionary: false,
            at,
            remaining,
        }
    }

    fn header(&mut self) -> Result<PageHeader> {
        for window in HEADER_BYTES {
            let bytes = self.read(window.min(usize::try_from(self.remaining).unwrap_or(usize::MAX)))?;
            if let Some((header, length)) = PageHeader::parse(&bytes) {
                self.pass(length);
                return Ok(header);
            }
        }
        Err(damaged("a page's header cannot be read"))
    }

    /// At most `bytes` from here on; fewer where the file ends.
    fn read(&self, bytes: usize) -> Result<Vec<u8>> {
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(self.at))?;
        let mut read = Vec::new();
        file.take(bytes as u64).read_to_end(&mut read)?;
        Ok(read)
    }

    fn pass(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.remaining = self.remaining.saturating_sub(bytes as u64);
    }

    fn body(&mut self, bytes: usize) -> Result<Vec<u8>> {
        let body = self.read(bytes)?;
        if body.len() < bytes {
            return Err(damaged("it ends within a page"));
        }
        self.pass(bytes);
        Ok(body)
    }

    fn page(&mut self, header: &PageHeader, body: Vec<u8>) -> Result<Page> {
        let encoding = encoding(header.encoding)
            .ok_or_else(|| damaged(format!("a page has the unknown encoding {}", header.encoding)))?;
        let needs_dictionary = matches!(encoding, Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
        if header.kind != 2 && needs_dictionary && !self.has_dictionary {
            return Err(damaged("a page's dictionary is missing"));
        }
        let unpacked = size(header.unpacked_bytes)?;
        let values = count(header.values)?;
        match header.kind {
            2 => {
                self.has_dictionary = true;
                let buf = unpack::unpack(self.codec, body, unpacked)?;
                self.check_dictionary(size(header.values)?, buf.len())?;
                Ok(Page::DictionaryPage { buf: buf.into(), num_values: values, encoding, is_sorted: false })
            }
            0 => {
                let buf = unpack::unpack(self.codec, body, unpacked)?;
                let levels = if self.is_optional { levels_v1(header, &buf)? } else { 0 };
                let (buf, encoding) = self.without_delta(buf, levels, encoding, values)?;
                Ok(Page::DataPage {
                    buf: buf.into(),
                    num_values: values,
                    encoding,
                    def_level_encoding: Encoding::RLE,
                    rep_level_encoding: Encoding::RLE,
                    statistics: None,
                })
            }
            3 => {
                let levels = size(header.definition_bytes)?.saturating_add(size(header.repetition_bytes)?);
                if levels > body.len() || levels > unpacked {
                    return Err(damaged("a page's levels are longer than the page"));
                }
                let codec = if header.stored_unpacked { Compression::UNCOMPRESSED } else { self.codec };
                let mut buf = body[..levels].to_vec();
                buf.extend(unpack::unpack(codec, body[levels..].to_vec(), unpacked - levels)?);
                let (buf, encoding) = self.without_delta(buf, levels, encoding, values)?;
                Ok(Page::DataPageV2 {
                    buf: buf.into(),
                    num_values: values,
                    encoding,
                    num_nulls: count(header.nulls)?,
                    num_rows: count(header.rows)?,
                    def_levels_byte_len: count(header.definition_bytes)?,
                    rep_levels_byte_len: count(header.repetition_bytes)?,
                    is_compressed: false,
                    statistics: None,
                })
            }
            other => Err(damaged(format!("a page is of the unknown kind {other}"))),
        }
    }

    /// The decoder makes room for as many entries as are announced.
    fn check_dictionary(&self, values: usize, bytes: usize) -> Result<()> {
        if values > MAX_DICTIONARY_VALUES {
            return Err(damaged(format!(
                "a dictionary has {values} entries, at most {MAX_DICTIONARY_VALUES} are read"
            )));
        }
        let least = match self.physical {
            PhysicalType::BYTE_ARRAY | PhysicalType::INT32 | PhysicalType::FLOAT => 4,
            PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
            _ => return Err(damaged("a column that can have none has a dictionary")),
        };
        if values * least > bytes {
            return Err(damaged("a dictionary is shorter than its entries"));
        }
        Ok(())
    }

    /// Delta encodings of texts become `PLAIN`; the page's first `levels` bytes stay.
    fn without_delta(
        &self,
        page: Vec<u8>,
        levels: usize,
        encoding: Encoding,
        values: u32,
    ) -> Result<(Vec<u8>, Encoding)> {
        let decode = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => delta::plain_from_lengths,
            Encoding::DELTA_BYTE_ARRAY => delta::plain_from_prefixes,
            _ => return Ok((page, encoding)),
        };
        if self.physical != PhysicalType::BYTE_ARRAY {
            return Err(damaged("a column that is no text is encoded as text"));
        }
        let plain = decode(&page[levels..], values as usize, MAX_PAGE_BYTES).ok_or_else(|| {
            damaged(format!("a page encoded as {encoding} cannot be read, or is too large"))
        })?;
        Ok(([&page[..levels], &plain].concat(), Encoding::PLAIN))
    }
}

/// The bytes that the levels take in front of a page of version 1, with their length.
fn levels_v1(header: &PageHeader, page: &[u8]) -> Result<usize> {
    if header.definition_encoding != 3 {
        return Err(damaged("a page's levels are not run-length encoded"));
    }
    let length = page.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let end = length.and_then(|length| length.checked_add(4)).filter(|end| *end <= page.len());
    // A page without a row may have no levels.
    end.or((page.is_empty() && header.values == 0).then_some(0))
        .ok_or_else(|| damaged("a page's levels are longer than the page"))
}

fn size(value: i32) -> Result<usize> {
    usize::try_from(value).map_err(|_| damaged("a page announces a negative size"))
}

fn count(value: i32) -> Result<u32> {
    u32::try_from(value).map_err(|_| damaged("a page announces a negative count"))
}

pub(super) fn damaged(message: impl Into<String>) -> ParquetError {
    ParquetError::General(message.into())
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        while self.remaining > 0 {
            let header = self.header()?;
            let (packed, unpacked) = (size(header.packed_bytes)?, size(header.unpacked_bytes)?);
            if packed.max(unpacked) > MAX_PAGE_BYTES {
                let mib = MAX_PAGE_BYTES / 1024 / 1024;
                return Err(damaged(format!(
                    "a page has {} bytes, at most {mib} MiB are read; write it with smaller pages or row groups",
                    packed.max(unpacked)
                )));
            }
            if packed as u64 > self.remaining {
                return Err(damaged("a page is longer than its column"));
            }
            let body = self.body(packed)?;
            // Index pages hold no values.
            if header.kind != 1 {
                return self.page(&header, body).map(Some);
            }
        }
        Ok(None)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        Err(damaged("pages are not skipped"))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        Err(damaged("pages are not skipped"))
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(true)
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}
