//! Group commit: calls of one kind that come while another is under way wait for it, and then share a transaction. Alone,
//! a call waits for nobody; the more there are, the less each of them costs the server.

use super::error::unavailable;
use futures::future::BoxFuture;
use ream_core::{DatabaseFault, Error, Result};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Who has waited for so long opens another place: a connection that hangs holds up no more than the calls that it has.
const LONG_WAIT: Duration = Duration::from_millis(100);
/// Places of one kind at most. The others of the pool's connections are for other work.
const MAX_PLACES: usize = 4;
/// Chunks of one group, unless a single call has more.
const MAX_CHUNKS: usize = 1000;

/// Runs calls of one kind in one transaction and answers each of them in their order, `None` to one that has to be made by
/// itself.
type Run<K, C, A> = dyn Fn(K, Vec<C>) -> BoxFuture<'static, Result<Vec<Option<A>>>> + Send + Sync;

/// Calls by their kind.
pub(super) struct Groups<K: Eq + Hash, C, A> {
    lanes: Mutex<HashMap<K, Lane<C, A>>>,
    run: Box<Run<K, C, A>>,
}

/// Calls of one kind.
struct Lane<C, A> {
    waiting: VecDeque<Waiting<C, A>>,
    /// That are taken.
    places: usize,
}

/// A call that waits.
struct Waiting<C, A> {
    call: C,
    chunks: usize,
    answer: oneshot::Sender<Told<A>>,
}

/// What a call that waited is told: its answer, or that it has to be made by itself.
type Told<A> = Option<Result<A>>;

/// What becomes of a call.
pub(super) enum Turn<K: Key, C: Send + 'static, A: Send + 'static> {
    /// It was made in a group.
    Answered(Result<A>),
    /// It is for the caller to make, who keeps the place, where there is one, until that is done.
    Yours(Option<Place<K, C, A>>),
}

/// What tells the kinds of calls apart.
pub(super) trait Key: Clone + Eq + Hash + Send + Sync + 'static {}
impl<K: Clone + Eq + Hash + Send + Sync + 'static> Key for K {}

impl<K: Key, C: Clone + Send + 'static, A: Send + 'static> Groups<K, C, A> {
    pub(super) fn new(
        run: impl Fn(K, Vec<C>) -> BoxFuture<'static, Result<Vec<Option<A>>>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { lanes: Mutex::default(), run: Box::new(run) })
    }

    /// Waits until a call about so many chunks was made in a group, or has its turn. Dropped before its group begins, it is
    /// not made; dropped later, it is made all the same.
    pub(super) async fn turn(self: &Arc<Self>, kind: K, call: &C, chunks: usize) -> Turn<K, C, A> {
        let mut told = match self.enter(&kind, call, chunks) {
            Ok(place) => return Turn::Yours(Some(place)),
            Err(told) => told,
        };
        loop {
            match tokio::time::timeout(LONG_WAIT, &mut told).await {
                Ok(Ok(Some(answer))) => return Turn::Answered(answer),
                Ok(Ok(None)) => return Turn::Yours(None),
                Ok(Err(_)) => return Turn::Answered(Err(unavailable("the database was closed"))),
                Err(_) => {
                    if let Some(place) = self.one_more(&kind) {
                        tokio::spawn(place.serve());
                    }
                }
            }
        }
    }

    /// A place, where one is free; else waits with the others.
    fn enter(
        self: &Arc<Self>,
        kind: &K,
        call: &C,
        chunks: usize,
    ) -> std::result::Result<Place<K, C, A>, oneshot::Receiver<Told<A>>> {
        let mut lanes = self.lock();
        match lanes.get_mut(kind) {
            None => {
                lanes.insert(kind.clone(), Lane { waiting: VecDeque::new(), places: 1 });
                Ok(self.place(kind))
            }
            Some(lane) => {
                let (answer, told) = oneshot::channel();
                lane.waiting.push_back(Waiting { call: call.clone(), chunks, answer });
                Err(told)
            }
        }
    }

    /// Another place for those who have waited long.
    fn one_more(self: &Arc<Self>, kind: &K) -> Option<Place<K, C, A>> {
        let mut lanes = self.lock();
        let lane = lanes.get_mut(kind).filter(|lane| lane.places < MAX_PLACES && !lane.waiting.is_empty())?;
        lane.places += 1;
        Some(self.place(kind))
    }

    fn place(self: &Arc<Self>, kind: &K) -> Place<K, C, A> {
        Place { groups: self.clone(), kind: kind.clone(), is_left: false }
    }
}

impl<K: Eq + Hash, C, A> Groups<K, C, A> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Lane<C, A>>> {
        // Each change is complete before anything could panic.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to make calls of one kind. Dropped, it goes to those who wait.
pub(super) struct Place<K: Key, C: Send + 'static, A: Send + 'static> {
    groups: Arc<Groups<K, C, A>>,
    kind: K,
    is_left: bool,
}

impl<K: Key, C: Send + 'static, A: Send + 'static> Place<K, C, A> {
    /// Makes the calls of those who wait, a group at a time, until nobody waits.
    async fn serve(mut self) {
        while let Some(group) = self.next_group() {
            let (calls, told): (Vec<_>, Vec<_>) =
                group.into_iter().map(|waiting| (waiting.call, waiting.answer)).unzip();
            let ran = (self.groups.run)(self.kind.clone(), calls).await;
            tell(ran, told);
            // Who has just been answered often asks again at once.
            tokio::task::yield_now().await;
        }
    }

    /// Those who wait, the first first, without those that nobody waits for any more: a claim would leave chunks to a
    /// holder that does not know of them. When nobody waits, the place is left.
    fn next_group(&mut self) -> Option<Vec<Waiting<C, A>>> {
        let mut lanes = self.groups.lock();
        let lane = lanes.get_mut(&self.kind)?;
        let mut group: Vec<Waiting<C, A>> = Vec::new();
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
            self.is_left = true;
            leave(&mut lanes, &self.kind);
            return None;
        }
        Some(group)
    }
}

impl<K: Key, C: Send + 'static, A: Send + 'static> Drop for Place<K, C, A> {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        let mut lanes = self.groups.lock();
        let waits = lanes.get(&self.kind).is_some_and(|lane| !lane.waiting.is_empty());
        match Handle::try_current() {
            Ok(runtime) if waits => {
                drop(lanes);
                let place = Self { groups: self.groups.clone(), kind: self.kind.clone(), is_left: false };
                runtime.spawn(place.serve());
            }
            _ => leave(&mut lanes, &self.kind),
        }
    }
}

fn leave<K: Eq + Hash, C, A>(lanes: &mut HashMap<K, Lane<C, A>>, kind: &K) {
    if let Some(lane) = lanes.get_mut(kind) {
        lane.places -= 1;
        if lane.places == 0 {
            // Nobody waits, unless there is nothing left to run on: then they are told so.
            lanes.remove(kind);
        }
    }
}

fn tell<A>(ran: Result<Vec<Option<A>>>, mut told: Vec<oneshot::Sender<Told<A>>>) {
    // A caller that no longer listens is no fault: what it asked for holds all the same.
    match ran {
        Ok(answers) => {
            for (answer, told) in answers.into_iter().zip(told) {
                let _ = told.send(answer.map(Ok));
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
}

#[cfg(test)]
mod tests;
