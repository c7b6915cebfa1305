//! The dataset's folder: one crawl at a time, and always the same one.

use super::error::CrawlError;
use super::recipe::Recipe;
use ream_dataset::{is_file_at, is_output_name};
use ream_image_jobs::list::LIST_DIR;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The folder within a dataset that holds a crawl's state.
pub const STATE_DIR: &str = "_ream";

const LOCK_FILE: &str = "lock";

/// A dataset's folder, locked until dropped: against all other crawls, or against those that do not share its database. The
/// system frees the lock when the process dies.
#[derive(Debug)]
pub struct CrawlFolder {
    root: PathBuf,
    lock: File,
}

impl CrawlFolder {
    /// Makes the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`CrawlError::InUse`] while another process holds it; [`CrawlError::Io`].
    pub fn open(root: &Path) -> Result<Self, CrawlError> {
        loop {
            let (folder, path) = Self::unlocked(root)?;
            match folder.lock.try_lock() {
                Ok(()) if !is_file_at(&folder.lock, &path) => {}
                Ok(()) => return Ok(folder),
                Err(TryLockError::WouldBlock) => return Err(CrawlError::InUse { folder: root.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(CrawlError::io("lock", path)(source)),
            }
        }
    }

    /// As [`Self::open`], beside other crawls that [share](Self::share) it: waits while one of them prepares it. Answers
    /// whether this one is alone, and has to prepare it.
    ///
    /// # Errors
    /// [`CrawlError::Io`].
    pub(super) fn join(root: &Path) -> Result<(Self, bool), CrawlError> {
        loop {
            let (folder, path) = Self::unlocked(root)?;
            let alone = match folder.lock.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => {
                    folder.lock.lock_shared().map_err(CrawlError::io("lock", &path))?;
                    false
                }
                Err(TryLockError::Error(source)) => return Err(CrawlError::io("lock", path)(source)),
            };
            if is_file_at(&folder.lock, &path) {
                return Ok((folder, alone));
            }
        }
    }

    /// The folder, and where its lock is. Somebody who gives the folder up may remove the file before it is locked.
    fn unlocked(root: &Path) -> Result<(Self, PathBuf), CrawlError> {
        let state = root.join(STATE_DIR);
        let path = state.join(LOCK_FILE);
        std::fs::create_dir_all(&state).map_err(CrawlError::io("create", &state))?;
        let lock = File::options().create(true).append(true).open(&path);
        let lock = lock.map_err(CrawlError::io("open", &path))?;
        Ok((Self { root: root.to_owned(), lock }, path))
    }

    /// Lets others that share the database work in the folder.
    pub(super) fn share(&self) -> Result<(), CrawlError> {
        let path = self.root.join(STATE_DIR).join(LOCK_FILE);
        self.lock.lock_shared().map_err(CrawlError::io("lock", path))
    }

    /// Whether the others that shared the folder have left it. From then on nobody else comes in.
    pub(super) fn is_last(&self) -> bool {
        // Given up first, or two that end together would each see the other.
        self.lock.unlock().and_then(|()| Ok(self.lock.try_lock()?)).is_ok()
    }

    /// Refuses to crawl for the first time into a folder with names that a crawl would write: they would be replaced.
    pub(super) fn check_no_output(&self) -> Result<(), CrawlError> {
        match self.output()? {
            Some(example) => Err(CrawlError::ForeignOutput { folder: self.root.clone(), example }),
            None => Ok(()),
        }
    }

    /// Refuses to begin the job of this folder's record anew where there is output of it already.
    pub(super) fn check_no_lost_job(&self) -> Result<(), CrawlError> {
        match self.output()? {
            Some(example) => Err(CrawlError::LostJob { folder: self.root.clone(), example }),
            None => Ok(()),
        }
    }

    /// One name in the folder that a crawl would write.
    fn output(&self) -> Result<Option<String>, CrawlError> {
        let entries = std::fs::read_dir(&self.root).map_err(CrawlError::io("read", &self.root))?;
        for entry in entries {
            let name = entry.map_err(CrawlError::io("read", &self.root))?.file_name();
            let name = name.to_string_lossy();
            if is_output_name(&name) {
                return Ok(Some(name.into_owned()));
            }
        }
        Ok(None)
    }

    /// Leaves a folder in which no crawl was begun as it was found. What is not empty stays.
    pub(super) fn give_up(&self) {
        let state = self.root.join(STATE_DIR);
        let _ = std::fs::remove_file(state.join(LOCK_FILE));
        let _ = std::fs::remove_dir(state);
        let _ = std::fs::remove_dir(&self.root);
    }

    /// The dataset.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.root.join(STATE_DIR).join("ream.db")
    }

    /// The parts of the image list, and its rejected rows.
    pub fn list_dir(&self) -> PathBuf {
        self.root.join(LIST_DIR)
    }

    fn record_path(&self) -> PathBuf {
        self.root.join(STATE_DIR).join("crawl.json")
    }

    /// What this folder holds, if a list was taken in already.
    pub(super) fn record(&self) -> Result<Option<CrawlRecord>, CrawlError> {
        let path = self.record_path();
        match std::fs::read(&path) {
            Ok(bytes) => parse(&path, &bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CrawlError::io("read", path)(error)),
        }
    }

    /// Notes what this folder holds; from here on it is the folder of this crawl.
    pub(super) fn write_record(&self, record: &CrawlRecord) -> Result<(), CrawlError> {
        write_json(&self.record_path(), record)
    }
}

/// The shape of [`CrawlRecord`]. A later one must still read this.
pub(super) const RECORD_VERSION: u32 = 1;

fn known_version<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        RECORD_VERSION => Ok(RECORD_VERSION),
        other => Err(serde::de::Error::custom(format!(
            "it was written by another version of this program (shape {other}, known is {RECORD_VERSION})"
        ))),
    }
}

/// What a folder was begun with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CrawlRecord {
    /// Of this file's shape.
    #[serde(deserialize_with = "known_version")]
    pub(super) version: u32,
    /// The list, by its content.
    pub(super) list_sha256: String,
    /// Where it was, for messages and for a quick look whether it is still the same.
    pub(super) list_path: PathBuf,
    pub(super) list_bytes: u64,
    pub(super) list_modified_ms: u64,
    /// Rows taken, which are the job's images.
    pub(super) accepted: u64,
    /// Rows left out.
    pub(super) rejected: u64,
    /// Whether the list has captions.
    pub(super) has_captions: bool,
    /// Images per chunk.
    pub(super) chunk_size: u64,
    /// What else decides how rows become images and output.
    pub(super) recipe: Recipe,
    /// The kind of the database that has its state, where it is not in the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shared_database: Option<String>,
    /// Its job, where others have theirs in the same database. Noted when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) job_id: Option<i64>,
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, CrawlError> {
    serde_json::from_slice(bytes)
        .map_err(|error| CrawlError::Damaged { path: path.to_owned(), message: error.to_string() })
}

/// Writes a file whole or not at all.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), CrawlError> {
    let unfinished = path.with_extension("json.unfinished");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&unfinished)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)?;
        // The rename itself has to survive a power cut, or a database could stand without its record.
        match path.parent() {
            Some(folder) if cfg!(unix) => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    };
    write().map_err(|error| {
        // A full disk is no reason to leave half a file.
        let _ = std::fs::remove_file(&unfinished);
        CrawlError::io("write", path)(error)
    })
}
