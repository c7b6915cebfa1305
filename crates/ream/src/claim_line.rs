//! Claims that wait for a chunk. Those that want the same stand in one line, and only the first few of it look: a thousand idle
//! workers cost the database what these few do.

use futures::FutureExt as _;
use ream_core::job::Executor;
use ream_core::{JobId, Result};
use ream_store::{ClaimRequest, ClaimedChunk, JobChunkRepository};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How many of a line look. Each that leaves with chunks makes room for the next, which looks at once.
const LOOKERS: usize = 4;
/// How often they look, whether or not something woke them: chunks become due by time alone, too.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What a claim wants.
type Wanted = (Option<JobId>, Option<Executor>);

/// The lines of one service.
#[derive(Default)]
pub(crate) struct ClaimLines(Mutex<HashMap<Wanted, Line>>);

struct Line {
    lookers: Arc<Semaphore>,
    waiting: usize,
}

impl ClaimLines {
    /// Claims, and waits for a chunk as long as the request says where there is none, and no longer than `stop` is said. A look
    /// that has begun is awaited in any case: what it claims counts.
    pub(crate) async fn claim(
        &self,
        repository: &dyn JobChunkRepository,
        request: ClaimRequest,
        stop: impl Future<Output = ()>,
    ) -> Result<Vec<ClaimedChunk>> {
        let mut stop = std::pin::pin!(stop.fuse());
        let deadline = Instant::now() + request.wait;
        let wanted = (request.job_id, request.executor);
        let mut wake_ups = repository.wake_ups();
        // Nobody overtakes those who wait, but who asks again by its key for what it was given already.
        let looks_first = request.wait.is_zero() || request.once.is_some();
        if looks_first || !self.lock().contains_key(&wanted) {
            let claimed = repository.claim(request.clone()).await?;
            if !claimed.is_empty() || Instant::now() >= deadline {
                return Ok(claimed);
            }
        }
        let place = Place::join(self, wanted);
        let turn = timeout_at(deadline, place.lookers.acquire());
        let _looks = tokio::select! {
            turn = turn => match turn {
                Ok(Ok(turn)) => turn,
                _ => return Ok(Vec::new()),
            },
            () = &mut stop => return Ok(Vec::new()),
        };
        loop {
            // Seen before looking, so that a wake-up between looking and waiting is not missed.
            wake_ups.mark_unchanged();
            let left = deadline.saturating_duration_since(Instant::now());
            let claimed = repository.claim(ClaimRequest { wait: left, ..request.clone() }).await?;
            if !claimed.is_empty() || Instant::now() >= deadline {
                return Ok(claimed);
            }
            let until = deadline.min(Instant::now() + LOOK_INTERVAL);
            let woken = async {
                if let Ok(Err(_)) = timeout_at(until, wake_ups.changed()).await {
                    // Without anybody who could wake, only time does.
                    tokio::time::sleep_until(until).await;
                }
            };
            tokio::select! {
                () = woken => {}
                () = &mut stop => return Ok(Vec::new()),
            }
            if Instant::now() >= deadline {
                return Ok(Vec::new());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Wanted, Line>> {
        // Each change is complete before anything could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line, until it is dropped. A line without places is gone.
struct Place<'l> {
    lines: &'l ClaimLines,
    wanted: Wanted,
    lookers: Arc<Semaphore>,
}

impl<'l> Place<'l> {
    fn join(lines: &'l ClaimLines, wanted: Wanted) -> Self {
        let mut all = lines.lock();
        let line = all
            .entry(wanted)
            .or_insert_with(|| Line { lookers: Arc::new(Semaphore::new(LOOKERS)), waiting: 0 });
        line.waiting += 1;
        let lookers = line.lookers.clone();
        drop(all);
        Self { lines, wanted, lookers }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut line) = self.lines.lock().entry(self.wanted) {
            line.get_mut().waiting -= 1;
            if line.get().waiting == 0 {
                line.remove();
            }
        }
    }
}
