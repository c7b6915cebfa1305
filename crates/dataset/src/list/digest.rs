//! Telling whether a list is still the same.

use super::source::ListSource;
use crate::error::{Error, Result};
use crate::files::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What tells cheaply that a list was not touched. Equal fingerprints of the same path mean the same list; unequal
/// ones need a look at [`list_sha256`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListFingerprint {
    /// The sizes of its files together.
    pub bytes: u64,
    /// The latest change of its files and its folder, in milliseconds since 1970.
    pub modified_ms: u64,
}

/// The fingerprint of a file or a folder of lists.
///
/// # Errors
/// [`Error::BadList`] for an unknown extension or a folder without lists; [`Error::Io`].
pub fn list_fingerprint(path: &Path) -> Result<ListFingerprint> {
    let source = ListSource::find(path)?;
    let modified = source.files.iter().map(|file| file.modified_ms).chain([source.folder_modified_ms]);
    Ok(ListFingerprint { bytes: source.bytes(), modified_ms: modified.max().unwrap_or(0) })
}

/// The SHA-256 of a list in lower-case hexadecimal, as [`crate::ingest()`] gives it. Of a file it is that of its
/// bytes; of a folder that of all names and contents: for each file in order its name, a zero byte, and the SHA-256
/// of its bytes (32 bytes).
///
/// # Errors
/// As [`list_fingerprint`].
pub fn list_sha256(path: &Path) -> Result<String> {
    let source = ListSource::find(path)?;
    let mut whole = ListDigest::new(source.is_folder);
    for file in &source.files {
        whole.add(&file.name, &file_sha256(&file.path)?);
    }
    Ok(whole.finish())
}

pub(super) fn file_sha256(path: &Path) -> Result<[u8; 32]> {
    let meter = Meter::default();
    let mut bytes = meter.watch(File::open(path).map_err(Error::io("open", path))?);
    io::copy(&mut bytes, &mut io::sink()).map_err(Error::io("read", path))?;
    Ok(meter.sha256())
}

/// The digest of a list from those of its files.
pub(super) struct ListDigest {
    is_folder: bool,
    names: Sha256,
    last: [u8; 32],
}

impl ListDigest {
    pub(super) fn new(is_folder: bool) -> Self {
        Self { is_folder, names: Sha256::new(), last: [0; 32] }
    }

    pub(super) fn add(&mut self, name: &str, sha256: &[u8; 32]) {
        self.names.update(name.as_bytes());
        self.names.update([0]);
        self.names.update(sha256);
        self.last = *sha256;
    }

    pub(super) fn finish(self) -> String {
        if self.is_folder { hex(&self.names.finalize()) } else { hex(&self.last) }
    }
}

/// Counts and hashes the bytes that pass, for somebody who cannot reach the reader.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    bytes: u64,
    hash: Sha256,
}

impl Meter {
    pub(super) fn watch<R: Read>(&self, bytes: R) -> impl Read + use<R> {
        Watched { inner: bytes, meter: self.clone() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    pub(super) fn sha256(&self) -> [u8; 32] {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).hash.clone().finalize().into()
    }
}

struct Watched<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let mut passed = self.meter.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.hash.update(&buffer[..read]);
        passed.bytes += read as u64;
        Ok(read)
    }
}
