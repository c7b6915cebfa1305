//! Rows of plain values as Parquet columns, without Arrow.

mod reader;
mod source;
mod writer;

use crate::error::Error;
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::schema::types::{ColumnDescriptor, Type};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

pub(crate) use reader::TableReader;
pub(crate) use source::LocalFolder;
pub use source::RangeSource;
pub(crate) use writer::TableWriter;

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
    /// As [`Kind::Integer`] in memory, 32 bits wide in the file. Only written.
    Integer32,
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
    Binary(Vec<Option<Bytes>>),
}

impl Kind {
    /// A column without rows.
    pub(crate) const fn no_cells(self) -> Cells {
        match self {
            Self::Text => Cells::Text(Vec::new()),
            Self::Integer | Self::Integer32 => Cells::Integers(Vec::new()),
            Self::Float => Cells::Floats(Vec::new()),
            Self::Boolean => Cells::Booleans(Vec::new()),
            Self::Binary => Cells::Binary(Vec::new()),
        }
    }
}

impl Cells {
    /// Adds a row without a value.
    pub(crate) fn push_none(&mut self) {
        match self {
            Self::Text(values) => values.push(None),
            Self::Integers(values) => values.push(None),
            Self::Floats(values) => values.push(None),
            Self::Booleans(values) => values.push(None),
            Self::Binary(values) => values.push(None),
        }
    }
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

    pub(crate) const fn binary(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Binary, optional: false }
    }

    /// Whether many rows have the same value, so that a dictionary of the values is worth its cost.
    fn repeats(&self) -> bool {
        const DISTINCT: [&str; 9] = [
            "url",
            "final_url",
            "caption",
            "sha256",
            "original_sha256",
            "expected_sha256",
            "etag",
            "file",
            "key",
        ];
        self.kind != Kind::Binary && !DISTINCT.contains(&self.name.as_ref())
    }

    /// What a file says of one of its columns; `None` for a type that no table has.
    fn of(found: &ColumnDescriptor) -> Option<Self> {
        let kind = match found.physical_type() {
            PhysicalType::BYTE_ARRAY if found.converted_type() == ConvertedType::UTF8 => Kind::Text,
            PhysicalType::BYTE_ARRAY => Kind::Binary,
            PhysicalType::INT64 => Kind::Integer,
            PhysicalType::DOUBLE => Kind::Float,
            PhysicalType::BOOLEAN => Kind::Boolean,
            _ => return None,
        };
        Some(Self { name: found.name().to_owned().into(), kind, optional: found.max_def_level() > 0 })
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
            Kind::Integer32 => builder(PhysicalType::INT32),
            Kind::Float => builder(PhysicalType::DOUBLE),
            Kind::Boolean => builder(PhysicalType::BOOLEAN),
        };
        Ok(Arc::new(builder.with_repetition(repetition).build()?))
    }
}

/// A full disk must stay recognisable, so what the system said is kept apart from damage. A file that ends too early is
/// damaged, though it comes as an I/O error.
fn failed(action: &'static str, path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) if inner.is::<source::ReadFailed>() => {
            match inner.downcast::<source::ReadFailed>() {
                Ok(failed) => Error::Io { action, path: path.to_owned(), source: failed.0 },
                Err(other) => Error::damaged(path, other.to_string()),
            }
        }
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) if source.raw_os_error().is_some() => {
                Error::Io { action, path: path.to_owned(), source: *source }
            }
            Ok(other) => Error::damaged(path, other.to_string()),
            Err(other) => Error::damaged(path, other.to_string()),
        },
        other => Error::damaged(path, other.to_string()),
    }
}
