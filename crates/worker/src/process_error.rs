//! Why a chunk could not be worked on.

use std::io;

/// Why a chunk could not be worked on. Single images that cannot be had are no such error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// Something about this chunk: it is failed with this message, and tried again by the job's policy.
    #[error("{0}")]
    Chunk(String),
    /// This machine cannot go on, whatever the chunk: its disk is full, say. Trying other chunks would only ask servers
    /// for images that nobody can keep.
    #[error("{0}")]
    Machine(String),
}

impl ProcessError {
    /// An error of the file system, told as `message`.
    pub(crate) fn of_files(error: &io::Error, message: String) -> Self {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => Self::Machine(message),
            _ => Self::Chunk(message),
        }
    }

    /// As trouble of one job's dataset: a folder that is full or read-only for one job need not be so for the others.
    pub(crate) fn of_one_job(self) -> Self {
        match self {
            Self::Machine(message) => Self::Chunk(message),
            chunk @ Self::Chunk(_) => chunk,
        }
    }
}

impl From<ream_dataset::Error> for ProcessError {
    fn from(error: ream_dataset::Error) -> Self {
        let message = error.to_string();
        match &error {
            ream_dataset::Error::Io { source, .. } => Self::of_files(source, message),
            _ => Self::Chunk(message),
        }
    }
}

impl From<ream_image_jobs::Error> for ProcessError {
    fn from(error: ream_image_jobs::Error) -> Self {
        let message = error.to_string();
        match error.io_error() {
            Some(source) => Self::of_files(source, message),
            None => Self::Chunk(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_stops_the_machine_unless_it_is_one_jobs() {
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::ReadOnlyFilesystem] {
            let full = ProcessError::of_files(&kind.into(), "full".to_owned());
            assert_eq!(full, ProcessError::Machine("full".to_owned()));
            assert_eq!(full.of_one_job(), ProcessError::Chunk("full".to_owned()));
        }
    }
}
