//! Notices a body that drips: each piece in time, but hardly any bytes.

use crate::config::FetchConfig;
use crate::error::Failure;
use ream_core::ErrorClass;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) struct Rate {
    window: Duration,
    bytes_per_s: u64,
    started: Instant,
    bytes: u64,
}

impl Rate {
    pub(crate) fn new(config: &FetchConfig) -> Self {
        let (window, bytes_per_s) = (config.rate_window, config.min_rate_bytes_per_s);
        Self { window, bytes_per_s, started: Instant::now(), bytes: 0 }
    }

    pub(crate) fn received(&mut self, bytes: u64, now: Instant) -> Result<(), Failure> {
        self.bytes += bytes;
        let elapsed = now.duration_since(self.started);
        if elapsed < self.window {
            return Ok(());
        }
        let least = self.bytes_per_s as f64 * elapsed.as_secs_f64();
        if (self.bytes as f64) < least {
            let message = format!("slower than {} bytes/s over {:?}", self.bytes_per_s, self.window);
            return Err(Failure::new(ErrorClass::Timeout, message));
        }
        (self.started, self.bytes) = (now, 0);
        Ok(())
    }

    /// Time that is not the server's fault does not count.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.started += by;
    }
}
