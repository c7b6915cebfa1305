//! A file's columns back into values.

use super::{Cells, Column, Kind, failed};
use crate::error::{Error, Result};
use bytes::Bytes;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Reads what [`TableWriter`] wrote.
pub(crate) struct TableReader {
    path: PathBuf,
    columns: Vec<Column>,
    reader: SerializedFileReader<File>,
}

impl TableReader {
    /// Opens a table that has exactly these columns.
    pub(crate) fn open(path: &Path, columns: Vec<Column>) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        caught(path, || Self::open_file(file, path, columns))
    }

    /// Opens a table that begins with exactly these columns; [`TableReader::columns`] has those that follow.
    pub(crate) fn open_beginning(path: &Path, columns: Vec<Column>) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        caught(path, || Self::open_file_beginning(file, path, columns))
    }

    fn open_file(file: File, path: &Path, columns: Vec<Column>) -> Result<Self> {
        let expected = columns.len();
        let table = Self::open_file_beginning(file, path, columns)?;
        if table.columns.len() > expected { Err(table.unexpected_columns()) } else { Ok(table) }
    }

    fn open_file_beginning(file: File, path: &Path, columns: Vec<Column>) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(|e| failed("read", path, e))?;
        let mut table = Self { path: path.to_owned(), columns, reader };
        let found = table.reader.metadata().file_metadata().schema_descr_ptr();
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
        let found = self.reader.metadata().file_metadata().schema_descr();
        let names: Vec<&str> = found.columns().iter().map(|c| c.name()).collect();
        Error::damaged(&self.path, format!("unexpected columns {names:?}"))
    }

    /// All columns in the order of the file.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn groups(&self) -> usize {
        self.reader.num_row_groups()
    }

    /// Rows of one row group, or `None` if there is no such group.
    pub(crate) fn rows_in(&self, group: usize) -> Option<usize> {
        let group = self.reader.metadata().row_groups().get(group)?;
        usize::try_from(group.num_rows()).ok()
    }

    /// Some consecutive rows of one row group, column by column. Gives exactly `rows` of them or an error.
    pub(crate) fn read(&self, group: usize, skip: usize, rows: usize) -> Result<Vec<Cells>> {
        caught(&self.path, || {
            let group = self.reader.get_row_group(group).map_err(|e| failed("read", &self.path, e))?;
            let read = |at| self.read_column(group.as_ref(), at, skip, rows);
            (0..self.columns.len()).map(read).collect()
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
