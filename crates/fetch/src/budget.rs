//! The memory that bodies may take, shared by all fetches.
//!
//! A fetch reserves once per attempt, before its body is read: the declared length, or the largest allowed where none
//! is declared; what turns out unneeded goes back. The reservation lives as long as the bytes do.
//!
//! Callers that use images in order keep later ones while an earlier one is still being fetched. If those could fill
//! the budget, the earlier one would wait for them and they for it. So the oldest fetch never waits: it may overdraw
//! the budget by its one body, which bounds the overdraft, and as fetches end each becomes the oldest in turn.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
    limit: u64,
}

#[derive(Default)]
struct State {
    used: u64,
    next: u64,
    open: BTreeSet<u64>,
}

impl State {
    fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::default(), changed: Notify::new(), limit }) }
    }

    /// Takes a place in the order of fetches; holds nothing yet.
    pub(crate) fn join(&self) -> Reservation {
        let mut state = self.shared.lock();
        let number = state.next;
        state.next += 1;
        state.open.insert(number);
        Reservation { shared: Arc::clone(&self.shared), number, held: 0 }
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
    held: u64,
}

impl Reservation {
    /// Waits until `bytes` are free, or until this is the oldest fetch.
    pub(crate) async fn reserve(&mut self, bytes: u64) {
        loop {
            let shared = Arc::clone(&self.shared);
            let mut changed = std::pin::pin!(shared.changed.notified());
            // Listening begins before looking, so no change is missed in between.
            changed.as_mut().enable();
            if self.try_reserve(bytes) {
                return;
            }
            changed.await;
        }
    }

    fn try_reserve(&mut self, bytes: u64) -> bool {
        let mut state = self.shared.lock();
        let fits = state.used.saturating_add(bytes) <= self.shared.limit;
        if fits || state.open.first() == Some(&self.number) {
            state.used = state.used.saturating_add(bytes);
            self.held = self.held.saturating_add(bytes);
            return true;
        }
        false
    }

    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let back = self.held.saturating_sub(bytes);
        if back > 0 {
            self.held -= back;
            self.shared.lock().release(back);
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.release(self.held);
            state.open.remove(&self.number);
        }
        self.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn the_budget_is_shared_and_given_back() {
        let budget = Budget::new(100);
        let (mut a, mut b, mut c) = (budget.join(), budget.join(), budget.join());
        a.reserve(40).now_or_never().unwrap();
        b.reserve(60).now_or_never().unwrap();
        assert!(c.reserve(1).now_or_never().is_none());
        b.shrink_to(10);
        c.reserve(50).now_or_never().unwrap();
        drop((a, b, c));
        assert_eq!(budget.shared.lock().used, 0);
        assert!(budget.shared.lock().open.is_empty());
    }

    #[test]
    fn the_oldest_never_waits_for_the_younger() {
        let budget = Budget::new(100);
        let (mut oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
        third.reserve(100).now_or_never().unwrap();
        assert!(second.reserve(500).now_or_never().is_none());
        oldest.reserve(500).now_or_never().unwrap();
        drop(oldest);
        second.reserve(500).now_or_never().unwrap();
    }

    #[tokio::test]
    async fn a_waiter_wakes_when_it_becomes_the_oldest() {
        let budget = Budget::new(10);
        let (oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
        third.reserve(10).await;
        let mut waiting = std::pin::pin!(second.reserve(10));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        drop(oldest);
        waiting.await;
    }
}
