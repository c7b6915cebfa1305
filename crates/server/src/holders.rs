//! Which attempts a worker's token has started. An attempt is started once, so what is known of one never changes.

use crate::access::Caller;
use crate::answer::Refusal;
use lru::LruCache;
use ream::{
    Action, ActivityFilter, Attempt, ChunkId, ConflictCode, Error, JobChunkRepository, PageRequest, TokenId,
};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Attempts that are remembered: those of a few thousand workers.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

/// Remembers who started what.
pub(crate) struct Holders {
    repository: Arc<dyn JobChunkRepository>,
    started: Mutex<LruCache<(ChunkId, Attempt), TokenId>>,
}

impl Holders {
    pub(crate) fn new(repository: Arc<dyn JobChunkRepository>) -> Self {
        Self { repository, started: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// Notes what a worker was given.
    pub(crate) fn note(&self, caller: &Caller, chunk_id: ChunkId, attempt: Attempt) {
        if let Some(token) = caller.worker_token() {
            self.started.lock().unwrap_or_else(PoisonError::into_inner).put((chunk_id, attempt), token);
        }
    }

    /// Refuses a worker's word about an attempt that another token started, and without an attempt: it would count whoever
    /// holds the chunk. Of chunks and attempts that are not there the service itself has the right answer.
    pub(crate) async fn check(
        &self,
        caller: &Caller,
        chunk_id: ChunkId,
        attempt: Option<Attempt>,
    ) -> Result<(), Refusal> {
        let Some(token) = caller.worker_token() else { return Ok(()) };
        let Some(attempt) = attempt else {
            let detail = "a worker's token must give the `attempt` that it was given with the chunk";
            return Err(Refusal::new("forbidden", detail));
        };
        let known =
            self.started.lock().unwrap_or_else(PoisonError::into_inner).get(&(chunk_id, attempt)).copied();
        match known {
            Some(starter) if starter == token => return Ok(()),
            Some(_) => return Err(not_yours(chunk_id, attempt)),
            None => {}
        }
        match self.starter(chunk_id, attempt).await? {
            Some(starter) if starter == caller.name() => {
                self.note(caller, chunk_id, attempt);
                Ok(())
            }
            Some(_) => Err(not_yours(chunk_id, attempt)),
            // Not the last attempt, or no chunk: no lease of it can be live, and that is what the answer will say.
            None => Ok(()),
        }
    }

    /// Who started this attempt, if it is the chunk's last: of the two ways to start one, the last row of either.
    async fn starter(&self, chunk_id: ChunkId, attempt: Attempt) -> Result<Option<String>, Refusal> {
        for action in [Action::Claimed, Action::Started] {
            let filter = ActivityFilter {
                chunk_id: Some(chunk_id),
                action: Some(action),
                ..ActivityFilter::default()
            };
            let page = self.repository.list_activity(filter, PageRequest::new(1, None)?).await?;
            let start = page.items.into_iter().find(|row| row.attempt == Some(attempt));
            if let Some(start) = start {
                return Ok(Some(start.actor));
            }
        }
        Ok(None)
    }
}

fn not_yours(chunk_id: ChunkId, attempt: Attempt) -> Refusal {
    let message = format!("attempt {attempt} of chunk {chunk_id} was started by another token");
    Error::conflict(ConflictCode::LeaseLost, message).into()
}
