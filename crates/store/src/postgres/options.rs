//! How a PostgreSQL database is reached.

use ream_core::{Error, Result};
use std::fmt;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// How a PostgreSQL database is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with libpq's parameters. May hold a password: never printed.
    pub url: String,
    /// Whether to lay the schema out where there is none at all. Default true. An older one is never touched; that is
    /// what [`super::PostgresStore::migrate`] is for.
    pub create: bool,
    /// Connections kept at most, 1 to 1000. Default 8. One more hears wake-ups.
    pub max_connections: usize,
    /// How long one try at a call may take. Default 15 s.
    pub call_timeout: Duration,
    /// How long a call is tried again while the database is out of reach or undoes it. Default 30 s.
    pub patience: Duration,
    /// How many days the activity log keeps, 1 to 36500. Default 90. Older days are dropped whole.
    pub activity_keep_days: u32,
}

impl PostgresOptions {
    /// The defaults for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            create: true,
            max_connections: 8,
            call_timeout: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            activity_keep_days: 90,
        }
    }

    /// Looks whether the URL can be read, without connecting.
    ///
    /// # Errors
    /// Validation: it cannot.
    pub fn check_url(&self) -> Result<()> {
        self.config().map(|_| ())
    }

    pub(super) fn validate(&self) -> Result<()> {
        if !(1..=1000).contains(&self.max_connections) {
            return Err(Error::invalid("max_connections", self.max_connections, "1 to 1000"));
        }
        if !(1..=36_500).contains(&self.activity_keep_days) {
            return Err(Error::invalid("activity_keep_days", self.activity_keep_days, "1 to 36500"));
        }
        Ok(())
    }

    /// The URL, read.
    pub(super) fn config(&self) -> Result<Config> {
        let mut config: Config = self.url.parse().map_err(|error: tokio_postgres::Error| {
            // The message names a parameter, and never a value that may be secret.
            let cause =
                std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
            Error::invalid(
                "database",
                format!("no URL that PostgreSQL's clients would take{cause}"),
                "postgres://USER:PASSWORD@HOST:PORT/DATABASE",
            )
        })?;
        if config.get_hosts().is_empty() {
            return Err(Error::invalid(
                "database",
                "a URL without a host",
                "postgres://USER@HOST:PORT/DATABASE",
            ));
        }
        // A server on this machine often has a certificate that it made for itself, and nobody in between.
        if config.get_ssl_mode() == SslMode::Prefer && config.get_hosts().iter().all(is_here) {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_application_name().is_none() {
            config.application_name("ream");
        }
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(5));
        config.connect_timeout(connect_timeout);
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(self.call_timeout);
        Ok(config)
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("create", &self.create)
            .field("max_connections", &self.max_connections)
            .field("call_timeout", &self.call_timeout)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
