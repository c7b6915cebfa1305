//! One cluster for all tests of a process.

use super::{Durability, Postgres, Settings};
use std::sync::OnceLock;

/// Enough for many tests at the same time, each with a pool of its own.
const MAX_CONNECTIONS: &str = "300";

impl Postgres {
    /// The cluster that all tests of this process share, with [`Durability::None`] and 300 connections; started when
    /// first asked for. A static is never dropped: the system stops it when the process ends, in whatever way.
    ///
    /// # Panics
    /// It cannot be started; the message is that of [`Postgres::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            let settings = Settings::new(Durability::None).with("max_connections", MAX_CONNECTIONS);
            Self::start(settings).unwrap_or_else(|fault| panic!("{fault}"))
        })
    }
}
