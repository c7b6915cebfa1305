//! Group commit: calls of one kind that come together share a transaction, and so do those that come while it is under
//! way. Alone, a call waits for nobody; the more there are, the less each of them costs the server.

use super::error::unavailable;
use super::home::Home;
use futures::future::BoxFuture;
use ream_core::{DatabaseFault, Error, Result};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Who has waited for so long opens another place: a connection that hangs holds up no more than the calls that it has.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// Places for the same key at most.
const MAX_PLACES: usize = 4;
/// Chunks of one group, unless a single call has more.
const MAX_CHUNKS: usize = 1000;

/// What is done with calls.
pub(super) trait Kind: Send + Sync + 'static {
    /// What tells calls apart that cannot share a transaction.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    type Call: Clone + Send + 'static;
    type Answer: Send + 'static;

    /// Makes calls in one transaction and answers each of them in their order, `None` to one that has to be made by itself.
    /// The last of them has waited since `asked_at`.
    fn run(
        &self,
        key: Self::Key,
        calls: Vec<Self::Call>,
        asked_at: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Self::Answer>>>>;

    /// Takes back what was done for callers that have gone meanwhile.
    fn undo(&self, answers: Vec<Self::Answer>) -> BoxFuture<'static, ()>;
}

/// Calls of one kind.
pub(super) struct Groups<K: Kind> {
    kind: K,
    /// How long a call may wait.
    patience: Duration,
    /// Where groups run.
    home: Home,
    lanes: Mutex<HashMap<K::Key, Lane<K>>>,
}

/// Calls that may share a transaction.
struct Lane<K: Kind> {
    waiting: VecDeque<Waiting<K>>,
    /// That are taken.
    places: usize,
}

impl<K: Kind> Lane<K> {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), places: 0 }
    }
}

type Lanes<'g, K> = MutexGuard<'g, HashMap<<K as Kind>::Key, Lane<K>>>;

/// A call that waits.
struct Waiting<K: Kind> {
    call: K::Call,
    chunks: usize,
    asked_at: Instant,
    answer: oneshot::Sender<Told<K::Answer>>,
}

/// What a call is told: its answer, or that it has to be made by itself.
pub(super) type Told<A> = Option<Result<A>>;

impl<K: Kind> Groups<K> {
    pub(super) fn new(kind: K, patience: Duration, home: Home) -> Arc<Self> {
        Arc::new(Self { kind, patience, home, lanes: Mutex::default() })
    }

    /// Makes a call about so many chunks in company with others; `None` where it has to be made by itself. Dropped before
    /// its group begins, it is not made; dropped later, it is made all the same, and undone.
    pub(super) async fn call(
        self: &Arc<Self>,
        key: K::Key,
        call: &K::Call,
        chunks: usize,
        asked_at: Instant,
    ) -> Told<K::Answer> {
        let (answer, told) = oneshot::channel();
        let mut awaited = Awaited { groups: self.clone(), told };
        self.join(&key, Waiting { call: call.clone(), chunks, asked_at, answer });
        loop {
            match tokio::time::timeout(LONG_WAIT, &mut awaited.told).await {
                Ok(Ok(told)) => return told,
                Ok(Err(_)) => return Some(Err(unavailable("the database was closed"))),
                Err(_) => self.look_after(&key),
            }
        }
    }

    /// Joins those who wait. The first of them opens a place.
    fn join(self: &Arc<Self>, key: &K::Key, waiting: Waiting<K>) {
        let mut lanes = self.lock();
        let lane = lanes.entry(key.clone()).or_insert_with(Lane::new);
        lane.waiting.push_back(waiting);
        if lane.places == 0 {
            self.open_place(lanes, key);
        }
    }

    fn open_place(self: &Arc<Self>, mut lanes: Lanes<'_, K>, key: &K::Key) {
        if let Some(lane) = lanes.get_mut(key) {
            lane.places += 1;
        }
        // Where there is nothing left to run on, the place is dropped at once, and wants the lock.
        drop(lanes);
        self.home.spawn(Place { groups: self.clone(), key: key.clone(), stage: Stage::HandedOn }.serve());
    }

    /// Opens another place for those who have waited long, and sends those away who have waited for too long.
    fn look_after(self: &Arc<Self>, key: &K::Key) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(key) else { return };
        while lane.waiting.front().is_some_and(|first| first.asked_at.elapsed() >= self.patience) {
            if let Some(late) = lane.waiting.pop_front() {
                let message = format!("the calls before it were not answered within {:?}", self.patience);
                let _ = late.answer.send(Some(Err(unavailable(message))));
            }
        }
        let waits_long = lane.waiting.front().is_some_and(|first| first.asked_at.elapsed() >= LONG_WAIT);
        if lane.places < MAX_PLACES && waits_long {
            self.open_place(lanes, key);
        }
    }

    fn undo(&self, answers: Vec<K::Answer>) {
        if !answers.is_empty() {
            self.home.spawn(self.kind.undo(answers));
        }
    }

    fn lock(&self) -> Lanes<'_, K> {
        // Each change is complete before anything could panic.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call's answer, which is undone where it comes and nobody takes it.
struct Awaited<K: Kind> {
    groups: Arc<Groups<K>>,
    told: oneshot::Receiver<Told<K::Answer>>,
}

impl<K: Kind> Drop for Awaited<K> {
    fn drop(&mut self) {
        // What is sent from here on fails, and is undone by the sender.
        self.told.close();
        if let Ok(Some(Ok(answer))) = self.told.try_recv() {
            self.groups.undo(vec![answer]);
        }
    }
}

/// Where a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// On its way to those who wait.
    HandedOn,
    /// Somebody makes calls in it.
    Served,
    Left,
}

/// The right to make calls. Dropped, it goes to those who wait.
struct Place<K: Kind> {
    groups: Arc<Groups<K>>,
    key: K::Key,
    stage: Stage,
}

impl<K: Kind> Place<K> {
    /// Makes the calls of those who wait, a group at a time, until nobody waits.
    async fn serve(mut self) {
        self.stage = Stage::Served;
        loop {
            // Who was woken together asks together, and who has just been answered often asks again at once.
            tokio::task::yield_now().await;
            let Some(group) = self.next_group() else { return };
            let asked_at = group.iter().map(|waiting| waiting.asked_at).max().unwrap_or_else(Instant::now);
            let (calls, told): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.call, waiting.answer)).unzip();
            let ran = self.groups.kind.run(self.key.clone(), calls, asked_at).await;
            self.groups.undo(tell(ran, told));
        }
    }

    /// Those who wait, the first first, without those that nobody waits for any more: a claim would leave chunks to a
    /// holder that does not know of them. When nobody waits, the place is left.
    fn next_group(&mut self) -> Option<Vec<Waiting<K>>> {
        let mut lanes = self.groups.lock();
        let lane = lanes.get_mut(&self.key)?;
        let mut group: Vec<Waiting<K>> = Vec::new();
        let mut chunks = 0;
        while let Some(next) = lane.waiting.pop_front() {
            if next.answer.is_closed() {
                continue;
            }
            chunks += next.chunks;
            // Who has just come is not to share the little patience that is left to the first.
            let is_younger = group
                .first()
                .is_some_and(|first| next.asked_at.duration_since(first.asked_at) > self.groups.patience / 4);
            if is_younger || (chunks > MAX_CHUNKS && !group.is_empty()) {
                lane.waiting.push_front(next);
                break;
            }
            group.push(next);
        }
        if group.is_empty() {
            // Under the same lock: who comes next finds the place free.
            self.stage = Stage::Left;
            leave(&mut lanes, &self.key);
            return None;
        }
        Some(group)
    }
}

impl<K: Kind> Drop for Place<K> {
    fn drop(&mut self) {
        if self.stage == Stage::Left {
            return;
        }
        let groups = self.groups.clone();
        let mut lanes = groups.lock();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        // A place that is served ends early by a panic, or with its runtime; one that is handed on only when there is
        // nothing left to run on.
        let goes_on = self.stage == Stage::Served && !lane.waiting.is_empty();
        let left_over = if goes_on { VecDeque::new() } else { std::mem::take(&mut lane.waiting) };
        leave(&mut lanes, &self.key);
        if goes_on {
            groups.open_place(lanes, &self.key);
        } else {
            drop(lanes);
        }
        for waiting in left_over {
            // Nothing of theirs was sent.
            let _ = waiting.answer.send(None);
        }
    }
}

/// Gives a place up. A lane without places goes, unless somebody waits in it.
fn leave<K: Kind>(lanes: &mut HashMap<K::Key, Lane<K>>, key: &K::Key) {
    if let Some(lane) = lanes.get_mut(key) {
        lane.places -= 1;
        if lane.places == 0 && lane.waiting.is_empty() {
            lanes.remove(key);
        }
    }
}

/// Answers those who waited, and gives back what was for somebody who has gone.
fn tell<A>(ran: Result<Vec<Option<A>>>, mut told: Vec<oneshot::Sender<Told<A>>>) -> Vec<A> {
    let mut undelivered = Vec::new();
    match ran {
        Ok(answers) => {
            for (answer, told) in answers.into_iter().zip(told) {
                if let Err(Some(Ok(answer))) = told.send(answer.map(Ok)) {
                    undelivered.push(answer);
                }
            }
        }
        Err(Error::Database { fault: DatabaseFault::Unavailable, message }) => {
            for told in told {
                let _ = told.send(Some(Err(unavailable(message.clone()))));
            }
        }
        Err(error) if told.len() == 1 => {
            if let Some(told) = told.pop() {
                let _ = told.send(Some(Err(error)));
            }
        }
        // The fault of one of them: each finds out by itself.
        Err(_) => {
            for told in told {
                let _ = told.send(None);
            }
        }
    }
    undelivered
}

#[cfg(test)]
mod tests;
