//! A file's columns back into values.

use super::source::{RangeSource, TableFile, local};
use super::{Cells, Column, Kind, failed};
use crate::error::{Error, Result};
use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedRowGroupReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads what [`TableWriter`](super::TableWriter) wrote. Holds what the end of the file says, and no file open; a row group
/// is read in one piece.
pub(crate) struct TableReader {
    path: PathBuf,
    columns: Vec<Column>,
    file: TableFile,
    metadata: ParquetMetaData,
}

impl TableReader {
    /// Opens a table that has exactly these columns.
    pub(crate) fn open(source: Arc<dyn RangeSource>, name: &str, columns: Vec<Column>) -> Result<Self> {
        let expected = columns.len();
        let table = Self::open_beginning(source, name, columns)?;
        if table.columns.len() > expected { Err(table.unexpected_columns()) } else { Ok(table) }
    }

    /// Opens a table that begins with exactly these columns; [`TableReader::columns`] has those that follow.
    pub(crate) fn open_beginning(
        source: Arc<dyn RangeSource>,
        name: &str,
        columns: Vec<Column>,
    ) -> Result<Self> {
        let path = source.path(name);
        let file = TableFile::open(source, name).map_err(Error::io("open", &path))?;
        caught(&path, || Self::open_file_beginning(file, &path, columns))
    }

    /// As [`Self::open_beginning`], for a file of the file system.
    pub(crate) fn open_file(path: &Path, columns: Vec<Column>) -> Result<Self> {
        let (source, name) = local(path).map_err(Error::io("open", path))?;
        Self::open_beginning(source, &name, columns)
    }

    fn open_file_beginning(file: TableFile, path: &Path, columns: Vec<Column>) -> Result<Self> {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file);
        let metadata = metadata.map_err(|e| failed("read", path, e))?;
        let mut table = Self { path: path.to_owned(), columns, file, metadata };
        let found = table.metadata.file_metadata().schema_descr_ptr();
        let found = found.columns();
        let begins = found.iter().zip(&table.columns).all(|(found, column)| found.name() == column.name);
        if !begins || found.len() < table.columns.len() {
            return Err(table.unexpected_columns());
        }
        for column in &found[table.columns.len()..] {
            let column = Column::of(column).ok_or_else(|| table.unexpected_columns())?;
            table.columns.push(column);
        }
        Ok(table)
    }

    fn unexpected_columns(&self) -> Error {
        let found = self.metadata.file_metadata().schema_descr();
        let names: Vec<&str> = found.columns().iter().map(|c| c.name()).collect();
        Error::damaged(&self.path, format!("unexpected columns {names:?}"))
    }

    /// What the file is called in messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All columns in the order of the file.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Rows of one row group, or `None` if there is no such group.
    pub(crate) fn rows_in(&self, group: usize) -> Option<usize> {
        let group = self.metadata.row_groups().get(group)?;
        usize::try_from(group.num_rows()).ok()
    }

    /// Some consecutive rows of one row group, column by column. Gives exactly `rows` of them or an error.
    pub(crate) fn read(&self, group: usize, skip: usize, rows: usize) -> Result<Vec<Cells>> {
        caught(&self.path, || {
            let damaged = |e: ParquetError| failed("read", &self.path, e);
            let found = self.metadata.row_groups().get(group);
            let found =
                found.ok_or_else(|| Error::damaged(&self.path, format!("it has no row group {group}")))?;
            let ranges = found.columns().iter().map(ColumnChunkMetaData::byte_range);
            let (start, end) = ranges.fold((u64::MAX, 0), |(start, end), (at, length)| {
                (start.min(at), end.max(at.saturating_add(length)))
            });
            let window = Arc::new(self.file.window(start..end).map_err(damaged)?);
            let no_index = self.metadata.page_index_for_row_group(group);
            let properties = Arc::new(ReaderProperties::builder().build());
            let group =
                SerializedRowGroupReader::new(window, found, no_index, properties).map_err(damaged)?;
            (0..self.columns.len()).map(|at| self.read_column(&group, at, skip, rows)).collect()
        })
    }

    fn read_column(&self, group: &dyn RowGroupReader, at: usize, skip: usize, rows: usize) -> Result<Cells> {
        let column = &self.columns[at];
        let reader = group.get_column_reader(at).map_err(|e| failed("read", &self.path, e))?;
        let damaged = |e: ParquetError| failed("read", &self.path, e);
        Ok(match (column.kind, reader) {
            (Kind::Text, ColumnReader::ByteArrayColumnReader(reader)) => {
                let values = read_values(reader, column, skip, rows).map_err(damaged)?;
                let owned = |bytes: ByteArray| String::from_utf8(bytes.data().to_vec());
                let texts = values.into_iter().map(|v| v.map(owned).transpose()).collect::<Result<_, _>>();
                Cells::Text(texts.map_err(|e| Error::damaged(&self.path, e.to_string()))?)
            }
            (Kind::Binary, ColumnReader::ByteArrayColumnReader(reader)) => {
                let values = read_values(reader, column, skip, rows).map_err(damaged)?;
                let owned = |bytes: ByteArray| Bytes::copy_from_slice(bytes.data());
                Cells::Binary(values.into_iter().map(|v| v.map(owned)).collect())
            }
            (Kind::Integer, ColumnReader::Int64ColumnReader(reader)) => {
                Cells::Integers(read_values(reader, column, skip, rows).map_err(damaged)?)
            }
            (Kind::Float, ColumnReader::DoubleColumnReader(reader)) => {
                Cells::Floats(read_values(reader, column, skip, rows).map_err(damaged)?)
            }
            (Kind::Boolean, ColumnReader::BoolColumnReader(reader)) => {
                Cells::Booleans(read_values(reader, column, skip, rows).map_err(damaged)?)
            }
            _ => return Err(Error::damaged(&self.path, format!("column {} has another type", column.name))),
        })
    }
}

fn read_values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    column: &Column,
    skip: usize,
    rows: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let short = || ParquetError::General(format!("column {} has too few rows", column.name));
    if skip > 0 && reader.skip_records(skip)? != skip {
        return Err(short());
    }
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let wanted = column.optional.then_some(&mut levels);
        let (more, _, _) = reader.read_records(rows - read, wanted, None, &mut values)?;
        if more == 0 {
            return Err(short());
        }
        read += more;
    }
    if !column.optional {
        return if values.len() == rows { Ok(values.into_iter().map(Some).collect()) } else { Err(short()) };
    }
    let mut values = values.into_iter();
    Ok(levels.iter().map(|level| if *level > 0 { values.next() } else { None }).collect())
}

/// Parquet's decoders panic on some damaged files; what they were working on is dropped with the error.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    caught.unwrap_or_else(|_| Err(Error::damaged(path, "its contents cannot be decoded")))
}
