//! What every command has at hand.

use crate::failure::{Failure, Result};
use crate::output::{Output, text};
use crate::settings::{Settings, Source};
use ream::{Actor, CrawlJobService, DatabaseUrl, JobChunkingService};
use std::path::Path;

/// The printer and the settings.
pub(crate) struct Context<'a> {
    pub(crate) out: &'a Output,
    pub(crate) settings: &'a Settings,
}

/// An open database.
pub(crate) struct Session {
    pub(crate) jobs: CrawlJobService,
    pub(crate) chunks: JobChunkingService,
}

impl<'a> Context<'a> {
    pub(crate) const fn new(out: &'a Output, settings: &'a Settings) -> Self {
        Self { out, settings }
    }

    /// Opens the database, which must be there.
    ///
    /// # Errors
    /// Unreachable: it is missing or cannot be opened.
    pub(crate) async fn open(&self) -> Result<Session> {
        match self.missing_file() {
            Some(path) => Err(Failure::unreachable(format!("there is no database `{}`", path.display()))
                .hint(
                    "`ream jobs create` makes it; `--database` names another: sqlite:PATH or postgres://…",
                )),
            None => self.open_file(false).await,
        }
    }

    /// Opens the database, and makes it where it is missing.
    ///
    /// # Errors
    /// Unreachable: it cannot be opened or made.
    pub(crate) async fn create(&self) -> Result<Session> {
        self.open_file(true).await.map_err(|failure| match self.missing_file().and_then(Path::parent) {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => {
                failure.hint(format!("the folder `{}` does not exist; make it first", folder.display()))
            }
            _ => failure,
        })
    }

    /// Opens the database; `None` when it is the default one and was never made: then there simply is nothing yet. One
    /// that was named must be there, or a slip of the hand would look like an empty database.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_if_made(&self) -> Result<Option<Session>> {
        if self.missing_file().is_some() && self.settings.database.url.source == Source::Default {
            return Ok(None);
        }
        self.open().await.map(Some)
    }

    fn missing_file(&self) -> Option<&Path> {
        match &self.settings.database.url.value {
            DatabaseUrl::Sqlite(path) if !path.exists() => Some(path),
            DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => None,
        }
    }

    async fn open_file(&self, create: bool) -> Result<Session> {
        let url = self.settings.database.url.value.clone();
        let repository = url.open(create).await?;
        let actor = actor();
        Ok(Session {
            jobs: CrawlJobService::new(repository.clone()).acting_as(actor.clone()),
            chunks: JobChunkingService::new(repository).acting_as(actor),
        })
    }

    /// Asks before something that cannot be taken back; `--yes` answers beforehand.
    ///
    /// # Errors
    /// Usage: there is nobody to ask. Declined: the answer was not yes.
    pub(crate) async fn confirm(&self, yes: bool, question: &str) -> Result<()> {
        if yes {
            return Ok(());
        }
        if !self.out.can_ask() {
            return Err(Failure::usage(format!(
                "this needs a yes, and there is no terminal to ask on: {question}"
            ))
            .hint("`--yes` answers beforehand"));
        }
        self.out.prompt(&text::printable(question))?;
        if blocking(crate::output::read_yes).await?? { Ok(()) } else { Err(Failure::declined()) }
    }
}

/// Waits for something that blocks, in a way that Ctrl-C is still heard.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    // Only a panic of `work` can be the matter.
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::internal(error.to_string()))
}

/// Who acts, for the activity log: `cli:` and the user's name as far as it is known and fit to be shown.
fn actor() -> Actor {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| !c.is_control()).take(200).collect();
    let name = if user.is_empty() { "cli".to_owned() } else { format!("cli:{user}") };
    // Neither empty nor too long nor with control characters; if the rule changes, the act still counts.
    Actor::new(&name).unwrap_or_else(|_| Actor::service())
}
