//! Receiving a body within limits of size, time and memory.

use crate::budget::Reservation;
use crate::classify::{self, Failure};
use crate::config::FetchConfig;
use crate::deadline::Deadline;
use bytes::Bytes;
use ream_core::ErrorClass;
use reqwest::Response;
use std::time::Duration;
use tokio::time::Instant;

pub(crate) async fn receive(
    response: Response,
    reservation: &mut Reservation,
    deadline: &mut Deadline,
    config: &FetchConfig,
) -> Result<Bytes, Failure> {
    let status = response.status().as_u16();
    read(response, reservation, deadline, config).await.map_err(|failure| failure.with_status(status))
}

async fn read(
    mut response: Response,
    reservation: &mut Reservation,
    deadline: &mut Deadline,
    config: &FetchConfig,
) -> Result<Bytes, Failure> {
    let too_large = |size: String| {
        let message = format!("{size} bytes, allowed are {}", config.max_bytes);
        Failure::new(ErrorClass::TooLarge, message)
    };
    let declared = response.content_length();
    if let Some(length) = declared.filter(|length| *length > config.max_bytes) {
        return Err(too_large(length.to_string()));
    }
    let waiting = Instant::now();
    reservation.reserve(declared.unwrap_or(config.max_bytes)).await;
    deadline.extend(waiting.elapsed());

    // Exact where the length is declared: growing by doubling would take up to twice what was reserved.
    let mut bytes = Vec::with_capacity(declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
    let mut rate = Rate::new(config);
    loop {
        let next = deadline.limit(config.read_timeout, "no more of the body", response.chunk()).await?;
        let Some(piece) = next.map_err(|error| classify::body_error(&error))? else { break };
        if (bytes.len() + piece.len()) as u64 > config.max_bytes {
            return Err(too_large(format!("more than {}", config.max_bytes)));
        }
        bytes.extend_from_slice(&piece);
        rate.received(piece.len() as u64, Instant::now())?;
    }
    let length = bytes.len() as u64;
    if declared.is_some_and(|declared| length < declared) {
        return Err(Failure::new(ErrorClass::Truncated, format!("the body ended after {length} bytes")));
    }
    bytes.shrink_to_fit();
    reservation.shrink_to(length);
    Ok(Bytes::from(bytes))
}

/// Notices a body that drips: each piece in time, but hardly any bytes.
struct Rate {
    window: Duration,
    bytes_per_s: u64,
    started: Instant,
    bytes: u64,
}

impl Rate {
    fn new(config: &FetchConfig) -> Self {
        let (window, bytes_per_s) = (config.rate_window, config.min_rate_bytes_per_s);
        Self { window, bytes_per_s, started: Instant::now(), bytes: 0 }
    }

    fn received(&mut self, bytes: u64, now: Instant) -> Result<(), Failure> {
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
}
