//! What can go wrong with lists, datasets and where they lie.

use ream_core::error::{ConflictCode, DatabaseFault};
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
    /// No list was taken into the dataset.
    #[error("{dataset} has no image list yet")]
    NoList {
        /// The dataset.
        dataset: String,
    },
    /// The dataset has another list.
    #[error(
        "{dataset} has an image list already, taken in with {differences}; a list needs a dataset of its own"
    )]
    HasList {
        /// The dataset.
        dataset: String,
        /// What is not the same.
        differences: String,
    },
    /// The dataset has output already.
    #[error("{dataset} holds output already, such as `{example}`; a list needs a dataset of its own")]
    HasOutput {
        /// The dataset.
        dataset: String,
        /// One name in it.
        example: String,
    },
    /// The dataset is another job's.
    #[error(
        "{dataset} belongs to {job}, as `_ream/owner.json` in it says; a job needs a dataset of its own. If that job is gone \
         for good, remove the file"
    )]
    OfAnotherJob {
        /// The dataset.
        dataset: String,
        /// The job, in words.
        job: String,
    },
    /// The dataset would lie in another one, whose output may replace it.
    #[error("{dataset} lies in another dataset, {outer}; a dataset needs a place of its own")]
    WithinDataset {
        /// The dataset.
        dataset: String,
        /// The one around it.
        outer: String,
    },
    /// The list and the dataset would be one folder.
    #[error("{dataset} is the folder of the list: a dataset needs one of its own")]
    SamePlace {
        /// The folder.
        dataset: String,
    },
    /// An argument that makes no sense.
    #[error(transparent)]
    Jobs(#[from] ream_core::Error),
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

/// For those who have the service's four kinds of errors only.
impl From<Error> for ream_core::Error {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::Jobs(error) => error,
            Error::Images(error) if error.is_bad_input() => {
                Self::invalid("list", told, "a list with good rows: .txt, .csv, .tsv, .jsonl or .parquet")
            }
            Error::BadName { .. } => Self::invalid("dataset", told, "a relative path"),
            Error::HasList { .. }
            | Error::HasOutput { .. }
            | Error::OfAnotherJob { .. }
            | Error::WithinDataset { .. }
            | Error::SamePlace { .. }
            | Error::NoList { .. } => Self::conflict(ConflictCode::WrongStatus, told),
            Error::Damaged { .. } | Error::Images(_) => {
                Self::Database { fault: DatabaseFault::Constraint, message: told }
            }
            Error::Io { .. } | Error::Store { .. } => {
                Self::Database { fault: DatabaseFault::Unavailable, message: told }
            }
        }
    }
}
