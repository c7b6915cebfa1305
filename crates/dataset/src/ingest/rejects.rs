//! The rows that take no image number, with their reasons.

use super::REJECTS_FILE;
use crate::error::{Error, Result};
use crate::list::Reject;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

pub(super) struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    count: u64,
    first: Option<Reject>,
}

impl Rejects {
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let path = dir.join(REJECTS_FILE);
        let file = BufWriter::new(File::create(&path).map_err(Error::io("create", &path))?);
        Ok(Self { path, file, count: 0, first: None })
    }

    pub(super) fn push(&mut self, reject: &Reject) -> Result<()> {
        self.count += 1;
        self.first.get_or_insert_with(|| reject.clone());
        let written = serde_json::to_writer(&mut self.file, reject).map_err(std::io::Error::from);
        written.and_then(|()| self.file.write_all(b"\n")).map_err(Error::io("write", &self.path))
    }

    pub(super) fn explain_empty(&self) -> String {
        match &self.first {
            None => "has no rows".to_owned(),
            Some(Reject { source_file, source_line, reason }) => format!(
                "has no usable row: all {} were rejected, the first in line {source_line} of {source_file}: {reason}",
                self.count
            ),
        }
    }

    pub(super) fn finish(mut self) -> Result<u64> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        flushed.map_err(Error::io("write", &self.path))?;
        Ok(self.count)
    }
}
