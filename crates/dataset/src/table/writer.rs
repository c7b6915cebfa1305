//! Columns of values into a file.

use super::{Cells, Column, Kind, failed};
use crate::error::{Error, Result};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = columns.iter().fold(properties, |properties, column| {
            let path = ColumnPath::from(column.name.as_ref());
            let properties = properties.set_column_dictionary_enabled(path.clone(), column.repeats());
            match column.kind {
                // Images are compressed already.
                Kind::Binary => properties.set_column_compression(path, Compression::UNCOMPRESSED),
                _ => properties,
            }
        });
        let properties = properties
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
                Cells::Integers(values) if column.kind == Kind::Integer32 => {
                    let narrow = |value: Option<i64>| value.map(i32::try_from).transpose();
                    let values = values.into_iter().map(narrow).collect::<Result<_, _>>();
                    let values = values.map_err(|e| ParquetError::General(e.to_string()))?;
                    write_values::<Int32Type, _>(&mut writer, column, values, |v| v)
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
