//! What every command has at hand.

use crate::failure::{Failure, Result};
use crate::output::{Output, text};
use crate::settings::{Settings, Source};
use ream::{Actor, CrawlJobService, DatabaseUrl, JobChunkRepository, JobChunkingService, Store};
use ream_client::{ClientOptions, RemoteRepository};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a command goes on asking a server that is out of reach: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The printer and the settings.
pub(crate) struct Context<'a> {
    pub(crate) out: &'a Output,
    pub(crate) settings: &'a Settings,
}

/// An open database, or a server.
pub(crate) struct Session {
    pub(crate) jobs: CrawlJobService,
    pub(crate) chunks: JobChunkingService,
    /// What only a server is asked.
    pub(crate) server: Option<Arc<RemoteRepository>>,
}

/// Where a command's questions go.
enum Target {
    Server(ClientOptions),
    Database,
}

impl<'a> Context<'a> {
    pub(crate) const fn new(out: &'a Output, settings: &'a Settings) -> Self {
        Self { out, settings }
    }

    /// The server or the database, whichever was said with more emphasis: a flag counts before a variable.
    fn target(&self) -> Result<Target> {
        let (server, database) = (&self.settings.server, &self.settings.database.url);
        let Some(options) = server.client() else { return Ok(Target::Database) };
        let (asked, other) = (server.urls.source.rank(), database.source.rank());
        if asked == other {
            return Err(Failure::usage(format!(
                "both a server and a database are named: `{}` and `{}`",
                server.urls.name(),
                database.name()
            ))
            .hint("name the one to ask with a flag: `--server` or `--database`"));
        }
        Ok(if asked > other { Target::Server(options) } else { Target::Database })
    }

    /// Opens what is to be asked; a database must be there.
    ///
    /// # Errors
    /// Usage: both a server and a database are named. Unreachable: it is missing or cannot be opened.
    pub(crate) async fn open(&self) -> Result<Session> {
        match self.target()? {
            Target::Server(options) => server_session(&ClientOptions { patience: PATIENCE, ..options }),
            Target::Database => Ok(database_session(self.open_store().await?)),
        }
    }

    /// As [`Self::open`], for what goes on while a server is started again.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_for_long(&self) -> Result<Session> {
        match self.target()? {
            Target::Server(options) => server_session(&options),
            Target::Database => Ok(database_session(self.open_store().await?)),
        }
    }

    /// Opens what is to be asked, and makes a database where it is missing.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn create(&self) -> Result<Session> {
        match self.target()? {
            Target::Server(options) => server_session(&ClientOptions { patience: PATIENCE, ..options }),
            Target::Database => Ok(database_session(self.create_store().await?)),
        }
    }

    /// Opens what is to be asked; `None` when it is the default database and was never made: then there simply is nothing yet.
    /// One that was named must be there, or a slip of the hand would look like an empty database.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_if_made(&self) -> Result<Option<Session>> {
        let by_default = self.settings.database.url.source == Source::Default;
        if matches!(self.target()?, Target::Database) && by_default && self.missing_file().is_some() {
            return Ok(None);
        }
        self.open().await.map(Some)
    }

    /// Opens the database itself, for what no server does; it must be there.
    ///
    /// # Errors
    /// Usage: a server is named. Unreachable: it is missing or cannot be opened.
    pub(crate) async fn open_store(&self) -> Result<Arc<dyn Store>> {
        self.check_no_server()?;
        match self.missing_file() {
            Some(path) => Err(Failure::unreachable(format!("there is no database `{}`", path.display()))
                .hint(
                    "`ream jobs create` makes it; `--database` names another: sqlite:PATH or postgres://…",
                )),
            None => Ok(self.settings.database.url.value.open(false).await?),
        }
    }

    /// As [`Self::open_store`], and makes the database where it is missing.
    ///
    /// # Errors
    /// Usage: a server is named. Unreachable: it cannot be opened or made.
    pub(crate) async fn create_store(&self) -> Result<Arc<dyn Store>> {
        self.check_no_server()?;
        let opened = self.settings.database.url.value.open(true).await;
        opened.map_err(|error| match self.missing_file().and_then(Path::parent) {
            Some(folder) if !folder.as_os_str().is_empty() && !folder.exists() => Failure::from(error)
                .hint(format!("the folder `{}` does not exist; make it first", folder.display())),
            _ => error.into(),
        })
    }

    /// Refuses `--server` where the command works on the database itself. A variable may name one for other commands.
    pub(crate) fn check_no_server(&self) -> Result<()> {
        match (&self.settings.server.urls.value, &self.settings.server.urls.source) {
            // Else it would be done, without a word, on a file that no server knows.
            (Some(_), Source::Env(_) | Source::File { .. })
                if self.settings.database.url.source == Source::Default =>
            {
                Err(Failure::usage(format!(
                    "this is done on the database itself, and `{}` names a server",
                    self.settings.server.urls.name()
                ))
                .hint("`--database` names the database: sqlite:PATH or postgres://…"))
            }
            (Some(_), Source::Flag(_)) => {
                Err(Failure::usage("this is done on the database itself, not through a server")
                    .hint("`--database` names it: sqlite:PATH or postgres://…"))
            }
            _ => Ok(()),
        }
    }

    fn missing_file(&self) -> Option<&Path> {
        match &self.settings.database.url.value {
            DatabaseUrl::Sqlite(path) if !path.exists() => Some(path),
            DatabaseUrl::Sqlite(_) | DatabaseUrl::Postgres(_) => None,
        }
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

fn server_session(options: &ClientOptions) -> Result<Session> {
    let server = Arc::new(RemoteRepository::connect(options)?);
    Ok(Session { server: Some(server.clone()), ..session(server) })
}

fn database_session(store: Arc<dyn Store>) -> Session {
    session(store)
}

fn session(repository: Arc<dyn JobChunkRepository>) -> Session {
    let actor = actor();
    Session {
        jobs: CrawlJobService::new(repository.clone()).acting_as(actor.clone()),
        chunks: JobChunkingService::new(repository).acting_as(actor),
        server: None,
    }
}

/// Who acts, for the activity log: `cli:` and the user's name as far as it is known and fit to be shown.
pub(crate) fn actor() -> Actor {
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let user: String = user.chars().filter(|c| !c.is_control()).take(200).collect();
    let name = if user.is_empty() { "cli".to_owned() } else { format!("cli:{user}") };
    // Neither empty nor too long nor with control characters; if the rule changes, the act still counts.
    Actor::new(&name).unwrap_or_else(|_| Actor::service())
}
