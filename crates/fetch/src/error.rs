//! What failed: one hop or try inside this crate, and the whole fetch for its caller.

use ream_core::ErrorClass;
use std::time::Duration;

/// Why an image could not be fetched, after all tries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {message}")]
pub struct FetchError {
    /// For counting, and for choosing what to try again later.
    pub class: ErrorClass,
    /// What happened, in a line without the URL.
    pub message: String,
    /// The status of the last answer, if there was one.
    pub http_status: Option<u16>,
    /// Tries made; 0 where nothing was asked for: a bad URL, a robots.txt that refuses, a host given up.
    pub tries: u32,
    /// Milliseconds on the network, all tries together; waits for a turn, for memory or between tries do not count.
    pub fetch_ms: u64,
}

/// One try that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    /// Whether another try may help. Narrower than the class: a name that does not exist is of class `dns`, which
    /// is worth another crawl but not another try.
    pub(crate) again: bool,
    /// The host asks for fewer requests.
    pub(crate) back_off: bool,
    /// How long it asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
    /// The request never went out: no turn, a host given up.
    pub(crate) never_asked: bool,
    /// And that because the image's own patience ended.
    pub(crate) out_of_patience: bool,
}

impl Failure {
    pub(crate) fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            http_status: None,
            again: class.is_transient(),
            back_off: false,
            retry_after: None,
            never_asked: false,
            out_of_patience: false,
        }
    }

    /// One that another try cannot mend.
    pub(crate) fn for_good(mut self) -> Self {
        self.again = false;
        self
    }

    /// One for which the network was not asked.
    pub(crate) fn before_asking(mut self) -> Self {
        self.never_asked = true;
        self.for_good()
    }

    /// One for want of time.
    pub(crate) fn out_of_patience(mut self) -> Self {
        self.out_of_patience = true;
        self.before_asking()
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    pub(crate) fn into_error(self, tries: u32, busy: Duration) -> FetchError {
        let Self { class, message, http_status, .. } = self;
        FetchError { class, message, http_status, tries, fetch_ms: millis(busy) }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
