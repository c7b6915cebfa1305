//! Named facts of an image, as members of a JSON object and as a row of a table.

use crate::error::Result;
use crate::kept::{KeptColumn, KeptValue};
use crate::kept_cells;
use crate::ledger::{LedgerRow, kept_of};
use crate::table::{Cells, Column, Kind, TableWriter};
use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::path::Path;

/// One fact: what it is called, what it may be, and what it is.
pub(crate) struct Fact {
    pub(crate) column: Column,
    pub(crate) value: FactValue,
}

#[derive(Debug, Clone)]
pub(crate) enum FactValue {
    None,
    Kept(KeptValue),
    Binary(Bytes),
}

impl Fact {
    pub(crate) fn text(name: &'static str, value: Option<&str>) -> Self {
        Self::new(Column::text(name), value.map(|text| KeptValue::Text(text.to_owned())))
    }

    /// Numbers beyond 2⁶³−1 are none that an image can have; they count as not known.
    pub(crate) fn integer(name: &'static str, value: Option<u64>) -> Self {
        let value = value.and_then(|value| i64::try_from(value).ok());
        Self::new(Column::integer(name), value.map(KeptValue::Integer))
    }

    /// As [`Fact::integer`], for a column of 32 bits: what does not fit counts as not known.
    pub(crate) fn integer32(name: &'static str, value: Option<u32>) -> Self {
        let value = value.and_then(|value| i32::try_from(value).ok());
        let column = Column { kind: Kind::Integer32, ..Column::integer(name) };
        Self::new(column, value.map(|value| KeptValue::Integer(value.into())))
    }

    pub(crate) fn binary(name: &'static str, value: Option<&Bytes>) -> Self {
        let value = value.map_or(FactValue::None, |bytes| FactValue::Binary(bytes.clone()));
        Self { column: Column::binary(name).nullable(), value }
    }

    /// The kept columns of a row, under these names.
    pub(crate) fn kept<'a>(kept: &'a [KeptColumn], row: &'a LedgerRow) -> impl Iterator<Item = Self> {
        let values = kept_of(kept, row).map(|(_, value)| value.cloned());
        kept.iter().zip(values).map(|(column, value)| Self::new(kept_cells::to_column(column), value))
    }

    fn new(column: Column, value: Option<KeptValue>) -> Self {
        Self { column: column.nullable(), value: value.map_or(FactValue::None, FactValue::Kept) }
    }

    /// Roughly what it takes in memory.
    fn size_bytes(&self) -> usize {
        match &self.value {
            FactValue::Kept(KeptValue::Text(text)) => text.len() + size_of::<String>(),
            FactValue::Binary(bytes) => bytes.len() + size_of::<Bytes>(),
            _ => size_of::<f64>(),
        }
    }
}

/// Facts as one JSON object, in their order; bytes are left out.
pub(crate) struct JsonObject<'a>(pub(crate) &'a [Fact]);

impl Serialize for JsonObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for fact in self.0 {
            match &fact.value {
                FactValue::None => object.serialize_entry(&fact.column.name, &())?,
                FactValue::Kept(value) => object.serialize_entry(&fact.column.name, &value.to_json())?,
                FactValue::Binary(_) => {}
            }
        }
        object.end()
    }
}

/// A row group is written when its rows take this much. What is kept here until then is outside the budget of memory,
/// once for each chunk in work.
const GROUP_BYTES: usize = 4 * 1024 * 1024;
/// A row group is written when it has this many rows.
const GROUP_ROWS: usize = 10_000;

/// A table with a fact per column, written row by row in bounded memory.
pub(crate) struct FactTable {
    table: TableWriter,
    columns: Vec<Column>,
    pending: Vec<Cells>,
    rows: usize,
    size_bytes: usize,
}

impl FactTable {
    /// The columns are those of `like`, whose values are not written.
    pub(crate) fn create(path: &Path, like: &[Fact]) -> Result<Self> {
        let columns: Vec<Column> = like.iter().map(|fact| fact.column.clone()).collect();
        let pending = columns.iter().map(|column| column.kind.no_cells()).collect();
        let table = TableWriter::create(path, columns.clone())?;
        Ok(Self { table, columns, pending, rows: 0, size_bytes: 0 })
    }

    /// Adds a row, which has the table's columns in their order.
    pub(crate) fn push(&mut self, row: Vec<Fact>) -> Result<()> {
        let size_bytes: usize = row.iter().map(Fact::size_bytes).sum();
        // A large image does not join others: two at a time would be twice the memory.
        if self.rows > 0 && self.size_bytes + size_bytes > GROUP_BYTES {
            self.write_group()?;
        }
        for (cells, fact) in self.pending.iter_mut().zip(row) {
            match (cells, fact.value) {
                (Cells::Text(cells), FactValue::Kept(KeptValue::Text(value))) => cells.push(Some(value)),
                (Cells::Integers(cells), FactValue::Kept(KeptValue::Integer(value))) => {
                    cells.push(Some(value));
                }
                (Cells::Floats(cells), FactValue::Kept(KeptValue::Float(value))) => cells.push(Some(value)),
                (Cells::Booleans(cells), FactValue::Kept(KeptValue::Boolean(value))) => {
                    cells.push(Some(value));
                }
                (Cells::Binary(cells), FactValue::Binary(value)) => cells.push(Some(value)),
                (cells, _) => cells.push_none(),
            }
        }
        self.rows += 1;
        self.size_bytes += size_bytes;
        if self.rows == GROUP_ROWS || self.size_bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<()> {
        let empty = self.columns.iter().map(|column| column.kind.no_cells()).collect();
        (self.rows, self.size_bytes) = (0, 0);
        self.table.write_group(std::mem::replace(&mut self.pending, empty))
    }

    /// Completes the file and makes it durable.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.table.finish()
    }
}
