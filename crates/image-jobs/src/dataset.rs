//! The output of chunks: packed in a folder, staged in the dataset, published under its final names.
//!
//! In a folder, attempts pack where they stage, and publishing renames. Elsewhere what was packed is uploaded before the
//! fenced completion, and publishing copies within the store and removes what was staged. Either may be done any number of
//! times, by anybody.

use crate::error::{Error, Result};
use crate::storage::{Storage, check_name};
use futures::{StreamExt as _, TryStreamExt as _};
use ream_core::{Attempt, ChunkId};
use ream_dataset::publish::{STAGING_DIR, final_name};
use ream_dataset::{Staging, is_output_name, publish};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of one chunk that are uploaded at the same time.
const UPLOADS: usize = 4;
/// Files of one chunk that are published at the same time.
const COPIES: usize = 16;

/// Where chunks' output goes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Dataset {
    storage: Storage,
    local: Arc<Path>,
}

impl Dataset {
    /// The dataset at this place. Attempts pack in the folder `scratch`, which is there, unless the dataset is a folder
    /// itself.
    pub fn new(storage: Storage, scratch: &Path) -> Self {
        let local = storage.as_folder().unwrap_or(scratch).into();
        Self { storage, local }
    }

    /// The folder in which attempts pack, as [`Staging`] wants it.
    pub fn local(&self) -> &Path {
        &self.local
    }

    /// Where it lies.
    pub const fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Brings what an attempt has packed and sealed to where it can be published from. Answers the names to report with
    /// the completion.
    ///
    /// # Errors
    /// The storage's; then what was packed is still there, to be brought again or [discarded](Self::discard).
    pub async fn stage(&self, sealed: &[String]) -> Result<Vec<String>> {
        if self.storage.as_folder().is_some() {
            return Ok(sealed.to_vec());
        }
        let (mut files, mut outputs) = (Vec::new(), Vec::new());
        for name in sealed {
            let found = self.packed_files(name).await?;
            // A store has no empty folders.
            if !found.is_empty() {
                files.extend(found);
                outputs.push(name.clone());
            }
        }
        futures::stream::iter(files)
            .map(Ok)
            .try_for_each_concurrent(UPLOADS, |name| async move {
                self.storage.put_file(&name, &self.local.join(&name)).await
            })
            .await?;
        for attempt in attempt_folders(sealed) {
            // What is left goes with the folder, when the worker ends.
            let _ = tokio::fs::remove_dir_all(self.local.join(attempt)).await;
        }
        Ok(outputs)
    }

    /// The files of an output that was packed: itself, or all in it.
    async fn packed_files(&self, name: &str) -> Result<Vec<String>> {
        final_name(name).ok_or_else(|| ream_dataset::Error::UnsafeName { name: name.to_owned() })?;
        let path = self.local.join(name);
        let found = tokio::fs::metadata(&path).await;
        if found.map_err(Error::io("read", path.display().to_string()))?.is_file() {
            return Ok(vec![name.to_owned()]);
        }
        let found = Storage::folder(&self.local).list(name).await?;
        Ok(found.into_iter().map(|entry| entry.name).collect())
    }

    /// Gives what was staged its final names. May be called any number of times, by any number of processes at once.
    ///
    /// # Errors
    /// [`ream_dataset::Error::UnsafeName`], before anything is moved; [`ream_dataset::Error::OutputMissing`] for an output
    /// that is neither staged nor published. The storage's: then the rest stays staged.
    pub async fn publish(&self, staged: &[String]) -> Result<()> {
        let Some(folder) = self.storage.as_folder() else { return self.publish_copies(staged).await };
        let (folder, staged) = (folder.to_owned(), staged.to_vec());
        let place = folder.display().to_string();
        let published = tokio::task::spawn_blocking(move || publish(&folder, &staged)).await;
        published.map_err(io::Error::other).map_err(Error::io("publish in", place))??;
        Ok(())
    }

    async fn publish_copies(&self, staged: &[String]) -> Result<()> {
        if let Some(name) = staged.iter().find(|name| final_name(name).is_none()) {
            return Err(ream_dataset::Error::UnsafeName { name: name.clone() }.into());
        }
        let mut present = BTreeSet::new();
        for attempt in attempt_folders(staged) {
            present.extend(self.storage.list(&attempt).await?.into_iter().map(|entry| entry.name));
        }
        let mut moves = Vec::new();
        for output in staged {
            let folder = format!("{output}/");
            let files: Vec<&String> =
                present.iter().filter(|name| *name == output || name.starts_with(&folder)).collect();
            if files.is_empty() {
                self.check_published(output).await?;
            }
            moves.extend(files);
        }
        futures::stream::iter(moves)
            .map(Ok)
            .try_for_each_concurrent(COPIES, |name| self.publish_copy(name))
            .await
    }

    async fn publish_copy(&self, staged: &str) -> Result<()> {
        let Some(published) = final_name(staged) else {
            return Err(ream_dataset::Error::UnsafeName { name: staged.to_owned() }.into());
        };
        if self.storage.rename(staged, published).await? {
            return Ok(());
        }
        // Somebody else has just published it.
        self.check_published(staged).await
    }

    /// That an output which is not staged any more has its final name.
    async fn check_published(&self, staged: &str) -> Result<()> {
        let published = final_name(staged).unwrap_or(staged);
        if self.storage.has(published).await? {
            return Ok(());
        }
        let place = |name| PathBuf::from(self.storage.place_of(name));
        Err(ream_dataset::Error::OutputMissing { staged: place(staged), published: place(published) }.into())
    }

    /// Removes what an attempt has packed and staged, for one that came to nothing.
    ///
    /// # Errors
    /// The file system's and the storage's.
    pub async fn discard(&self, chunk: ChunkId, attempt: Attempt) -> Result<()> {
        let staging = Staging::of(&self.local, chunk, attempt);
        let place = self.local.display().to_string();
        let discarded = tokio::task::spawn_blocking(move || staging.discard()).await;
        discarded.map_err(io::Error::other).map_err(Error::io("remove staged output in", place))??;
        match self.storage.as_folder() {
            Some(_) => Ok(()),
            None => self.storage.delete_folder(&format!("{STAGING_DIR}/{chunk}-{attempt}")).await,
        }
    }

    /// The attempts of which something is staged, published or not.
    ///
    /// # Errors
    /// The storage's.
    pub async fn staged_attempts(&self) -> Result<Vec<(ChunkId, Attempt)>> {
        let folders = self.storage.folders(STAGING_DIR).await?;
        Ok(folders.iter().filter_map(|name| attempt_of(name)).collect())
    }

    /// Removes the place where attempts stage if nothing is staged there any more. It is made again when it is needed.
    pub(crate) async fn tidy(&self) {
        if let Some(folder) = self.storage.as_folder() {
            // The lock of publishing; who holds it now has nothing to move.
            let staging = folder.join(STAGING_DIR);
            if matches!(self.staged_attempts().await, Ok(staged) if staged.is_empty()) {
                let _ = tokio::fs::remove_file(staging.join(".lock")).await;
                let _ = tokio::fs::remove_dir(staging).await;
            }
        }
    }

    /// Whether all of these published files are there, as far as it is worth to ask: a store does not lose them, and has to
    /// be asked for each.
    pub async fn has_all(&self, published: &[String]) -> bool {
        let Some(folder) = self.storage.as_folder() else { return true };
        for file in published {
            if !tokio::fs::try_exists(folder.join(file)).await.unwrap_or(false) {
                return false;
            }
        }
        true
    }
}

/// Whether a dataset may have this name below a storage: a relative path without parts that are hidden, or that another
/// dataset has for its state or gives its output, which may replace it.
pub fn is_dataset_name(name: &str) -> bool {
    let is_free = |part: &str| !part.starts_with(['.', '_']) && !is_output_name(part);
    check_name(name).is_ok() && name.split('/').all(is_free)
}

/// The attempt that stages in a folder of this name.
fn attempt_of(name: &str) -> Option<(ChunkId, Attempt)> {
    let (chunk, attempt) = name.split_once('-')?;
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| number.to_string() == text);
    Some((ChunkId::new(number(chunk)?), Attempt::new(number(attempt)?)))
}

/// The folders of attempts that staged names lie in: `_staging/7-1`.
fn attempt_folders(staged: &[String]) -> BTreeSet<String> {
    let folder = |name: &String| {
        let attempt = name.strip_suffix(final_name(name)?)?.trim_end_matches('/');
        Some(attempt.to_owned())
    };
    staged.iter().filter_map(folder).collect()
}

#[cfg(test)]
mod tests;
