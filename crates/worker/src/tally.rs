//! What a worker has done so far, for eyes only: the truth is in the database and the ledgers.

use ream::ErrorClass;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts images across all chunks in flight; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    ok: AtomicU64,
    bytes: AtomicU64,
    failed: [AtomicU64; ErrorClass::ALL.len()],
}

/// A [`Tally`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TallySnapshot {
    /// Images fetched and checked.
    pub ok: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Images that failed, by class.
    pub failed: BTreeMap<ErrorClass, u64>,
}

impl TallySnapshot {
    /// Images done, failed ones included.
    pub fn images(&self) -> u64 {
        self.ok + self.failed.values().sum::<u64>()
    }
}

impl Tally {
    /// One image was fetched.
    pub fn count_ok(&self, bytes: u64) {
        self.0.ok.fetch_add(1, Relaxed);
        self.0.bytes.fetch_add(bytes, Relaxed);
    }

    /// One image failed.
    pub fn count_failed(&self, class: ErrorClass) {
        if let Some(at) = ErrorClass::ALL.iter().position(|c| *c == class) {
            self.0.failed[at].fetch_add(1, Relaxed);
        }
    }

    /// All counts now.
    pub fn snapshot(&self) -> TallySnapshot {
        let failed = ErrorClass::ALL.iter().zip(&self.0.failed).map(|(class, n)| (*class, n.load(Relaxed)));
        TallySnapshot {
            ok: self.0.ok.load(Relaxed),
            bytes: self.0.bytes.load(Relaxed),
            failed: failed.filter(|(_, n)| *n > 0).collect(),
        }
    }
}
