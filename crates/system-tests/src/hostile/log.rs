//! What the site saw, in order.

use super::exchange::Request;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One thing that the site saw.
#[derive(Debug, Clone)]
pub enum Event {
    /// A connection to an address that is no case's, or to a port that is not open: nobody may come there.
    Stray(SocketAddr),
    /// A look-up of a name.
    Name(String),
    /// A request, by the case's label.
    Request {
        /// When it had been read.
        at: Instant,
        /// The case's label.
        label: String,
        /// The request's head.
        request: Request,
        /// Requests of the same host in work at that moment, this one included.
        in_flight: usize,
    },
}

/// A log that many threads write.
#[derive(Debug, Default)]
pub struct Log {
    events: Mutex<Vec<Event>>,
    in_flight: Mutex<BTreeMap<String, usize>>,
    most_sent: Mutex<BTreeMap<String, u64>>,
}

impl Log {
    pub(super) fn stray(&self, address: IpAddr, port: u16) {
        locked(&self.events).push(Event::Stray(SocketAddr::new(address.to_canonical(), port)));
    }

    pub(super) fn name(&self, name: &str) {
        locked(&self.events).push(Event::Name(name.to_owned()));
    }

    pub(super) fn begins(&self, label: &str, request: &Request) {
        let in_flight = {
            let mut counts = locked(&self.in_flight);
            let count = counts.entry(label.to_owned()).or_default();
            *count += 1;
            *count
        };
        let (label, request) = (label.to_owned(), request.clone());
        locked(&self.events).push(Event::Request { at: Instant::now(), label, request, in_flight });
    }

    pub(super) fn ends(&self, label: &str) {
        if let Some(count) = locked(&self.in_flight).get_mut(label) {
            *count = count.saturating_sub(1);
        }
    }

    pub(super) fn sent(&self, label: &str, bytes: u64) {
        let mut most = locked(&self.most_sent);
        let entry = most.entry(label.to_owned()).or_default();
        *entry = bytes.max(*entry);
    }

    /// Everything so far.
    pub fn events(&self) -> Vec<Event> {
        locked(&self.events).clone()
    }

    /// The most bytes of one answer of a host.
    pub fn most_sent_bytes(&self, label: &str) -> u64 {
        locked(&self.most_sent).get(label).copied().unwrap_or(0)
    }
}

/// A handler that panicked has left a whole log behind.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
