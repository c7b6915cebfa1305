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
    held: usize,
    /// May be fewer than are held, after it shrank.
    places: usize,
    least: usize,
    most: usize,
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
        Self::growing(places, places)
    }

    /// `least` places at first, and at most `most`: see [`Self::grow`] and [`Self::shrink`].
    pub(crate) fn growing(least: usize, most: usize) -> Self {
        let most = most.max(1);
        let least = least.clamp(1, most);
        let state = State {
            held: 0,
            places: least,
            least,
            most,
            tickets: 0,
            waiting: BTreeMap::new(),
            last_given: Instant::now(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// One place more, up to the most.
    pub(crate) fn grow(&self) {
        {
            let mut state = lock(&self.state);
            if state.places >= state.most {
                return;
            }
            state.places += 1;
        }
        hand_out(&self.state);
    }

    /// Back to the least: who holds a place keeps it, but it is not handed on.
    pub(crate) fn shrink(&self) {
        let mut state = lock(&self.state);
        state.places = state.least;
    }

    /// A place if one is free and nobody waits.
    pub(crate) fn try_take(&self) -> Option<Turn> {
        lock(&self.state).take().then(|| self.turn())
    }

    /// Waits for a place. `age` is the fetch's number: smaller goes first.
    pub(crate) async fn take(&self, age: u64) -> Result<Turn, SentAway> {
        let receiver = {
            let mut state = lock(&self.state);
            // Nobody waits while a place is free.
            if state.take() {
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

impl State {
    /// Takes a free place, if there is one.
    fn take(&mut self) -> bool {
        if self.held >= self.places {
            return false;
        }
        self.held += 1;
        self.last_given = Instant::now();
        true
    }
}

/// Gives free places to those who wait, the oldest first.
fn hand_out(state: &Arc<Mutex<State>>) {
    loop {
        let sender = {
            let mut locked = lock(state);
            if locked.waiting.is_empty() || !locked.take() {
                return;
            }
            locked.waiting.pop_first()
        };
        let Some((_, sender)) = sender else { return };
        if let Err(mut refused) = sender.send(Turn { state: Some(Arc::clone(state)) }) {
            // Its receiver gave up: the place goes to the next, by this loop and not by recursion.
            refused.state = None;
            lock(state).held -= 1;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(state) = self.state.take() else { return };
        lock(&state).held -= 1;
        hand_out(&state);
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
    fn places_grow_one_by_one_and_shrink_as_they_are_given_back() {
        let turns = Turns::growing(2, 3);
        let mut held: Vec<_> = std::iter::from_fn(|| turns.try_take()).collect();
        assert_eq!(held.len(), 2);
        let mut waiting = Box::pin(turns.take(1));
        assert!(waiting.as_mut().now_or_never().is_none());
        turns.grow();
        turns.grow();
        held.push(waiting.now_or_never().unwrap().unwrap());
        assert!(turns.try_take().is_none(), "three are the most");
        turns.shrink();
        held.pop();
        assert!(turns.try_take().is_none(), "two are held still");
        held.pop();
        assert!(turns.try_take().is_some());
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
