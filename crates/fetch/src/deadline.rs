//! The end of a try, and shorter limits within it.

use crate::error::Failure;
use ream_core::ErrorClass;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Counts only the time on the network: waits are taken out with [`Deadline::extend`].
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    total: Duration,
    started: Instant,
    end: Instant,
}

impl Deadline {
    pub(crate) fn new(total: Duration) -> Self {
        let started = Instant::now();
        Self { total, started, end: later(started, total) }
    }

    /// Time that is not the server's fault does not count.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.started = later(self.started, by);
        self.end = later(self.end, by);
    }

    /// The time on the network so far.
    pub(crate) fn spent(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for a step of the try. `what` says what did not happen in time.
    pub(crate) async fn limit<T>(
        self,
        step: Duration,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let step_end = later(Instant::now(), step);
        timeout_at(self.end.min(step_end), future).await.map_err(|_| {
            let message = if self.end < step_end {
                format!("not done within {:?}", self.total)
            } else {
                format!("{what} within {step:?}")
            };
            Failure::new(ErrorClass::Timeout, message)
        })
    }
}

/// A limit too long for the clock is a month, so that no setting can make this panic.
pub(crate) fn later(start: Instant, by: Duration) -> Instant {
    const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
    start + by.min(MONTH)
}
