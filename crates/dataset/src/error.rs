//! What can go wrong with files, as opposed to with single rows or images.

use std::io;
use std::path::{Path, PathBuf};

/// What every fallible call of this crate answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a list, its parts, a ledger or an output could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb: `open`, `write`.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The list as a whole cannot be used; the user has to change it or the options.
    #[error("the list {} {message}", .path.display())]
    BadList {
        /// Which list.
        path: PathBuf,
        /// What was found and what is allowed, to follow the list's name.
        message: String,
    },
    /// A file of Ream's own is not as it was written.
    #[error("{} is damaged: {message}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// An output name that would leave the dataset or is not a staged one.
    #[error(
        "{name:?} is not a staged output: expected `_staging/CHUNK-ATTEMPT/NAME` without `..` or hidden parts"
    )]
    UnsafeName {
        /// The name as it came.
        name: String,
    },
    /// A completed chunk's output is neither staged nor published.
    #[error("output is lost: neither {} nor {} exists", .staged.display(), .published.display())]
    OutputMissing {
        /// Where it was written.
        staged: PathBuf,
        /// Where it belongs.
        published: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), message: message.into() }
    }

    pub(crate) fn bad_list(path: &Path, message: impl Into<String>) -> Self {
        Self::BadList { path: path.to_owned(), message: message.into() }
    }

    /// Whether the user's list or options are at fault rather than the machine.
    pub fn is_bad_input(&self) -> bool {
        matches!(self, Self::BadList { .. })
    }
}
