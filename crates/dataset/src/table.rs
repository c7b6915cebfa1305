//! Rows of plain values as Parquet columns, without Arrow.

use crate::error::{Error, Result};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Float,
    Boolean,
    Binary,
}

/// The values of one column for some consecutive rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cells {
    Text(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Booleans(Vec<Option<bool>>),
    Binary(Vec<Option<Vec<u8>>>),
}

impl Column {
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Text, optional: false }
    }

    pub(crate) const fn integer(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Integer, optional: false }
    }

    pub(crate) fn nullable(mut self) -> Self {
        self.optional = true;
        self
    }

    fn schema(&self) -> Result<Arc<Type>, ParquetError> {
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = |physical| Type::primitive_type_builder(&self.name, physical);
        let builder = match self.kind {
            Kind::Text => builder(PhysicalType::BYTE_ARRAY)
                .with_converted_type(ConvertedType::UTF8)
                .with_logical_type(Some(LogicalType::String)),
            Kind::Binary => builder(PhysicalType::BYTE_ARRAY),
            Kind::Integer => builder(PhysicalType::INT64),
            Kind::Float => builder(PhysicalType::DOUBLE),
            Kind::Boolean => builder(PhysicalType::BOOLEAN),
        };
        Ok(Arc::new(builder.with_repetition(repetition).build()?))
    }
}

/// Writes a table row group by row group. The file counts only once [`TableWriter::finish`] has returned.
pub(crate) struct TableWriter {
    path: PathBuf,
    columns: Vec<Column>,
    writer: SerializedFileWriter<File>,
}

impl TableWriter {
    pub(crate) fn create(path: &Path, columns: Vec<Column>) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let writer = Self::writer(file, &columns).map_err(|e| failed("write", path, e))?;
        Ok(Self { path: path.to_owned(), columns, writer })
    }

    fn writer(file: File, columns: &[Column]) -> Result<SerializedFileWriter<File>, ParquetError> {
        let fields = columns.iter().map(Column::schema).collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("ream").with_fields(fields).build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            // Statistics would repeat whole URLs in every footer, which is read for each chunk.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_created_by("ream".to_owned())
            .build();
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
    }

    /// Writes one row group; `cells` has one entry per column, all of the same length.
    pub(crate) fn write_group(&mut self, cells: Vec<Cells>) -> Result<()> {
        self.try_write_group(cells).map_err(|e| failed("write", &self.path, e))
    }

    fn try_write_group(&mut self, cells: Vec<Cells>) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut columns = self.columns.iter();
        for cells in cells {
            let (Some(column), Some(mut writer)) = (columns.next(), group.next_column()?) else {
                return Err(ParquetError::General("more cells than columns".to_owned()));
            };
            match cells {
                Cells::Text(values) => {
                    let bytes = |text: String| ByteArray::from(text.into_bytes());
                    write_values::<ByteArrayType, _>(&mut writer, column, values, bytes)
                }
                Cells::Binary(values) => {
                    write_values::<ByteArrayType, _>(&mut writer, column, values, ByteArray::from)
                }
                Cells::Integers(values) => write_values::<Int64Type, _>(&mut writer, column, values, |v| v),
                Cells::Floats(values) => write_values::<DoubleType, _>(&mut writer, column, values, |v| v),
                Cells::Booleans(values) => write_values::<BoolType, _>(&mut writer, column, values, |v| v),
            }?;
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }

    /// Completes the file and makes it durable.
    pub(crate) fn finish(self) -> Result<()> {
        let file = self.writer.into_inner().map_err(|e| failed("write", &self.path, e))?;
        file.sync_all().map_err(Error::io("sync", &self.path))
    }
}

/// Writes the values that are there, and for an optional column which rows have one.
fn write_values<T: DataType, V>(
    writer: &mut SerializedColumnWriter<'_>,
    column: &Column,
    values: Vec<Option<V>>,
    convert: impl Fn(V) -> T::T,
) -> Result<(), ParquetError> {
    let rows = values.len();
    let levels: Option<Vec<i16>> =
        column.optional.then(|| values.iter().map(|v| i16::from(v.is_some())).collect());
    let present: Vec<T::T> = values.into_iter().flatten().map(convert).collect();
    if levels.is_none() && present.len() != rows {
        return Err(ParquetError::General(format!("column {} has rows without a value", column.name)));
    }
    writer.typed::<T>().write_batch(&present, levels.as_deref(), None)?;
    Ok(())
}

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

    fn open_file(file: File, path: &Path, columns: Vec<Column>) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(|e| failed("read", path, e))?;
        let found = reader.metadata().file_metadata().schema_descr();
        let names: Vec<&str> = found.columns().iter().map(|c| c.name()).collect();
        if !names.iter().copied().eq(columns.iter().map(|c| c.name.as_ref())) {
            return Err(Error::damaged(path, format!("unexpected columns {names:?}")));
        }
        Ok(Self { path: path.to_owned(), columns, reader })
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
                Cells::Binary(values.into_iter().map(|v| v.map(|bytes| bytes.data().to_vec())).collect())
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

/// A full disk must stay recognisable, so what the system said is kept apart from damage.
fn failed(action: &'static str, path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => Error::Io { action, path: path.to_owned(), source: *source },
            Err(other) => Error::damaged(path, other.to_string()),
        },
        other => Error::damaged(path, other.to_string()),
    }
}
