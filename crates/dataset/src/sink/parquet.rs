//! A Parquet file per chunk: `00003.parquet` with a row per stored image.

use super::shard_facts::shard_facts;
use super::{Sink, StoredImage, chunk_stem, into_io};
use crate::facts::{Fact, FactTable};
use crate::kept::KeptColumn;
use crate::layout::OutputOptions;
use crate::ledger::{LedgerRow, name_kept};
use std::io;
use std::path::Path;

/// The column with the images.
const BYTES_COLUMN: &str = "bytes";

pub(super) struct ParquetSink {
    name: String,
    kept: Vec<KeptColumn>,
    table: FactTable,
}

impl ParquetSink {
    pub(super) fn create(options: &OutputOptions, staging: &Path, chunk_index: u64) -> io::Result<Self> {
        let name = format!("{}.parquet", chunk_stem(chunk_index));
        let kept = name_kept(&options.kept);
        let mut columns = shard_facts(&LedgerRow::default(), &kept);
        columns.push(Fact::binary(BYTES_COLUMN, None));
        let table = FactTable::create(&staging.join(&name), &columns).map_err(into_io)?;
        Ok(Self { name, kept, table })
    }
}

impl Sink for ParquetSink {
    fn append(&mut self, row: &LedgerRow, image: Option<StoredImage<'_>>) -> io::Result<Option<String>> {
        let Some(image) = image else { return Ok(None) };
        let mut facts = shard_facts(row, &self.kept);
        facts.push(Fact::binary(BYTES_COLUMN, Some(image.bytes)));
        self.table.push(facts).map_err(into_io)?;
        Ok(Some(self.name.clone()))
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.table.finish().map_err(into_io)?;
        Ok(vec![self.name])
    }
}
