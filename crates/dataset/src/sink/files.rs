//! A folder per chunk: `00003/000001503.jpg`.

use super::{Folder, Sink, StoredImage, chunk_stem, image_name};
use crate::ledger::LedgerRow;
use std::io;
use std::path::Path;

pub(super) struct FilesSink {
    stem: String,
    folder: Folder,
}

impl FilesSink {
    pub(super) fn create(staging: &Path, chunk_index: u64) -> io::Result<Self> {
        let stem = chunk_stem(chunk_index);
        Ok(Self { folder: Folder::create(staging, stem.clone())?, stem })
    }
}

impl Sink for FilesSink {
    fn append(&mut self, row: &LedgerRow, image: Option<StoredImage<'_>>) -> io::Result<Option<String>> {
        let Some(image) = image else { return Ok(None) };
        let name = image_name(row)?;
        let in_dataset = format!("{}/{name}", self.stem);
        self.folder.add(name, image.bytes)?;
        Ok(Some(in_dataset))
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        Ok(vec![self.folder.finish()?])
    }
}
