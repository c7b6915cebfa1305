//! A server from its start to its end.

use crate::accept;
use crate::app::App;
use crate::config::ServerConfig;
use crate::tls;
use ream::{Duties, Store};
use ream_image_jobs::storage::Access;
use ream_image_jobs::{DatasetFinisher, ScratchFolder};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// How often what is remembered of clients is looked through.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Anybody could do anything.
    #[error(
        "without any token the server listens on loopback only, and {0} is reached from elsewhere; make a first token with \
         `ream tokens create --name admin --role admin`, or listen on 127.0.0.1"
    )]
    NoTokens(SocketAddr),
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Certificate or key.
    #[error("cannot use `{}` for TLS: {message}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        message: String,
    },
    /// The database's.
    #[error(transparent)]
    Database(#[from] ream::Error),
}

/// A server that listens already, and answers once it [runs](Server::run).
pub struct Server {
    app: App,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
    does_duties: bool,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`ServerError`], all of them.
    pub async fn bind(store: Arc<dyn Store>, config: ServerConfig) -> Result<Self, ServerError> {
        let address = config.listen;
        if !address.ip().to_canonical().is_loopback() && !store.any_tokens().await? {
            return Err(ServerError::NoTokens(address));
        }
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
        let address = listener.local_addr().unwrap_or(address);
        let app = App::new(store, config);
        Ok(Self { app, listener, tls, address, does_duties: true })
    }

    /// The same without maintenance, for those who have another process do it.
    #[must_use]
    pub fn without_duties(mut self) -> Self {
        self.does_duties = false;
        self
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub const fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Answers until `stop` is said. Then it takes no new requests, lets those in flight end within
    /// [`Limits::drain_timeout`](crate::Limits), and answers how many it had to cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) -> usize {
        let duties = self.does_duties.then(|| Duties::start(self.app.repository.clone()));
        let tidying = tokio::spawn(tidy(self.app.clone()));
        let finishing = self.does_duties.then(|| tokio::spawn(finish_datasets(self.app.clone())));
        let cut_off = accept::serve(self.app, self.listener, self.tls, stop).await;
        tidying.abort();
        if let Some(finishing) = finishing {
            finishing.abort();
        }
        if let Some(duties) = duties {
            duties.stop().await;
        }
        cut_off
    }
}

/// Publishes what dead workers left, and writes the summaries of datasets, where the server has a storage.
async fn finish_datasets(app: App) {
    if app.config.storage.is_none() {
        return;
    }
    match ScratchFolder::create(None) {
        Ok(scratch) => {
            let access = Access::of_this_process();
            DatasetFinisher::new(app.chunks.clone(), access, scratch.path().to_owned()).run().await;
        }
        Err(error) => {
            tracing::warn!(%error, "datasets are finished by others: there is no folder to write in");
        }
    }
}

async fn tidy(app: App) {
    loop {
        tokio::time::sleep(TIDY_INTERVAL).await;
        app.rates.tidy();
        app.metrics.tidy();
    }
}
