//! `dataset.json`: what came of a crawl, and which files are the dataset.

use crate::error::{Error, Result};
use crate::files::sync_dir;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// A published chunk in the summary's list `shards`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The chunk's place in the job, after which its files are named.
    pub chunk_index: u64,
    /// The number of its first image.
    pub first_image: u64,
    /// The number of its last image.
    pub last_image: u64,
    /// Images stored; the others of its range failed.
    pub images_ok: u64,
    /// Bytes of the images stored.
    pub bytes: u64,
    /// Its output relative to the dataset: files, or folders of them.
    pub files: Vec<String>,
}

/// Writes a summary shard by shard, in constant memory, beside its place; it replaces an older one at the end. Until
/// then, and if it is dropped before, nothing changes.
///
/// The file is one JSON object: the members of its head, then `shards` with one shard per line.
pub struct SummaryWriter {
    path: PathBuf,
    unfinished: PathBuf,
    file: Option<BufWriter<File>>,
    shards: u64,
}

impl SummaryWriter {
    /// Begins a summary at `path`, whose folder is made where it is missing. `head` is all that is to be told besides
    /// the shards, and must be a JSON object without a member `shards`.
    ///
    /// # Errors
    /// [`Error::Io`]; also for a head that is no object.
    pub fn create(path: &Path, head: &impl Serialize) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        let head = open_object(head).map_err(Error::io("write", path))?;
        let unfinished = path.with_extension("json.unfinished");
        let file = File::create(&unfinished).map_err(Error::io("create", &unfinished))?;
        let mut writer =
            Self { path: path.to_owned(), unfinished, file: Some(BufWriter::new(file)), shards: 0 };
        writer.write(head.as_bytes())?;
        writer.write(b"\"shards\": [")?;
        Ok(writer)
    }

    /// Adds a shard.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn push(&mut self, shard: &Shard) -> Result<()> {
        let separator: &[u8] = if self.shards == 0 { b"\n    " } else { b",\n    " };
        self.write(separator)?;
        self.shards += 1;
        let json =
            serde_json::to_vec(shard).map_err(io::Error::from).map_err(Error::io("write", &self.path))?;
        self.write(&json)
    }

    /// Completes the file, makes it durable and puts it in its place.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(mut self) -> Result<()> {
        self.write(if self.shards == 0 { b"]\n}\n" } else { b"\n  ]\n}\n" })?;
        let Some(file) = self.file.take() else { return Ok(()) };
        let put_in_place = || {
            file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&self.unfinished, &self.path)?;
            match self.path.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => sync_dir(folder),
                _ => sync_dir(Path::new(".")),
            }
        };
        put_in_place().map_err(Error::io("write", &self.path))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes).map_err(Error::io("write", &self.unfinished)),
            None => Ok(()),
        }
    }
}

impl Drop for SummaryWriter {
    /// After [`SummaryWriter::finish`] there is nothing left to remove.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

/// The object without its closing brace, ready for another member.
fn open_object(head: &impl Serialize) -> io::Result<String> {
    let json = serde_json::to_string_pretty(head)?;
    if json == "{}" {
        return Ok("{\n  ".to_owned());
    }
    let members = json.strip_prefix('{').and_then(|json| json.strip_suffix("\n}"));
    members
        .map(|members| format!("{{{members},\n  "))
        .ok_or_else(|| io::Error::other("a summary's head must be a JSON object"))
}

#[cfg(test)]
mod tests;
