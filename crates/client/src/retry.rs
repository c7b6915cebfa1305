//! When a request is sent again.

use std::time::Duration;
use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What sending a request again would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The same as sending it once.
    Safe,
    /// Perhaps the same thing twice: only what surely did not arrive is sent again.
    OnlyUnsent,
}

/// What became of a request without an answer of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It did not arrive, or was refused before anything was done.
    Unsent,
    /// Nobody knows.
    Unknown,
}

/// Pauses that grow, until patience ends.
pub(crate) struct Pauses {
    deadline: Instant,
    next: Duration,
}

impl Pauses {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self { deadline, next: FIRST_PAUSE }
    }

    /// Waits before the next try; false when there is none.
    pub(crate) async fn wait(&mut self, repeat: Repeat, lost: Lost) -> bool {
        if lost == Lost::Unknown && repeat == Repeat::OnlyUnsent {
            return false;
        }
        let pause = self.next.mul_f64(0.5 + fastrand::f64() / 2.0);
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST_PAUSE);
        tokio::time::sleep(pause).await;
        true
    }
}
