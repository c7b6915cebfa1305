//! What can go wrong with lists, datasets and where they lie.

use std::io;

/// What every fallible call of this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a list or a dataset could not be read or written. None repeats a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("cannot {action} {place}: {source}")]
    Io {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// On what.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// An object store refused or is out of reach.
    #[error("cannot {action} {place}: {message}")]
    Store {
        /// What was tried, as a verb: `read`, `write`.
        action: &'static str,
        /// On what.
        place: String,
        /// What the store said.
        message: String,
    },
    /// A name that no file of a dataset may have.
    #[error(
        "{name:?} is no name within a dataset: expected is a relative path without `.`, `..`, `\\` or control characters"
    )]
    BadName {
        /// The name as it came.
        name: String,
    },
    /// Not as it was written.
    #[error("{place} is damaged: {message}")]
    Damaged {
        /// What.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// Lists, ledgers, shards.
    #[error(transparent)]
    Images(#[from] ream_dataset::Error),
}

impl Error {
    pub(crate) fn io(action: &'static str, place: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let place = place.into();
        move |source| Self::Io { action, place, source }
    }

    /// What the file system said, where it was one: a full disk is nobody's fault but the machine's.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io { source, .. } | Self::Images(ream_dataset::Error::Io { source, .. }) => Some(source),
            _ => None,
        }
    }
}
