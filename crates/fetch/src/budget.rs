//! The memory that fetched files and work on them may take, shared by all fetches, and the order of fetches.
//!
//! Callers use images in order and keep later ones while an earlier one is still being fetched. If the later ones
//! could fill the budget, the earlier one would wait for them and they for it. Hence these rules:
//!
//! - *Bodies* of all fetches but the oldest fill at most a quarter of the budget. They are let in by age.
//! - The oldest fetch never waits for memory: it may overdraw by its one body. As fetches end, each becomes the
//!   oldest in turn.
//! - While any fetch waits for memory, the oldest also passes every queue whose places younger fetches may hold
//!   ([`Reservation::must_pass`]), because those places come free only after it is done.
//! - *Work* (decoding) ends by itself and waits for nobody. It is let in, oldest first, while all memory in use stays
//!   within the budget, or when no other work is running.
//!
//! So memory in use never exceeds the larger of the budget and a quarter of it plus one piece of work, plus one body.

mod state;
#[cfg(test)]
mod tests;
mod work;

use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
pub use work::WorkPermit;

#[derive(Clone)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

impl Budget {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(State::new(limit_bytes)) }) }
    }

    /// Takes a place in the order of fetches; holds nothing yet.
    pub(crate) fn join(&self) -> Reservation {
        let wake = Arc::new(Notify::new());
        let number = self.shared.lock().join(Arc::clone(&wake));
        Reservation { shared: Arc::clone(&self.shared), number, wake }
    }

    #[cfg(test)]
    pub(crate) fn used_bytes(&self) -> u64 {
        self.shared.lock().used_bytes()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain numbers: they are whole whatever happened to the thread that held the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fetch's place in the order and its share of the memory, given back on drop.
pub struct Reservation {
    shared: Arc<Shared>,
    number: u64,
    wake: Arc<Notify>,
}

impl Reservation {
    /// The place in the order: smaller is older.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Waits until `bytes` more are free, or until this is the oldest fetch.
    pub(crate) async fn reserve(&mut self, bytes: u64) {
        self.shared.lock().want(self.number, bytes);
        let waiting = Waiting(self);
        while waiting.0.shared.lock().is_waiting(waiting.0.number) {
            waiting.0.wake.notified().await;
        }
    }

    /// Ends when this is the oldest fetch and another waits for memory: then a queue must be passed, because the
    /// places in front may be held by fetches that wait for this one.
    pub(crate) async fn must_pass(&self) {
        while !self.shared.lock().must_pass(self.number) {
            self.wake.notified().await;
        }
    }

    /// Whether bodies fill half of what they may fill, and others will be used before this one: a caller with another
    /// place for it should make room then, or all wait for the oldest.
    pub fn memory_is_short(&self) -> bool {
        self.shared.lock().is_short(self.number)
    }

    /// Gives back all memory but `bytes`: once a small result has replaced what was fetched, only that counts.
    /// Asking for more than is held changes nothing.
    pub fn shrink_to(&mut self, bytes: u64) {
        self.shared.lock().shrink(self.number, bytes);
    }

    /// Counts so many bytes from now on, without waiting: for a result that replaced what was fetched and may be larger.
    pub fn set_to(&mut self, bytes: u64) {
        self.shared.lock().set(self.number, bytes);
    }

    /// Waits for memory for a piece of work that ends by itself and waits for nobody, such as decoding. The bound:
    /// work is let in while everything in use stays within the budget, or when no other work is running, so a file
    /// that needs it all runs alone. Older fetches' work goes first.
    pub async fn work(&self, bytes: u64) -> WorkPermit {
        work::wait(&self.shared, self.number, bytes).await
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.lock().leave(self.number);
    }
}

/// Takes the wish back where the wait is given up.
struct Waiting<'a>(&'a mut Reservation);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.shared.lock().want_no_more(self.0.number);
    }
}
