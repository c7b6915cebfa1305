//! Where the bytes of a table come from: files read by ranges, wherever they lie.

use bytes::{Buf as _, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of one folder, or of what stands for one, read by ranges. Calls may block.
pub trait RangeSource: Send + Sync {
    /// What a file is called in messages.
    fn path(&self, name: &str) -> PathBuf;

    /// How many bytes a file has.
    ///
    /// # Errors
    /// `NotFound` where it is missing; whatever keeps it from being looked at.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// All of these bytes of a file.
    ///
    /// # Errors
    /// `UnexpectedEof` where it has fewer; whatever keeps it from being read.
    fn read(&self, name: &str, range: Range<u64>) -> io::Result<Bytes>;
}

/// A folder of the file system.
#[derive(Debug, Clone)]
pub(crate) struct LocalFolder(pub(crate) PathBuf);

impl RangeSource for LocalFolder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(File::open(self.path(name))?.metadata()?.len())
    }

    fn read(&self, name: &str, range: Range<u64>) -> io::Result<Bytes> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(range.start))?;
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// One file of a source.
pub(super) struct TableFile {
    source: Arc<dyn RangeSource>,
    name: String,
    len: u64,
}

impl TableFile {
    pub(super) fn open(source: Arc<dyn RangeSource>, name: &str) -> io::Result<Self> {
        let len = source.len(name)?;
        Ok(Self { source, name: name.to_owned(), len })
    }

    /// A part of the file in memory, which reads as the file does.
    pub(super) fn window(&self, range: Range<u64>) -> Result<Window, ParquetError> {
        Ok(Window { start: range.start, bytes: self.read(range)? })
    }

    fn read(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        if range.start > range.end || range.end > self.len {
            let message = format!("it has {} bytes, wanted are {} to {}", self.len, range.start, range.end);
            return Err(ParquetError::EOF(message));
        }
        self.source
            .read(&self.name, range)
            .map_err(|error| ParquetError::External(Box::new(ReadFailed(error))))
    }
}

/// The file could not be read, whatever is in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReadFailed(pub(super) io::Error);

impl Length for TableFile {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for TableFile {
    type T = bytes::buf::Reader<Bytes>;

    /// Only asked for the last bytes of a file, when its metadata is looked for.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.read(start..self.len)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.read(start..start.saturating_add(length as u64))
    }
}

/// A part of a file, at the place that it has there.
pub(super) struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// Everything from there on.
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let skipped = start.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        let skipped = skipped.filter(|skipped| *skipped <= self.bytes.len());
        let outside = || ParquetError::EOF("a column reaches beyond its row group".to_owned());
        skipped.map(|skipped| self.bytes.slice(skipped..)).ok_or_else(outside)
    }
}

impl Length for Window {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Window {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("a page reaches beyond its row group".to_owned()));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

/// The folder and the name of a file.
pub(super) fn local(path: &Path) -> io::Result<(Arc<dyn RangeSource>, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("its name is not UTF-8"))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    Ok((Arc::new(LocalFolder(folder)), name.to_owned()))
}
