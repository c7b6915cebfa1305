//! What every operation has: a way to the server, and how long it may take.

use super::connect::Connections;
use super::transaction::Begin;
use super::tries::Tries;
use super::wake_ups::Waker;
use std::time::Duration;

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
    /// The tries at one operation.
    pub(super) fn tries(&self, begin: Begin) -> Tries<'_> {
        let call_timeout = if begin.is_long() { CHECK_TIMEOUT } else { self.call_timeout };
        Tries::new(&self.connections, &self.waker, begin, call_timeout, self.patience)
    }
}
