//! The values of one column, row by row, a batch in memory at a time.

use super::pages::{Pages, damaged};
use crate::kept::KeptKind;
use parquet::basic::Type as PhysicalType;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

/// One value as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Bytes(ByteArray),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Boolean(bool),
}

/// A column of a row group.
pub(super) trait Cursor {
    /// Reads the next `rows` rows, exactly as many.
    fn load(&mut self, rows: usize) -> Result<(), ParquetError>;

    /// The next of the rows read.
    fn next(&mut self) -> Option<Cell>;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    convert: fn(&T::T) -> Cell,
    is_optional: bool,
    levels: Vec<i16>,
    values: Vec<T::T>,
    row: usize,
    value: usize,
}

impl<T: DataType> Cursor for Typed<T> {
    fn load(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.levels.clear();
        self.values.clear();
        (self.row, self.value) = (0, 0);
        let mut read = 0;
        while read < rows {
            let levels = self.is_optional.then_some(&mut self.levels);
            let (more, _, _) = self.reader.read_records(rows - read, levels, None, &mut self.values)?;
            if more == 0 {
                return Err(damaged("a column has fewer rows than its row group"));
            }
            read += more;
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Cell> {
        let is_there = !self.is_optional || self.levels.get(self.row).is_some_and(|level| *level > 0);
        self.row += 1;
        if !is_there {
            return None;
        }
        self.value += 1;
        self.values.get(self.value - 1).map(self.convert)
    }
}

/// Reads a column that [`kind`] accepts.
pub(super) fn open(column: ColumnDescPtr, pages: Pages) -> Result<Box<dyn Cursor>, ParquetError> {
    let is_optional = column.max_def_level() > 0;
    let is_unsigned = is_unsigned(&column);
    fn boxed<T: DataType>(
        reader: ColumnReaderImpl<T>,
        is_optional: bool,
        convert: fn(&T::T) -> Cell,
    ) -> Box<dyn Cursor> {
        let (levels, values) = (Vec::new(), Vec::new());
        Box::new(Typed::<T> { reader, convert, is_optional, levels, values, row: 0, value: 0 })
    }
    Ok(match get_column_reader(column, Box::new(pages)) {
        ColumnReader::ByteArrayColumnReader(reader) => {
            boxed(reader, is_optional, |bytes| Cell::Bytes(bytes.clone()))
        }
        ColumnReader::Int32ColumnReader(reader) if is_unsigned => {
            boxed(reader, is_optional, |value| Cell::Integer(i64::from(value.cast_unsigned())))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            boxed(reader, is_optional, |value| Cell::Integer(i64::from(*value)))
        }
        ColumnReader::Int64ColumnReader(reader) if is_unsigned => {
            boxed(reader, is_optional, |value| Cell::Unsigned(value.cast_unsigned()))
        }
        ColumnReader::Int64ColumnReader(reader) => boxed(reader, is_optional, |value| Cell::Integer(*value)),
        ColumnReader::FloatColumnReader(reader) => {
            boxed(reader, is_optional, |value| Cell::Float(f64::from(*value)))
        }
        ColumnReader::DoubleColumnReader(reader) => boxed(reader, is_optional, |value| Cell::Float(*value)),
        ColumnReader::BoolColumnReader(reader) => boxed(reader, is_optional, |value| Cell::Boolean(*value)),
        _ => return Err(damaged("a column has a type that is not read")),
    })
}

/// The types that can be kept, and as what. The error says in words what the column is.
pub(super) fn kind(column: &ColumnDescPtr) -> Result<KeptKind, String> {
    use parquet::basic::{ConvertedType as Converted, LogicalType as Logical};
    let described = || match (column.logical_type_ref(), column.converted_type()) {
        (Some(logical), _) => format!("{logical:?}").to_lowercase(),
        (None, Converted::NONE) => column.physical_type().to_string().to_lowercase(),
        (None, converted) => converted.to_string().to_lowercase(),
    };
    let is_integer = match column.logical_type_ref() {
        Some(Logical::Integer(_)) => true,
        Some(_) => false,
        None => matches!(
            column.converted_type(),
            Converted::NONE
                | Converted::INT_8
                | Converted::INT_16
                | Converted::INT_32
                | Converted::INT_64
                | Converted::UINT_8
                | Converted::UINT_16
                | Converted::UINT_32
                | Converted::UINT_64
        ),
    };
    let is_text = match column.logical_type_ref() {
        Some(logical) => matches!(logical, Logical::String | Logical::Enum | Logical::Json),
        None => matches!(
            column.converted_type(),
            Converted::NONE | Converted::UTF8 | Converted::ENUM | Converted::JSON
        ),
    };
    match column.physical_type() {
        PhysicalType::BYTE_ARRAY if is_text => Ok(KeptKind::Text),
        // What a signed integer cannot hold is exact as text.
        PhysicalType::INT64 if is_integer && is_unsigned(column) => Ok(KeptKind::Text),
        PhysicalType::INT32 | PhysicalType::INT64 if is_integer => Ok(KeptKind::Integer),
        PhysicalType::FLOAT | PhysicalType::DOUBLE => Ok(KeptKind::Float),
        PhysicalType::BOOLEAN => Ok(KeptKind::Boolean),
        _ => Err(described()),
    }
}

fn is_unsigned(column: &ColumnDescPtr) -> bool {
    use parquet::basic::{ConvertedType as Converted, LogicalType as Logical};
    match column.logical_type_ref() {
        Some(Logical::Integer(integer)) => !integer.is_signed,
        Some(_) => false,
        None => matches!(
            column.converted_type(),
            Converted::UINT_8 | Converted::UINT_16 | Converted::UINT_32 | Converted::UINT_64
        ),
    }
}
