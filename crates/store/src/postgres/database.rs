//! What every operation has: a way to the server, and how long it may take.

use super::connect::Connections;
use super::transaction::Begin;
use super::tries::Tries;
use super::wake_ups::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// How long a check may take that reads every chunk of a job.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3600);

/// A database that is in use.
pub(super) struct Database {
    pub(super) connections: Connections,
    pub(super) waker: Waker,
    /// For one try.
    pub(super) call_timeout: Duration,
    /// For all tries of a call.
    pub(super) patience: Duration,
}

impl Database {
    /// The tries at one operation, from now on.
    pub(super) fn tries(&self, begin: Begin) -> Tries<'_> {
        self.asked_at(Instant::now()).tries(begin)
    }

    /// For a call that has waited since: its patience counts from there.
    pub(super) const fn asked_at(&self, asked_at: Instant) -> AskedAt<'_> {
        AskedAt { database: self, asked_at }
    }
}

/// A database, and when it was asked.
pub(super) struct AskedAt<'d> {
    database: &'d Database,
    asked_at: Instant,
}

impl<'d> AskedAt<'d> {
    /// The tries at one operation: one at least, however long ago it was asked for.
    pub(super) fn tries(&self, begin: Begin) -> Tries<'d> {
        let Database { connections, waker, call_timeout, patience } = self.database;
        let call_timeout = if begin.is_long() { CHECK_TIMEOUT } else { *call_timeout };
        Tries::new(connections, waker, begin, call_timeout, self.asked_at + *patience)
    }
}
