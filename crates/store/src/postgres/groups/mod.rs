//! Group commit: calls of one kind that come while another is under way wait for it, and then share a transaction. Alone,
//! a call waits for nobody; the more there are, the less each of them costs the server.

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
/// Places of one kind at most. The others of the pool's connections are for other work.
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
    /// The first of them has waited since `asked_at`.
    fn run(
        &self,
        key: Self::Key,
        calls: Vec<Self::Call>,
        asked_at: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Self::Answer>>>>;

    /// Takes back what was done for a caller that has gone meanwhile.
    fn undo(&self, answer: Self::Answer) -> BoxFuture<'static, ()>;
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

/// A call that waits.
struct Waiting<K: Kind> {
    call: K::Call,
    chunks: usize,
    asked_at: Instant,
    answer: oneshot::Sender<Told<K::Answer>>,
}

/// What a call that waited is told: its answer, or that it has to be made by itself.
type Told<A> = Option<Result<A>>;

/// What becomes of a call.
pub(super) enum Turn<K: Kind> {
    /// It was made in a group.
    Answered(Result<K::Answer>),
    /// It is for the caller to make, who keeps the place until that is done.
    Yours(Place<K>),
    /// It is for the caller to make, and may have to wait for others in the database.
    Alone,
}

impl<K: Kind> Groups<K> {
    pub(super) fn new(kind: K, patience: Duration, home: Home) -> Arc<Self> {
        Arc::new(Self { kind, patience, home, lanes: Mutex::default() })
    }

    /// Waits until a call about so many chunks was made in a group, or has its turn. Dropped before its group begins, it is
    /// not made; dropped later, it is made all the same, and undone.
    pub(super) async fn turn(
        self: &Arc<Self>,
        key: K::Key,
        call: &K::Call,
        chunks: usize,
        asked_at: Instant,
    ) -> Turn<K> {
        let mut told = match self.enter(&key, call, chunks, asked_at) {
            Ok(place) => return Turn::Yours(place),
            Err(told) => told,
        };
        loop {
            match tokio::time::timeout(LONG_WAIT, &mut told).await {
                Ok(Ok(Some(answer))) => return Turn::Answered(answer),
                Ok(Ok(None)) => return Turn::Alone,
                Ok(Err(_)) => return Turn::Answered(Err(unavailable("the database was closed"))),
                Err(_) => self.look_after(&key),
            }
        }
    }

    /// A place, where one is free; else waits with the others.
    fn enter(
        self: &Arc<Self>,
        key: &K::Key,
        call: &K::Call,
        chunks: usize,
        asked_at: Instant,
    ) -> std::result::Result<Place<K>, oneshot::Receiver<Told<K::Answer>>> {
        let mut lanes = self.lock();
        match lanes.get_mut(key) {
            None => {
                lanes.insert(key.clone(), Lane { waiting: VecDeque::new(), places: 1 });
                Ok(self.place(key, Stage::Served))
            }
            Some(lane) => {
                let (answer, told) = oneshot::channel();
                lane.waiting.push_back(Waiting { call: call.clone(), chunks, asked_at, answer });
                Err(told)
            }
        }
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
        if lane.places < MAX_PLACES && !lane.waiting.is_empty() {
            lane.places += 1;
            drop(lanes);
            self.home.spawn(self.place(key, Stage::HandedOn).serve());
        }
    }

    fn place(self: &Arc<Self>, key: &K::Key, stage: Stage) -> Place<K> {
        Place { groups: self.clone(), key: key.clone(), stage }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K::Key, Lane<K>>> {
        // Each change is complete before anything could panic.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody makes calls in it.
    Served,
    /// It is on its way to those who wait.
    HandedOn,
    Left,
}

/// The right to make calls. Dropped, it goes to those who wait.
pub(super) struct Place<K: Kind> {
    groups: Arc<Groups<K>>,
    key: K::Key,
    stage: Stage,
}

impl<K: Kind> Place<K> {
    /// Makes the calls of those who wait, a group at a time, until nobody waits.
    async fn serve(mut self) {
        self.stage = Stage::Served;
        while let Some(group) = self.next_group() {
            let asked_at = group.iter().map(|waiting| waiting.asked_at).min().unwrap_or_else(Instant::now);
            let (calls, told): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.call, waiting.answer)).unzip();
            let ran = self.groups.kind.run(self.key.clone(), calls, asked_at).await;
            for answer in tell(ran, told) {
                self.groups.home.spawn(self.groups.kind.undo(answer));
            }
            // Who has just been answered often asks again at once.
            tokio::task::yield_now().await;
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
            if chunks > MAX_CHUNKS && !group.is_empty() {
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
        let mut lanes = self.groups.lock();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        if lane.waiting.is_empty() || self.stage == Stage::HandedOn {
            // Handed on and dropped all the same: there is nothing left to run on. Nothing of theirs was sent.
            let left_over = std::mem::take(&mut lane.waiting);
            leave(&mut lanes, &self.key);
            drop(lanes);
            for waiting in left_over {
                let _ = waiting.answer.send(None);
            }
        } else {
            drop(lanes);
            self.groups.home.spawn(self.groups.place(&self.key, Stage::HandedOn).serve());
        }
    }
}

fn leave<K: Kind>(lanes: &mut HashMap<K::Key, Lane<K>>, key: &K::Key) {
    if let Some(lane) = lanes.get_mut(key) {
        lane.places -= 1;
        if lane.places == 0 {
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
