//! The numbers behind the budget; no waiting here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::Notify;

pub(super) struct State {
    limit_bytes: u64,
    next: u64,
    /// All fetches that are not dropped yet, by age.
    open: BTreeMap<u64, Fetch>,
    /// Those that wait for memory for their bodies.
    waiting: BTreeSet<u64>,
    body_bytes: u64,
    work_bytes: u64,
    works_running: usize,
    works_waiting: BTreeMap<WorkKey, (u64, Arc<Notify>)>,
}

/// The fetch's number, then the order within it.
pub(super) type WorkKey = (u64, u64);

struct Fetch {
    held_bytes: u64,
    wanted_bytes: u64,
    wake: Arc<Notify>,
}

impl State {
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            next: 0,
            open: BTreeMap::new(),
            waiting: BTreeSet::new(),
            body_bytes: 0,
            work_bytes: 0,
            works_running: 0,
            works_waiting: BTreeMap::new(),
        }
    }

    pub(super) fn join(&mut self, wake: Arc<Notify>) -> u64 {
        let number = self.number();
        self.open.insert(number, Fetch { held_bytes: 0, wanted_bytes: 0, wake });
        number
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn want(&mut self, number: u64, bytes: u64) {
        if let Some(fetch) = self.open.get_mut(&number) {
            fetch.wanted_bytes = bytes;
            self.waiting.insert(number);
            self.settle();
        }
    }

    pub(super) fn want_no_more(&mut self, number: u64) {
        if self.waiting.remove(&number) {
            self.settle();
        }
    }

    pub(super) fn is_waiting(&self, number: u64) -> bool {
        self.waiting.contains(&number)
    }

    pub(super) fn must_pass(&self, number: u64) -> bool {
        !self.waiting.is_empty() && self.oldest() == Some(number)
    }

    pub(super) fn is_short(&self, number: u64) -> bool {
        self.oldest() != Some(number) && self.body_bytes > self.bodies_limit_bytes() / 2
    }

    pub(super) fn shrink(&mut self, number: u64, bytes: u64) {
        if self.open.get(&number).is_some_and(|fetch| bytes < fetch.held_bytes) {
            self.set(number, bytes);
        }
    }

    pub(super) fn set(&mut self, number: u64, bytes: u64) {
        let Some(fetch) = self.open.get_mut(&number) else { return };
        self.body_bytes = self.body_bytes - fetch.held_bytes + bytes;
        fetch.held_bytes = bytes;
        self.settle();
    }

    pub(super) fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
        if let Some(fetch) = self.open.remove(&number) {
            self.body_bytes -= fetch.held_bytes;
        }
        self.settle();
    }

    pub(super) fn want_work(&mut self, fetch: u64, bytes: u64, wake: Arc<Notify>) -> WorkKey {
        let key = (fetch, self.number());
        self.works_waiting.insert(key, (bytes, wake));
        self.settle();
        key
    }

    pub(super) fn work_is_waiting(&self, key: WorkKey) -> bool {
        self.works_waiting.contains_key(&key)
    }

    /// Ends a piece of work, or the wait for it.
    pub(super) fn end_work(&mut self, key: WorkKey, bytes: u64) {
        if self.works_waiting.remove(&key).is_none() {
            self.work_bytes -= bytes;
            self.works_running -= 1;
        }
        self.settle();
    }

    /// The memory in use.
    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> u64 {
        self.body_bytes + self.work_bytes
    }

    /// What bodies may fill. The less, the more is left for work, which cannot go to disk.
    const fn bodies_limit_bytes(&self) -> u64 {
        self.limit_bytes / 4
    }

    fn oldest(&self) -> Option<u64> {
        self.open.keys().next().copied()
    }

    /// Lets in whoever may go now. Every change ends here.
    fn settle(&mut self) {
        while let Some(number) = self.waiting.first().copied() {
            let oldest = self.oldest() == Some(number);
            let most_bytes = self.bodies_limit_bytes();
            let Some(fetch) = self.open.get_mut(&number) else { break };
            let bodies = self.body_bytes.saturating_add(fetch.wanted_bytes);
            let fits = bodies <= most_bytes && bodies.saturating_add(self.work_bytes) <= self.limit_bytes;
            if !fits && !oldest {
                break;
            }
            self.body_bytes = bodies;
            fetch.held_bytes = fetch.held_bytes.saturating_add(fetch.wanted_bytes);
            fetch.wake.notify_one();
            self.waiting.remove(&number);
        }
        while let Some(first) = self.works_waiting.first_entry() {
            let bytes = first.get().0;
            let used = self.body_bytes.saturating_add(self.work_bytes).saturating_add(bytes);
            if used > self.limit_bytes && self.works_running > 0 {
                break;
            }
            first.remove().1.notify_one();
            self.work_bytes = self.work_bytes.saturating_add(bytes);
            self.works_running += 1;
        }
        if let (false, Some((_, oldest))) = (self.waiting.is_empty(), self.open.first_key_value()) {
            oldest.wake.notify_one();
        }
    }
}
