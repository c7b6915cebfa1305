//! From a database URL to a repository.

use ream_core::{Error, Result};
use ream_store::{JobChunkRepository, SqliteOptions, SqliteStore};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Where state lives: `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self::Sqlite("ream.db".into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            // The whole URL may hold a password, so it is not repeated.
            _ => Err(Error::invalid(
                "database",
                "another kind of URL",
                "`sqlite:PATH`, such as `sqlite:ream.db`",
            )),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
        }
    }
}

impl DatabaseUrl {
    /// Opens the database. `create`: make it where it is missing. Blocks for a moment.
    ///
    /// # Errors
    /// Database: it cannot be opened, or its schema is not known.
    pub fn open(&self, create: bool) -> Result<Arc<dyn JobChunkRepository>> {
        match self {
            Self::Sqlite(path) => {
                let mut options = SqliteOptions::new(path);
                options.create = create;
                Ok(Arc::new(SqliteStore::open(&options)?))
            }
        }
    }
}

/// Opens the database at `url` (`sqlite:PATH`), and makes it where it is missing. Blocks for a moment.
///
/// # Errors
/// Validation: not such a URL. Database: it cannot be opened, or its schema is not known.
pub fn open(url: &str) -> Result<Arc<dyn JobChunkRepository>> {
    url.parse::<DatabaseUrl>()?.open(true)
}
