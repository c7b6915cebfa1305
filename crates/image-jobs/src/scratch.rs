//! A folder for the unfinished files of one process.

use crate::error::{Error, Result};
use ream_dataset::is_file_at;
use std::fs::File;
use std::io;
use std::path::Path;
use tempfile::TempDir;

const PREFIX: &str = "ream-scratch-";
const LOCK: &str = ".lock";

/// A folder of its own; removed when this is dropped.
#[derive(Debug)]
pub struct ScratchFolder {
    folder: TempDir,
    _lock: File,
}

impl ScratchFolder {
    /// Makes one in `parent`, or in the system's folder for such. Those that killed processes left there are removed: each is
    /// locked as long as its process is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(parent: Option<&Path>) -> Result<Self> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let cannot = |action| Error::io(action, parent.display().to_string());
        for entry in std::fs::read_dir(&parent).map_err(cannot("read"))?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                remove_abandoned(&entry.path());
            }
        }
        loop {
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent);
            let folder = folder.map_err(cannot("create a folder in"))?;
            if let Some(lock) = lock(folder.path()).map_err(cannot("lock a folder in"))? {
                return Ok(Self { folder, _lock: lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks a new folder; `None` if another process took it for one that was left, and removed it before it was locked.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let path = folder.join(LOCK);
    let lock = match File::create(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    lock_created(lock, &path)
}

fn lock_created(lock: File, path: &Path) -> io::Result<Option<File>> {
    lock.lock()?;
    Ok(is_file_at(&lock, path).then_some(lock))
}

fn remove_abandoned(folder: &Path) {
    // One without its lock was begun a moment ago, or is not ours.
    let Ok(lock) = File::open(folder.join(LOCK)) else { return };
    if lock.try_lock().is_ok() {
        let _ = std::fs::remove_dir_all(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = ScratchFolder::create(Some(parent.path())).unwrap();
        let killed = parent.path().join("ream-scratch-killed");
        let begun = parent.path().join("ream-scratch-begun");
        for folder in [&killed, &begun] {
            std::fs::create_dir(folder).unwrap();
        }
        std::fs::write(killed.join(LOCK), "").unwrap();
        std::fs::write(killed.join("00003.tar"), "x").unwrap();
        let another = ScratchFolder::create(Some(parent.path())).unwrap();
        assert!(!killed.exists() && begun.exists() && used.path().exists());
        let path = another.path().to_owned();
        drop(another);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_was_removed_before_it_was_locked_is_none() {
        let parent = tempfile::tempdir().unwrap();
        let begun = parent.path().join("ream-scratch-begun");
        std::fs::create_dir(&begun).unwrap();
        let path = begun.join(LOCK);
        let created = File::create(&path).unwrap();
        std::fs::remove_dir_all(&begun).unwrap();
        assert!(lock_created(created, &path).unwrap().is_none());
        assert!(lock(&begun).unwrap().is_none());
    }
}
