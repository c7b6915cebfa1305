//! A folder per chunk: `00003/000001503.jpg`.

use super::{Sink, StoredImage, chunk_stem, image_stem};
use crate::files::sync_dir;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(super) struct FilesSink {
    folder: String,
    path: PathBuf,
    written: Vec<String>,
}

impl FilesSink {
    pub(super) fn create(staging: &Path, chunk_index: u64) -> io::Result<Self> {
        let folder = chunk_stem(chunk_index);
        let path = staging.join(&folder);
        std::fs::create_dir(&path)?;
        Ok(Self { folder, path, written: Vec::new() })
    }
}

impl Sink for FilesSink {
    fn append(&mut self, image: &StoredImage<'_>) -> io::Result<String> {
        let name = format!("{}.{}", image_stem(image.number), image.extension);
        std::fs::write(self.path.join(&name), image.bytes)?;
        let in_dataset = format!("{}/{name}", self.folder);
        self.written.push(name);
        Ok(in_dataset)
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        // Late, when the system has written most of it by itself, instead of one wait per image.
        for name in &self.written {
            File::open(self.path.join(name))?.sync_all()?;
        }
        sync_dir(&self.path)?;
        Ok(vec![self.folder])
    }
}
