//! A tar per chunk: `00003.tar` with `000001503.jpg`, `000001503.json` and `000001503.txt`.

use super::shard_facts::shard_facts;
use super::{Sink, StoredImage, Tar, chunk_stem, image_name, image_stem};
use crate::facts::JsonObject;
use crate::kept::KeptColumn;
use crate::layout::OutputOptions;
use crate::ledger::{LedgerRow, name_kept};
use std::io;
use std::path::Path;

pub(super) struct WebdatasetSink {
    tar: Tar,
    kept: Vec<KeptColumn>,
}

impl WebdatasetSink {
    pub(super) fn create(options: &OutputOptions, staging: &Path, chunk_index: u64) -> io::Result<Self> {
        Ok(Self { tar: Tar::create(staging, &chunk_stem(chunk_index))?, kept: name_kept(&options.kept) })
    }
}

impl Sink for WebdatasetSink {
    fn append(&mut self, row: &LedgerRow, image: Option<StoredImage<'_>>) -> io::Result<Option<String>> {
        let Some(image) = image else { return Ok(None) };
        let (stem, name) = (image_stem(row.image), image_name(row)?);
        self.tar.add(&name, image.bytes)?;
        let mut facts = shard_facts(row, &self.kept);
        facts.sort_by(|a, b| a.column.name.cmp(&b.column.name));
        self.tar.add(&format!("{stem}.json"), &serde_json::to_vec(&JsonObject(&facts))?)?;
        if let Some(caption) = &row.caption {
            self.tar.add(&format!("{stem}.txt"), caption.as_bytes())?;
        }
        Ok(Some(name))
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        Ok(vec![self.tar.finish()?])
    }
}
