//! A list as its files: one, or those of a folder.

use super::format::{Detected, allowed};
use crate::error::{Error, Result};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// One file of a list.
#[derive(Clone)]
pub(super) struct ListFile {
    pub(super) path: PathBuf,
    /// Its name within the list.
    pub(super) name: String,
    pub(super) detected: Detected,
    pub(super) bytes: u64,
    pub(super) modified_ms: u64,
}

/// The files in the order in which they are read.
pub(super) struct ListSource {
    pub(super) files: Vec<ListFile>,
    /// When the folder itself was last changed; 0 for a single file.
    pub(super) folder_modified_ms: u64,
    pub(super) is_folder: bool,
    /// What else is in the folder, by name: no lists by their extensions, no files, or links that lead nowhere.
    pub(super) passed_over: Vec<String>,
}

impl ListSource {
    /// Finds the files of a list. Of a folder those directly in it that can be lists by their name, ordered by their
    /// names bytewise; hidden files and names that begin with `_` are passed over, as other programs do.
    ///
    /// # Errors
    /// [`Error::BadList`] for an unknown extension or a folder without lists; [`Error::Io`].
    pub(super) fn find(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(Error::io("open", path))?;
        if metadata.is_dir() {
            return Self::find_in(path, modified_ms(&metadata));
        }
        let detected = Detected::of(path)?;
        let file = ListFile::new(path, detected, &metadata);
        Ok(Self { files: vec![file], folder_modified_ms: 0, is_folder: false, passed_over: Vec::new() })
    }

    fn find_in(folder: &Path, folder_modified_ms: u64) -> Result<Self> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(folder).map_err(Error::io("open", folder))? {
            let path = entry.map_err(Error::io("open", folder))?.path();
            let name = path.file_name().unwrap_or_default();
            if matches!(name.as_encoded_bytes().first(), Some(b'.' | b'_')) {
                continue;
            }
            // A link may lead nowhere; then it is no list.
            match (Detected::of(&path), std::fs::metadata(&path)) {
                (Ok(detected), Ok(metadata)) if metadata.is_file() => {
                    files.push(ListFile::new(&path, detected, &metadata));
                }
                _ => others.push(name.to_string_lossy().into_owned()),
            }
        }
        others.sort();
        if files.is_empty() {
            let found = if others.is_empty() {
                "is an empty folder".to_owned()
            } else {
                format!("is a folder without lists; found were {}", super::columns::quoted(&others))
            };
            return Err(Error::bad_list(folder, format!("{found}; {}", allowed())));
        }
        files.sort_by(|a, b| {
            let bytes = |file: &'_ ListFile| file.path.as_os_str().as_encoded_bytes().to_vec();
            bytes(a).cmp(&bytes(b))
        });
        Ok(Self { files, folder_modified_ms, is_folder: true, passed_over: others })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }
}

impl ListFile {
    fn new(path: &Path, detected: Detected, metadata: &Metadata) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Self {
            path: path.to_owned(),
            name: name.into_owned(),
            detected,
            bytes: metadata.len(),
            modified_ms: modified_ms(metadata),
        }
    }
}

fn modified_ms(metadata: &Metadata) -> u64 {
    let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
