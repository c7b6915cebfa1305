//! A place on disk for images that are ready long before their turn.
//!
//! Images are stored in the order of their numbers, so one image that drips keeps all later ones waiting. When their
//! bytes take too much memory they wait here, in a file without a name that is gone with the process.

use bytes::Bytes;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One chunk's waiting images.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    /// Made when the first image comes: most chunks need none.
    file: Mutex<Option<File>>,
}

/// Bytes that wait on disk.
pub(crate) struct Spooled {
    spool: Spool,
    at: u64,
    length: usize,
}

impl Spool {
    /// Nothing yet; the file will be on the disk of `folder`.
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Inner { folder: folder.into(), file: Mutex::new(None) }))
    }

    /// Puts bytes aside. Blocks.
    pub(crate) fn put(&self, bytes: &[u8]) -> io::Result<Spooled> {
        let mut file = self.lock();
        let file = match &mut *file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.0.folder)?),
        };
        let at = file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)?;
        Ok(Spooled { spool: self.clone(), at, length: bytes.len() })
    }

    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        // Every use seeks first, whatever the last one left behind.
        self.0.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spooled {
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// The bytes as they were put aside. Blocks.
    pub(crate) fn get(&self) -> io::Result<Bytes> {
        let mut file = self.spool.lock();
        let file = file.as_mut().ok_or_else(|| io::Error::other("nothing was put aside"))?;
        let mut bytes = vec![0; self.length];
        file.seek(SeekFrom::Start(self.at))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were_put_aside_and_no_file_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path());
        let threads: Vec<_> = (0..8u8)
            .map(|n| {
                let spool = spool.clone();
                std::thread::spawn(move || {
                    let bytes = vec![n; usize::from(n) * 1000];
                    (spool.put(&bytes).unwrap(), bytes)
                })
            })
            .collect();
        for thread in threads {
            let (spooled, bytes) = thread.join().unwrap();
            assert_eq!((spooled.len(), spooled.get().unwrap()), (bytes.len(), bytes.into()));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
