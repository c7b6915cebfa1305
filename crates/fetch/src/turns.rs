//! A limit on how many do something at once. Who waits is let in by age, not by arrival: an old fetch that comes
//! back after a retry or a redirect does not queue behind all that were called after it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Clones share the places.
#[derive(Clone)]
pub(crate) struct Turns {
    state: Arc<Mutex<State>>,
}

struct State {
    free: usize,
    tickets: u64,
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Turn>>,
    last_given: Instant,
}

/// A place, given to the next on drop.
pub(crate) struct Turn {
    /// `None` once it was handed on.
    state: Option<Arc<Mutex<State>>>,
}

/// Everybody who waited was sent away to look again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SentAway;

impl Turns {
    /// At least one place.
    pub(crate) fn new(places: usize) -> Self {
        let state =
            State { free: places.max(1), tickets: 0, waiting: BTreeMap::new(), last_given: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A place if one is free and nobody waits.
    pub(crate) fn try_take(&self) -> Option<Turn> {
        let mut state = lock(&self.state);
        state.free = state.free.checked_sub(1)?;
        state.last_given = Instant::now();
        Some(self.turn())
    }

    /// Waits for a place. `age` is the fetch's number: smaller goes first.
    pub(crate) async fn take(&self, age: u64) -> Result<Turn, SentAway> {
        let receiver = {
            let mut state = lock(&self.state);
            // Nobody waits while a place is free.
            if let Some(free) = state.free.checked_sub(1) {
                state.free = free;
                state.last_given = Instant::now();
                return Ok(self.turn());
            }
            let (sender, receiver) = oneshot::channel();
            let ticket = state.tickets;
            state.tickets += 1;
            state.waiting.insert((age, ticket), sender);
            receiver
        };
        receiver.await.map_err(|_| SentAway)
    }

    /// When a place was last given to somebody: as long as that goes on, waiting is worth it.
    pub(crate) fn last_given(&self) -> Instant {
        lock(&self.state).last_given
    }

    /// Wakes all who wait, without a place.
    pub(crate) fn send_away(&self) {
        let waiting = std::mem::take(&mut lock(&self.state).waiting);
        drop(waiting);
    }

    fn turn(&self) -> Turn {
        Turn { state: Some(Arc::clone(&self.state)) }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Each change is a single step, so the state is whole whatever happened to the thread that held the lock.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        loop {
            let next = {
                let mut locked = lock(&state);
                let next = locked.waiting.pop_first();
                match next {
                    Some(_) => locked.last_given = Instant::now(),
                    None => locked.free += 1,
                }
                next
            };
            let Some((_, sender)) = next else { return };
            match sender.send(Self { state: Some(Arc::clone(&state)) }) {
                Ok(()) => return,
                // Its receiver gave up: the place goes to the next, by this loop and not by recursion.
                Err(mut refused) => refused.state = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn places_are_limited_and_the_oldest_goes_first() {
        let turns = Turns::new(1);
        let held = turns.take(9).now_or_never().unwrap().unwrap();
        let (mut late, mut early) = (Box::pin(turns.take(7)), Box::pin(turns.take(3)));
        assert!(late.as_mut().now_or_never().is_none() && early.as_mut().now_or_never().is_none());
        assert!(turns.try_take().is_none());
        drop(held);
        assert!(late.as_mut().now_or_never().is_none());
        let second = early.now_or_never().unwrap().unwrap();
        drop(second);
        assert!(late.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_place_is_not_lost_with_those_who_gave_up() {
        let turns = Turns::new(1);
        let held = turns.try_take().unwrap();
        for age in 0..100_000 {
            assert!(turns.take(age).now_or_never().is_none());
        }
        let mut patient = Box::pin(turns.take(u64::MAX));
        assert!(patient.as_mut().now_or_never().is_none());
        drop(held);
        drop(patient);
        assert!(turns.try_take().is_some());
        assert!(lock(&turns.state).waiting.is_empty());
    }

    #[test]
    fn all_can_be_sent_away() {
        let turns = Turns::new(1);
        let held = turns.try_take().unwrap();
        let mut waiting = Box::pin(turns.take(1));
        assert!(waiting.as_mut().now_or_never().is_none());
        turns.send_away();
        assert_eq!(waiting.now_or_never().unwrap().err(), Some(SentAway));
        drop(held);
        assert!(turns.try_take().is_some());
    }
}
