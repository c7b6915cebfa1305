//! Why a crawl could not be begun or gone on with.

use std::path::PathBuf;

/// What keeps a crawl from working; single images and chunks that fail are no such error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrawlError {
    /// Another process crawls into this folder.
    #[error("another crawl works in {}", .folder.display())]
    InUse {
        /// The dataset's folder.
        folder: PathBuf,
    },
    /// The folder holds output that no crawl of this folder made.
    #[error("{} holds output already, such as `{example}`, that no crawl into it has made", .folder.display())]
    ForeignOutput {
        /// The dataset's folder.
        folder: PathBuf,
        /// One name that a crawl would write.
        example: String,
    },
    /// The folder holds output, and the database does not know the job that it is of.
    #[error(
        "{} holds output, such as `{example}`, of a job that its database no longer has; crawl into a new folder",
        .folder.display()
    )]
    LostJob {
        /// The dataset's folder.
        folder: PathBuf,
        /// One name that a crawl would replace.
        example: String,
    },
    /// There is something else where the folder should be.
    #[error("`{}` is not a folder", .path.display())]
    NotAFolder {
        /// The place.
        path: PathBuf,
    },
    /// The list and the dataset would be one folder.
    #[error("{} is the folder of the list: a dataset needs one of its own", .folder.display())]
    SameFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds a crawl of something else.
    #[error("{} holds another crawl: {}", .folder.display(), .differences.join("; "))]
    Differs {
        /// The dataset's folder.
        folder: PathBuf,
        /// What is different, each with both values.
        differences: Vec<String>,
    },
    /// The list, its parts or the output.
    #[error(transparent)]
    Images(#[from] ream_dataset::Error),
    /// A list, a recipe or a dataset, wherever it lies.
    #[error(transparent)]
    Jobs(#[from] ream_image_jobs::Error),
    /// The file system refused.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The folder, or the list in it, was removed or moved while the crawl ran.
    #[error("{} was taken away while the crawl ran, or the list in it", .folder.display())]
    FolderGone {
        /// The dataset's folder.
        folder: PathBuf,
    },
    /// This machine cannot go on: its disk is full, say.
    #[error("{message}")]
    Blocked {
        /// What it cannot do, and why.
        message: String,
    },
    /// What is kept about the crawl cannot be read.
    #[error("{} is damaged: {message}; move the folder away and crawl into a new one", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// The service or its database.
    #[error(transparent)]
    Service(#[from] ream::Error),
}

impl CrawlError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
