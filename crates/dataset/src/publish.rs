//! Output is fenced in three steps: write under `_staging/CHUNK-ATTEMPT/`, record the staged names with the fenced
//! completion, then move them to their final names, as often as need be. A late worker can only litter `_staging`.

use crate::error::{Error, Result};
use crate::files::{is_file_at, make_dir, remove_any, sync_dir};
use ream_core::{Attempt, ChunkId};
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder within a dataset where attempts write.
pub const STAGING_DIR: &str = "_staging";

/// The folder within a dataset with the state of a crawl; no output may go there.
const STATE_DIR: &str = "_ream";

/// Publishing takes turns by this file: replacing a folder is two renames, between which nobody may look.
const LOCK_FILE: &str = ".lock";

/// How long a turn is waited for: many times what a chunk's renames take.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// The folder one attempt at a chunk writes to.
#[derive(Debug)]
pub struct Staging {
    dataset: PathBuf,
    prefix: String,
}

impl Staging {
    /// The attempt's folder, whether or not it is there.
    pub fn of(dataset: &Path, chunk: ChunkId, attempt: Attempt) -> Self {
        Self { dataset: dataset.to_owned(), prefix: format!("{STAGING_DIR}/{chunk}-{attempt}") }
    }

    /// Makes the attempt's folder, empty. Leftovers of the same attempt are removed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(dataset: &Path, chunk: ChunkId, attempt: Attempt) -> Result<Self> {
        let staging = Self::of(dataset, chunk, attempt);
        let path = staging.path();
        remove_any(&path).map_err(Error::io("remove", &path))?;
        for dir in [&dataset.join(STAGING_DIR), &path] {
            make_dir(dir).map_err(Error::io("create", dir))?;
        }
        Ok(staging)
    }

    /// Where to write.
    pub fn path(&self) -> PathBuf {
        self.dataset.join(&self.prefix)
    }

    /// Makes the folder's entries durable and gives the names to record with the completion. The files
    /// themselves have been synced by whoever wrote them. A name may be of a file in a folder, such as
    /// `_ledger/00003.ledger.parquet`: then it is moved by itself, beside others that the folder has already.
    ///
    /// # Errors
    /// [`Error::Io`]; the chunk must not be completed then.
    pub fn seal(&self, names: &[String]) -> Result<Vec<String>> {
        let path = self.path();
        let folders: BTreeSet<&Path> = names.iter().flat_map(|name| folders_of(name)).collect();
        for folder in folders {
            let dir = path.join(folder);
            sync_dir(&dir).map_err(Error::io("sync", &dir))?;
        }
        for dir in [path.as_path(), &self.dataset.join(STAGING_DIR), &self.dataset] {
            sync_dir(dir).map_err(Error::io("sync", dir))?;
        }
        Ok(names.iter().map(|name| format!("{}/{name}", self.prefix)).collect())
    }

    /// Removes the folder with all that is in it, for an attempt that came to nothing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn discard(self) -> Result<()> {
        let path = self.path();
        remove_any(&path).map_err(Error::io("remove", &path))
    }
}

/// Moves staged outputs to their final names and gives those. May be called any number of times, by any number of
/// processes at once. What an earlier attempt published under the same name is replaced.
///
/// # Errors
/// [`Error::UnsafeName`], before anything is moved; [`Error::OutputMissing`] for an output that is neither staged
/// nor published; [`Error::Io`], also where another process has held the dataset's lock for half a minute.
pub fn publish(dataset: &Path, staged_names: &[String]) -> Result<Vec<String>> {
    let moves = staged_names
        .iter()
        .map(|name| split_staged(name).map(|(attempt, to)| (name.as_str(), attempt, to)))
        .collect::<Option<Vec<_>>>();
    let Some(moves) = moves else {
        let bad = staged_names.iter().find(|name| split_staged(name).is_none());
        return Err(Error::UnsafeName { name: bad.cloned().unwrap_or_default() });
    };
    if moves.is_empty() {
        return Ok(Vec::new());
    }
    let _turn = lock(dataset, LOCK_PATIENCE)?;
    for (from, _, to) in &moves {
        publish_one(dataset, from, to)?;
    }
    // Synced even where all was done already: who did it may have died before its own sync.
    sync_dir(dataset).map_err(Error::io("sync", dataset))?;
    for (_, attempt, to) in &moves {
        let staging = dataset.join(STAGING_DIR).join(attempt);
        for folder in folders_of(to).chain([Path::new("")]) {
            // Fails as long as something else is in there, which is then not ours to remove.
            let _ = std::fs::remove_dir(staging.join(folder));
        }
    }
    Ok(moves.into_iter().map(|(_, _, to)| to.to_owned()).collect())
}

/// Removes all of `_staging`. The caller holds the dataset's lock, and has published every completed chunk: nothing
/// in there may still be needed.
///
/// # Errors
/// [`Error::Io`].
pub fn sweep_staging(dataset: &Path) -> Result<()> {
    let staging = dataset.join(STAGING_DIR);
    remove_any(&staging).map_err(Error::io("remove", &staging))
}

/// The folders that a name lies in, the innermost first: `a/b`, `a` for `a/b/c`.
fn folders_of(name: &str) -> impl Iterator<Item = &Path> {
    Path::new(name).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty())
}

/// The name that [`publish`] gives a staged output: `00003.tar` for `_staging/7-1/00003.tar`. `None` for one that it
/// refuses.
pub fn final_name(staged_name: &str) -> Option<&str> {
    split_staged(staged_name).map(|(_, name)| name)
}

/// Splits `_staging/7-1/00003.tar` into `7-1` and `00003.tar`. Hidden names are refused: a dataset's own state
/// may lie there.
fn split_staged(staged: &str) -> Option<(&str, &str)> {
    let (attempt, name) = staged.strip_prefix(STAGING_DIR)?.strip_prefix('/')?.split_once('/')?;
    let (chunk, number) = attempt.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.contains(['\\', ':'])
            && !part.chars().any(char::is_control)
    };
    let safe = is_number(chunk)
        && is_number(number)
        && name.split('/').all(is_plain)
        && name.split('/').next().is_some_and(|first| first != STAGING_DIR && first != STATE_DIR);
    safe.then_some((attempt, name))
}

/// Holds the dataset's publishing lock until dropped; the system frees it when the process dies. One that is frozen keeps
/// it: after the patience that is an error, so that one process cannot stop all others for ever.
fn lock(dataset: &Path, patience: Duration) -> Result<File> {
    let staging = dataset.join(STAGING_DIR);
    let path = staging.join(LOCK_FILE);
    let begun = Instant::now();
    loop {
        make_dir(&staging).map_err(Error::io("create", &staging))?;
        let file = match File::options().create(true).append(true).open(&path) {
            Ok(file) => file,
            // Whoever saw nothing staged has just removed the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound && begun.elapsed() < patience => continue,
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        match file.try_lock() {
            Ok(()) if is_file_at(&file, &path) => return Ok(file),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if begun.elapsed() < patience => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                let held = format!("another process has held it for {} s", patience.as_secs());
                return Err(Error::io("lock", &path)(io::Error::new(io::ErrorKind::TimedOut, held)));
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
    }
}

fn publish_one(dataset: &Path, from: &str, to: &str) -> Result<()> {
    let (staged, published) = (dataset.join(from), dataset.join(to));
    let staged_meta = meta(&staged)?;
    let published_meta = meta(&published)?;
    if staged_meta.is_none() {
        return match published_meta {
            Some(_) => Ok(()),
            None => Err(Error::OutputMissing { staged, published }),
        };
    }
    if let Some(parent) = published.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    // Only a file can take a file's place in one step. Dying in between leaves the staged output: it is moved next
    // time.
    let in_one_step = |meta: &std::fs::Metadata| !meta.is_dir();
    let both_files =
        staged_meta.as_ref().is_some_and(in_one_step) && published_meta.as_ref().is_some_and(in_one_step);
    if published_meta.is_some() && !both_files {
        remove_replaced(dataset, &published)?;
    }
    std::fs::rename(&staged, &published).map_err(Error::io("rename", &staged))?;
    // Folders that were made here are entries of theirs in turn; the dataset itself is synced by the caller.
    let folders = folders_of(to).map(|folder| dataset.join(folder));
    for dir in folders.chain(staged.parent().map(Path::to_owned)) {
        sync_dir(&dir).map_err(Error::io("sync", &dir))?;
    }
    Ok(())
}

/// Moves the old output aside before removing it, so that nobody reads a half-removed folder.
fn remove_replaced(dataset: &Path, published: &Path) -> Result<()> {
    let aside = dataset.join(STAGING_DIR).join(".replaced");
    remove_any(&aside).map_err(Error::io("remove", &aside))?;
    std::fs::rename(published, &aside).map_err(Error::io("rename", published))?;
    remove_any(&aside).map_err(Error::io("remove", &aside))
}

fn meta(path: &Path) -> Result<Option<std::fs::Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::io("look at", path)(e)),
    }
}

#[cfg(test)]
mod tests;
