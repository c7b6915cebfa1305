//! From a database URL to a repository.

use ream_core::{DatabaseFault, Error, Result};
use ream_store::{PostgresOptions, PostgresStore, SchemaChange, SqliteOptions, SqliteStore, Store};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Where state lives: `sqlite:PATH` or `postgres://…`.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file on this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL database, by a URL that may hold a password: neither printed nor logged.
    Postgres(String),
}

/// How a URL of either kind looks.
const ALLOWED: &str =
    "`sqlite:PATH`, such as `sqlite:ream.db`, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`";

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self::Sqlite("ream.db".into())
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                PostgresOptions::new(text).check_url()?;
                Ok(Self::Postgres(text.to_owned()))
            }
            // The whole URL may hold a password, so it is not repeated.
            _ => Err(Error::invalid("database", "another kind of URL", ALLOWED)),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&without_secrets(url)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// The URL without its password and parameters.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}@{place}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

impl DatabaseUrl {
    /// Opens the database. `create`: make it where it is missing; in PostgreSQL, lay the schema out where there is none.
    ///
    /// # Errors
    /// Database: it cannot be opened, or its schema is not known.
    pub async fn open(&self, create: bool) -> Result<Arc<dyn Store>> {
        match self {
            Self::Sqlite(path) => {
                let mut options = SqliteOptions::new(path);
                options.create = create;
                Ok(Arc::new(blocking(move || SqliteStore::open(&options)).await?))
            }
            Self::Postgres(url) => {
                let mut options = PostgresOptions::new(url);
                options.create = create;
                Ok(Arc::new(PostgresStore::open(&options).await?))
            }
        }
    }

    /// Brings the schema up to date, and makes the database where it is a file that is missing. Answers what was done, or,
    /// with `dry_run`, what would be. Several may do it at once.
    ///
    /// # Errors
    /// Database: it cannot be opened, its schema is newer than this program, or somebody else's.
    pub async fn migrate(&self, dry_run: bool) -> Result<Vec<SchemaChange>> {
        match self {
            Self::Sqlite(path) => {
                let looked = path.clone();
                let pending = blocking(move || SqliteStore::pending_migrations(&looked)).await?;
                if !dry_run {
                    self.open(true).await?;
                }
                Ok(pending)
            }
            Self::Postgres(url) if dry_run => {
                PostgresStore::pending_migrations(&PostgresOptions::new(url)).await
            }
            Self::Postgres(url) => PostgresStore::migrate(&PostgresOptions::new(url)).await,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    // Only a panic can be the matter.
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        let message = format!("open the database: {error}");
        Err(Error::Database { fault: DatabaseFault::Constraint, message })
    })
}

/// Opens the database at `url` (`sqlite:PATH` or `postgres://…`), and makes it where it is missing.
///
/// # Errors
/// Validation: not such a URL. Database: it cannot be opened, or its schema is not known.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    url.parse::<DatabaseUrl>()?.open(true).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url: DatabaseUrl = "postgres://me:s3cr3t@db.example:5433/ream?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://me@db.example:5433/ream");
        assert_eq!(format!("{url:?}"), "DatabaseUrl(postgres://me@db.example:5433/ream)");
        let url: DatabaseUrl = "postgresql://db.example/ream?password=s3cr3t".parse().unwrap();
        assert_eq!(url.to_string(), "postgresql://db.example/ream");
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for text in ["", "sqlite:", "mysql://a", "postgres:x", "postgres://h/d?nonsense=s3cr3t"] {
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
