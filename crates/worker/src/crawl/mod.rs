//! A whole crawl, from a list to a dataset in one folder.
//!
//! The folder holds everything: the list's parts and the database under `_ream/`, attempts under `_staging/`, and
//! the published chunks beside them. With a database that several processes share, only its state is elsewhere. The
//! same call again goes on where the last one ended, however it ended.

mod error;
mod folder;
mod options;
mod prepare;
mod recipe;
mod session;
mod summary;

pub use error::CrawlError;
pub use folder::{CrawlFolder, STATE_DIR};
pub use options::CrawlOptions;
pub use prepare::prepare;
pub use ream_dataset::{KeepColumns, Layout, ListOptions, OutputFormat};
pub use session::{CrawlSession, Resumed};
pub use summary::CrawlSummary;
