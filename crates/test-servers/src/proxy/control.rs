//! What the proxy is to do, shared by its threads.

use super::connection::{Connection, Link};
use super::{Direction, Ending};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The switches and counters of a proxy, and its connections. Whoever changes a switch wakes the threads that wait.
#[derive(Debug, Default)]
pub(super) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    flows: [Flow; 2],
    delay: Duration,
    accepted: u64,
    connections: Vec<Connection>,
}

/// One direction of all connections.
#[derive(Debug, Default)]
struct Flow {
    stalled: bool,
    cut: Option<Cut>,
    passed: u64,
}

/// A cut that is to come.
#[derive(Debug)]
struct Cut {
    bytes_left: u64,
    ending: Ending,
}

/// What becomes of bytes that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// So many of them go on, and then all connections are cut, or not.
    Open { bytes: usize, cut: bool },
    /// They are dropped, because this direction was closed.
    Closed,
    /// The connection has ended.
    Ended,
}

impl Control {
    pub(super) fn reset(&self) {
        self.change(|state| {
            state.delay = Duration::ZERO;
            for flow in &mut state.flows {
                flow.stalled = false;
                flow.cut = None;
            }
        });
    }

    pub(super) fn set_stalled(&self, direction: Direction, stalled: bool) {
        self.change(|state| state.flow(direction).stalled = stalled);
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    pub(super) fn cut_after(&self, direction: Direction, bytes: u64, ending: Ending) {
        self.change(|state| state.flow(direction).cut = Some(Cut { bytes_left: bytes, ending }));
    }

    pub(super) fn is_cut_pending(&self, direction: Direction) -> bool {
        self.lock().flow(direction).cut.is_some()
    }

    pub(super) fn half_close(&self, direction: Direction) {
        self.change(|state| state.links(|link| link.half_close(direction)));
    }

    /// Ends all connections and waits until they are closed.
    pub(super) fn cut(&self, ending: Ending) {
        let connections = self.change(|state| {
            state.links(|link| link.end(ending));
            std::mem::take(&mut state.connections)
        });
        connections.into_iter().for_each(Connection::join);
    }

    /// Ends one connection.
    pub(super) fn end(&self, link: &Link) {
        self.change(|_| link.end(Ending::Reset));
    }

    pub(super) fn accepted(&self) -> u64 {
        self.lock().accepted
    }

    pub(super) fn open(&self) -> usize {
        self.lock().connections.iter().filter(|connection| connection.is_open()).count()
    }

    pub(super) fn passed(&self, direction: Direction) -> u64 {
        self.lock().flow(direction).passed
    }

    /// Opens a connection. That is one step with noting it, so that no cut misses it once it is counted.
    pub(super) fn add(&self, open: impl FnOnce() -> io::Result<Connection>) {
        let mut state = self.lock();
        state.connections.retain(Connection::is_open);
        // Without threads for it the client finds itself disconnected.
        if let Ok(connection) = open() {
            state.accepted += 1;
            state.connections.push(connection);
        }
    }

    /// Waits until bytes that arrived then may go on. They are counted before they do, so that who has received them
    /// finds them counted.
    pub(super) fn gate(&self, link: &Link, direction: Direction, arrived: Instant, bytes: usize) -> Passage {
        let mut state = self.lock();
        loop {
            if link.has_ended() {
                return Passage::Ended;
            }
            let hold = state.delay.saturating_sub(arrived.elapsed());
            state = if state.flow(direction).stalled {
                self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
            } else if !hold.is_zero() {
                self.changed.wait_timeout(state, hold).unwrap_or_else(PoisonError::into_inner).0
            } else if link.is_half_closed(direction) {
                return Passage::Closed;
            } else {
                return state.flow(direction).pass(bytes);
            }
        }
    }

    /// Makes the cut that the bytes of this connection were the last before.
    pub(super) fn cut_now(&self, link: &Link, direction: Direction) {
        self.change(|state| {
            // Another connection may have come first, and a further cut been asked for since.
            if link.has_ended() {
                return;
            }
            if let Some(cut) = state.flow(direction).cut.take_if(|cut| cut.bytes_left == 0) {
                state.links(|link| link.end(cut.ending));
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }
}

impl State {
    fn flow(&mut self, direction: Direction) -> &mut Flow {
        &mut self.flows[direction as usize]
    }

    fn links(&self, mut act: impl FnMut(&Link)) {
        self.connections.iter().filter_map(Connection::link).for_each(|link| act(&link));
    }
}

impl Flow {
    fn pass(&mut self, arrived: usize) -> Passage {
        let mut bytes = arrived;
        let mut is_last = false;
        // The end of a stream has no bytes and is never the last.
        if let Some(cut) = self.cut.as_mut().filter(|_| arrived > 0) {
            bytes = arrived.min(usize::try_from(cut.bytes_left).unwrap_or(usize::MAX));
            cut.bytes_left -= bytes as u64;
            is_last = cut.bytes_left == 0;
        }
        self.passed += bytes as u64;
        Passage::Open { bytes, cut: is_last }
    }
}
