//! Rows of text and numbers as Parquet columns, without Arrow.

use crate::error::{Error, Result};
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One column of a table: every table of Ream is text and 64-bit numbers.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Number,
}

/// The values of one column for some consecutive rows.
pub(crate) enum Cells {
    Text(Vec<Option<String>>),
    Numbers(Vec<Option<i64>>),
}

pub(crate) const fn text(name: &'static str) -> Column {
    Column { name, kind: Kind::Text, optional: false }
}

pub(crate) const fn number(name: &'static str) -> Column {
    Column { name, kind: Kind::Number, optional: false }
}

impl Column {
    pub(crate) const fn nullable(mut self) -> Self {
        self.optional = true;
        self
    }

    fn schema(&self) -> Result<Arc<Type>, ParquetError> {
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = match self.kind {
            Kind::Text => Type::primitive_type_builder(self.name, PhysicalType::BYTE_ARRAY)
                .with_converted_type(ConvertedType::UTF8)
                .with_logical_type(Some(LogicalType::String)),
            Kind::Number => Type::primitive_type_builder(self.name, PhysicalType::INT64),
        };
        Ok(Arc::new(builder.with_repetition(repetition).build()?))
    }
}

/// Writes a table row group by row group. The file counts only once [`TableWriter::finish`] has returned.
pub(crate) struct TableWriter {
    path: PathBuf,
    columns: &'static [Column],
    writer: SerializedFileWriter<File>,
}

impl TableWriter {
    pub(crate) fn create(path: &Path, columns: &'static [Column]) -> Result<Self> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        let writer = Self::writer(file, columns).map_err(|e| failed("write", path, e))?;
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
                    let (values, levels) = split(column, values)?;
                    let values: Vec<ByteArray> =
                        values.into_iter().map(|text| ByteArray::from(text.into_bytes())).collect();
                    writer.typed::<ByteArrayType>().write_batch(&values, levels.as_deref(), None)?;
                }
                Cells::Numbers(values) => {
                    let (values, levels) = split(column, values)?;
                    writer.typed::<Int64Type>().write_batch(&values, levels.as_deref(), None)?;
                }
            }
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

type Levels = Option<Vec<i16>>;

/// The values that are there, and for an optional column which rows have one.
fn split<T>(column: &Column, values: Vec<Option<T>>) -> Result<(Vec<T>, Levels), ParquetError> {
    let rows = values.len();
    let levels = column.optional.then(|| values.iter().map(|v| i16::from(v.is_some())).collect());
    let present: Vec<T> = values.into_iter().flatten().collect();
    if levels.is_none() && present.len() != rows {
        return Err(ParquetError::General(format!("column {} has rows without a value", column.name)));
    }
    Ok((present, levels))
}

/// Reads what [`TableWriter`] wrote.
pub(crate) struct TableReader {
    path: PathBuf,
    columns: &'static [Column],
    reader: SerializedFileReader<File>,
}

impl TableReader {
    pub(crate) fn open(path: &Path, columns: &'static [Column]) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        caught(path, || Self::open_file(file, path, columns))
    }

    fn open_file(file: File, path: &Path, columns: &'static [Column]) -> Result<Self> {
        let reader = SerializedFileReader::new(file).map_err(|e| failed("read", path, e))?;
        let found = reader.metadata().file_metadata().schema_descr();
        let names: Vec<&str> = found.columns().iter().map(|c| c.name()).collect();
        if !names.iter().copied().eq(columns.iter().map(|c| c.name)) {
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
        let cells = match (column.kind, reader) {
            (Kind::Text, ColumnReader::ByteArrayColumnReader(reader)) => {
                let values = read_values(reader, column, skip, rows);
                let values = values.map_err(|e| failed("read", &self.path, e))?;
                let owned = |bytes: ByteArray| String::from_utf8(bytes.data().to_vec());
                let texts = values.into_iter().map(|v| v.map(owned).transpose()).collect::<Result<_, _>>();
                Cells::Text(texts.map_err(|e| Error::damaged(&self.path, e.to_string()))?)
            }
            (Kind::Number, ColumnReader::Int64ColumnReader(reader)) => {
                let values = read_values(reader, column, skip, rows);
                Cells::Numbers(values.map_err(|e| failed("read", &self.path, e))?)
            }
            _ => return Err(Error::damaged(&self.path, format!("column {} has another type", column.name))),
        };
        Ok(cells)
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
