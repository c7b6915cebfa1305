//! Where lists and datasets lie: a folder, or a place in an S3-compatible, Google or Azure store.
//!
//! Credentials and endpoints come from the environment variables that other programs read as well, and are never shown.

mod folder;
mod location;
mod objects;
#[cfg(test)]
mod tests;

pub use location::Access;

use crate::error::{Error, Result};
use bytes::Bytes;
use folder::Folder;
use location::Location;
use objects::Objects;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// A place for files with names such as `00003.tar` or `_ream/list/list.json`. Cheap to clone.
///
/// No call waits for ever: a store that does not answer is an error within a minute. Names are checked: a relative path
/// without `.`, `..`, `\` or control characters.
#[derive(Clone)]
pub struct Storage(Place);

#[derive(Clone)]
enum Place {
    Folder(Folder),
    Objects(Objects),
}

/// A file of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name within the storage.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
}

/// Calls the same method of whichever place it is.
macro_rules! at {
    ($storage:expr, $place:ident => $call:expr) => {
        match &$storage.0 {
            Place::Folder($place) => $call,
            Place::Objects($place) => $call,
        }
    };
}

impl Storage {
    /// The place that a path or URL names: `photos`, `file:///data/photos`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`,
    /// `az://CONTAINER/PREFIX` or `abfs://CONTAINER/PREFIX`, which is shown as `az`. A path is made absolute. Nothing is looked up yet.
    ///
    /// # Errors
    /// Validation, of this `field`: another kind of URL, or one with a user's name or a query, which is not repeated;
    /// variables of the environment that make no sense.
    pub fn parse(field: &str, text: &str) -> ream_core::Result<Self> {
        Self::parse_with(field, text, &Access::of_this_process())
    }

    /// As [`Self::parse`], with other access than this process has.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(field: &str, text: &str, access: &Access) -> ream_core::Result<Self> {
        Ok(Self(match Location::parse(field, text)? {
            Location::Folder(path) => Place::Folder(Folder::new(path)),
            Location::Objects(place) => Place::Objects(Objects::open(field, place, access)?),
        }))
    }

    /// A folder.
    pub fn folder(path: &Path) -> Self {
        Self(Place::Folder(Folder::new(path.to_owned())))
    }

    /// The folder, where it is one.
    pub fn as_folder(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(folder) => Some(folder.root()),
            Place::Objects(_) => None,
        }
    }

    /// The place of this name within.
    ///
    /// # Errors
    /// [`Error::BadName`].
    pub fn join(&self, name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self(match &self.0 {
            Place::Folder(folder) => Place::Folder(Folder::new(folder.root().join(name))),
            Place::Objects(objects) => Place::Objects(objects.join(name)),
        }))
    }

    /// The same place by the one name that it has however it is reached: links and `..` of a folder are followed as far as
    /// they are there. Looks at the file system, and so is for when a place is first named.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self.0 {
            Place::Folder(folder) => Self(Place::Folder(Folder::new(folder::canonical(folder.root())))),
            objects @ Place::Objects(_) => Self(objects),
        }
    }

    /// The places that this one lies in, the nearest first: up to the root of the file system or the whole bucket.
    pub(crate) fn outer(&self) -> Vec<Self> {
        match &self.0 {
            Place::Folder(folder) => folder.root().ancestors().skip(1).map(Self::folder).collect(),
            Place::Objects(objects) => {
                objects.outer().into_iter().map(|outer| Self(Place::Objects(outer))).collect()
            }
        }
    }

    /// What a file of this name is called in messages: the whole path or URL.
    pub fn place_of(&self, name: &str) -> String {
        match &self.0 {
            Place::Folder(folder) => folder.root().join(name).display().to_string(),
            Place::Objects(objects) => objects.place_of(name),
        }
    }

    /// How many bytes a file has; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::BadName`], [`Error::Io`], [`Error::Store`]: so for all that follow.
    pub async fn size(&self, name: &str) -> Result<Option<u64>> {
        check_name(name)?;
        at!(self, place => place.size(name).await)
    }

    /// Whether there is a file of this name, or one in a folder of it.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn has(&self, name: &str) -> Result<bool> {
        check_name(name)?;
        at!(self, place => place.has(name).await)
    }

    /// A whole file of at most so many bytes; `None` where there is none.
    ///
    /// # Errors
    /// As [`Self::size`]; [`Error::Damaged`] for a file that is larger.
    pub async fn read(&self, name: &str, at_most: u64) -> Result<Option<Bytes>> {
        let Some(size) = self.size(name).await? else { return Ok(None) };
        if size > at_most {
            let message = format!("it has {size} bytes, more than the {at_most} that are expected");
            return Err(Error::Damaged { place: self.place_of(name), message });
        }
        self.read_range(name, 0..size).await.map(Some)
    }

    /// These bytes of a file, all of them.
    ///
    /// # Errors
    /// As [`Self::size`]; also where the file is missing or shorter.
    pub async fn read_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        check_name(name)?;
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        at!(self, place => place.read_range(name, range).await)
    }

    /// Copies a whole file into this one of the file system.
    ///
    /// # Errors
    /// As [`Self::size`]; also where the file is missing or the disk is full.
    pub async fn fetch(&self, name: &str, into: &Path) -> Result<()> {
        check_name(name)?;
        at!(self, place => place.fetch(name, into).await)
    }

    /// Writes a file, whole or not at all; one of this name is replaced.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        check_name(name)?;
        at!(self, place => place.put(name, bytes, false).await).map(|_| ())
    }

    /// As [`Self::put`], where there is no file of this name yet; else answers false.
    ///
    /// # Errors
    /// As [`Self::size`]. If the store's answer is lost, the file may be there.
    pub async fn put_new(&self, name: &str, bytes: Bytes) -> Result<bool> {
        check_name(name)?;
        at!(self, place => place.put(name, bytes, true).await)
    }

    /// Writes the content of a file of the file system, whole or not at all; one of this name is replaced.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn put_file(&self, name: &str, from: &Path) -> Result<()> {
        check_name(name)?;
        at!(self, place => place.put_file(name, from).await)
    }

    /// Gives a file another name; one that has that name is replaced. Answers false where there is none to be renamed.
    ///
    /// In a store it is a copy and a removal: whoever dies in between leaves both.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn rename(&self, from: &str, to: &str) -> Result<bool> {
        check_name(from)?;
        check_name(to)?;
        at!(self, place => place.rename(from, to).await)
    }

    /// Removes a file; that there is none is fine.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        at!(self, place => place.delete(name).await)
    }

    /// Removes all files in a folder; that there is none is fine.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn delete_folder(&self, folder: &str) -> Result<()> {
        check_name(folder)?;
        at!(self, place => place.delete_folder(folder).await)
    }

    /// All files in a folder and in those below it, in no order; none where there is no such folder.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        check_name(folder)?;
        at!(self, place => place.list(folder).await)
    }

    /// The names of the folders in a folder, in no order; none where there is no such folder.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        check_name(folder)?;
        at!(self, place => place.folders(folder).await)
    }

    /// One name at the top that a dataset's output would have, if there is one.
    ///
    /// # Errors
    /// As [`Self::size`].
    pub async fn output(&self) -> Result<Option<String>> {
        at!(self, place => place.output().await)
    }
}

/// The path or URL; it has no secrets.
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(folder) => folder.root().display().fmt(f),
            Place::Objects(objects) => objects.fmt(f),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({self})")
    }
}

/// The longest name, in bytes: what the stores allow.
const MAX_NAME_BYTES: usize = 1024;

/// # Errors
/// [`Error::BadName`].
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_plain = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains('\\') && !part.chars().any(char::is_control)
    };
    if name.len() <= MAX_NAME_BYTES && name.split('/').all(is_plain) {
        Ok(())
    } else {
        Err(Error::BadName { name: name.chars().take(MAX_NAME_BYTES).collect() })
    }
}
