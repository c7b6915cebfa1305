//! Receiving a body within limits of size, time and memory.

use crate::budget::Reservation;
use crate::classify;
use crate::config::FetchConfig;
use crate::deadline::Deadline;
use crate::error::Failure;
use crate::rate::Rate;
use crate::slot::Slot;
use bytes::Bytes;
use ream_core::ErrorClass;
use reqwest::Response;
use tokio::time::Instant;

/// The first piece of memory for a body of unknown length; doubles as it fills.
const FIRST_BYTES: u64 = 64 * 1024;

pub(crate) struct Receiver<'a> {
    pub(crate) config: &'a FetchConfig,
    pub(crate) reservation: &'a mut Reservation,
    pub(crate) deadline: &'a mut Deadline,
    pub(crate) slot: &'a mut Slot,
}

impl Receiver<'_> {
    pub(crate) async fn receive(mut self, response: Response) -> Result<Bytes, Failure> {
        let status = response.status().as_u16();
        self.read(response).await.map_err(|failure| failure.with_status(status))
    }

    async fn read(&mut self, mut response: Response) -> Result<Bytes, Failure> {
        let declared = response.content_length();
        if let Some(length) = declared.filter(|length| *length > self.config.max_bytes) {
            return Err(self.too_large(&length.to_string()));
        }
        let mut rate = Rate::new(self.config);
        let mut bytes = Vec::new();
        // Exact where the length is declared: the file is often kept as it came.
        self.grow(&mut bytes, declared.unwrap_or(0), &mut rate).await;
        loop {
            let more = self.deadline.limit(self.config.read_timeout, "no more of the body", response.chunk());
            let Some(piece) = self.slot.during(more).await?.map_err(|error| classify::body_error(&error))?
            else {
                break;
            };
            let length = (bytes.len() + piece.len()) as u64;
            if length > self.config.max_bytes {
                return Err(self.too_large(&format!("more than {}", self.config.max_bytes)));
            }
            if length > bytes.capacity() as u64 {
                let roomy = (2 * bytes.capacity() as u64).max(FIRST_BYTES).min(self.config.max_bytes);
                self.grow(&mut bytes, roomy.max(length), &mut rate).await;
            }
            bytes.extend_from_slice(&piece);
            rate.received(piece.len() as u64, Instant::now())?;
        }
        let length = bytes.len() as u64;
        if declared.is_some_and(|declared| length < declared) {
            return Err(Failure::new(ErrorClass::Truncated, format!("the body ended after {length} bytes")));
        }
        bytes.shrink_to_fit();
        self.reservation.shrink_to(length);
        Ok(Bytes::from(bytes))
    }

    /// Makes room for `size` bytes in all, once the budget has it. That wait is not the server's.
    async fn grow(&mut self, bytes: &mut Vec<u8>, size: u64, rate: &mut Rate) {
        let waiting = Instant::now();
        self.reservation.reserve(size.saturating_sub(bytes.capacity() as u64)).await;
        let waited = waiting.elapsed();
        self.deadline.extend(waited);
        self.slot.extend(waited);
        rate.extend(waited);
        let room = usize::try_from(size).unwrap_or(usize::MAX);
        bytes.reserve_exact(room.saturating_sub(bytes.len()));
    }

    fn too_large(&self, size: &str) -> Failure {
        let message = format!("{size} bytes, allowed are {}", self.config.max_bytes);
        Failure::new(ErrorClass::TooLarge, message)
    }
}
