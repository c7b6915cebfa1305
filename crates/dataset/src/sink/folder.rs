//! A folder of files.

use crate::files::sync_dir;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) struct Folder {
    name: String,
    path: PathBuf,
    written: Vec<String>,
}

impl Folder {
    pub(crate) fn create(staging: &Path, name: String) -> io::Result<Self> {
        let path = staging.join(&name);
        std::fs::create_dir(&path)?;
        Ok(Self { name, path, written: Vec::new() })
    }

    pub(crate) fn add(&mut self, name: String, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(self.path.join(&name), bytes)?;
        self.written.push(name);
        Ok(())
    }

    /// Makes all files durable and gives the folder's name.
    pub(crate) fn finish(self) -> io::Result<String> {
        // Late, when the system has written most of it by itself, instead of one wait per file.
        for name in &self.written {
            File::open(self.path.join(name))?.sync_all()?;
        }
        sync_dir(&self.path)?;
        Ok(self.name)
    }
}
