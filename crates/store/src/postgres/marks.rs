//! Up to where this process has looked, so that it need not look there again: index entries that are dead, but still
//! seen by some old snapshot, pile up there.
//!
//! Marks only save work. From time to time everything is looked at, whatever they say.

use super::duties::Looked;
use ream_core::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often everything is looked at.
const WHOLE_LOOK: Duration = Duration::from_secs(60);

/// Chunks may come due in the past by as much, from a transaction that was long under way.
const MARGIN_S: i64 = 20;

/// Up to which time nothing is due any more.
#[derive(Debug, Default)]
pub(super) struct DueMark(Mutex<Option<Mark>>);

#[derive(Debug, Clone, Copy)]
struct Mark {
    nothing_before: Timestamp,
    /// When everything was looked at.
    whole_at: Instant,
}

impl DueMark {
    /// From where to look.
    pub(super) fn from(&self) -> Timestamp {
        let mark = lock(&self.0).filter(|mark| mark.whole_at.elapsed() < WHOLE_LOOK);
        mark.map_or(Timestamp::from_unix_ms(0), |mark| mark.nothing_before)
    }

    /// A look from `from` for up to `limit` has ended.
    pub(super) fn note(&self, from: Timestamp, limit: u32, looked: &Looked) {
        if looked.moved >= u64::from(limit) {
            return;
        }
        let mut mark = lock(&self.0);
        let was_whole = from == Timestamp::from_unix_ms(0);
        let whole_at = if was_whole { Some(Instant::now()) } else { mark.map(|mark| mark.whole_at) };
        if let Some(whole_at) = whole_at {
            *mark = Some(Mark { nothing_before: looked.at.plus_ms(-1000 * MARGIN_S), whole_at });
        }
    }
}

/// The number of a transaction before which all have been added up.
#[derive(Debug)]
pub(super) struct SettledMark(Mutex<(String, Instant)>);

impl Default for SettledMark {
    fn default() -> Self {
        Self(Mutex::new(("0".to_owned(), Instant::now())))
    }
}

impl SettledMark {
    /// From where to look.
    pub(super) fn since(&self) -> String {
        let mut mark = lock(&self.0);
        if mark.1.elapsed() >= WHOLE_LOOK {
            *mark = ("0".to_owned(), Instant::now());
        }
        mark.0.clone()
    }

    /// All before this transaction have been added up.
    pub(super) fn note(&self, settled: String) {
        lock(&self.0).0 = settled;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single step.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
