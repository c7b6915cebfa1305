//! Keeping leases alive while chunks are worked on.

use crate::progress::ProgressCell;
use ream::{Advice, ClaimedChunk, Error, Heartbeat, JobChunkingService};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

/// Why a holder must end before its work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HolderEnd {
    /// Give the chunk back.
    Asked(&'static str),
    /// By the local clock the lease is over. The database may think otherwise: then the chunk is to be given back.
    Overdue,
    /// Somebody else may hold the chunk already.
    Lost(&'static str),
}

/// A thread that does nothing but hold leases. Servers can keep all threads that fetch busy for a long time, with a flood
/// of interim answers, say: no lease may be lost for that.
pub(crate) struct LeaseKeeper {
    runtime: Handle,
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

impl LeaseKeeper {
    /// Where the system gives no thread, leases are held beside the work: then a flood may cost one, which is no worse
    /// than not to work.
    pub(crate) fn start() -> Self {
        let (alive, ended) = oneshot::channel();
        let runtime = own_thread(ended).unwrap_or_else(|error| {
            tracing::warn!(%error, "no thread of their own for leases");
            Handle::current()
        });
        Self { runtime, _alive: alive }
    }

    /// Holds a lease until it has to be given up or the answer is dropped.
    pub(crate) fn hold(
        &self,
        service: JobChunkingService,
        claimed: Arc<ClaimedChunk>,
        asked_at: Instant,
        progress: ProgressCell,
    ) -> AbortOnDropHandle<HolderEnd> {
        let holding = async move { hold(&service, &claimed, asked_at, &progress).await };
        AbortOnDropHandle::new(self.runtime.spawn(holding))
    }
}

/// Starts the thread, which goes on until `ended` is.
fn own_thread(ended: oneshot::Receiver<()>) -> io::Result<Handle> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name("leases".to_owned()).spawn(move || {
        // Nothing is ever sent: it ends with the sender.
        let _ = runtime.block_on(ended);
    })?;
    Ok(handle)
}

/// Sends heartbeats for a chunk until it has to be given up. The lease is counted by local time from before each
/// request was sent, so this side always ends first; the database alone decides whether it still holds.
async fn hold(
    service: &JobChunkingService,
    claimed: &ClaimedChunk,
    asked_at: Instant,
    progress: &ProgressCell,
) -> HolderEnd {
    let lease = Duration::from_millis(claimed.lease_duration_ms.unsigned_abs());
    let interval = Duration::from_millis(claimed.heartbeat_interval_ms.unsigned_abs());
    let came_at = Instant::now();
    let (mut held_until, mut next) = if came_at - asked_at > interval {
        // A claim may wait at the service for longer than a lease lasts. Since when this one does is asked at once.
        (came_at + interval, came_at)
    } else {
        (asked_at + lease, asked_at + interval)
    };
    loop {
        tokio::time::sleep_until(next.min(held_until).into()).await;
        let sent_at = Instant::now();
        if sent_at >= held_until {
            return HolderEnd::Overdue;
        }
        let heartbeat = Heartbeat {
            chunk_id: claimed.chunk.id,
            attempt: claimed.chunk.attempt,
            progress: Some(progress.get()),
        };
        let answer = tokio::time::timeout_at(held_until.into(), service.heartbeat(heartbeat)).await;
        match answer {
            Ok(Ok(answer)) if answer.action == Advice::Stop => {
                return HolderEnd::Asked(answer.reason.unwrap_or("asked to stop"));
            }
            Ok(Ok(_)) => held_until = sent_at + lease,
            Ok(Err(error)) if error.is_lease_lost() => return HolderEnd::Lost("the lease is lost"),
            Ok(Err(Error::NotFound { .. })) => return HolderEnd::Lost("the chunk is gone"),
            Ok(Err(error)) => tracing::warn!(%error, "a heartbeat did not come through"),
            Err(_) => return HolderEnd::Overdue,
        }
        next = sent_at + interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ream::{ClaimRequest, CrawlJobService, NewCrawlJob, TaskId};

    #[tokio::test]
    async fn a_claim_that_waited_for_longer_than_a_lease_is_asked_for_and_not_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let repository =
            ream::open(&format!("sqlite:{}", folder.path().join("ream.db").display())).await.unwrap();
        let jobs = CrawlJobService::new(repository.clone());
        let service = JobChunkingService::new(repository);
        let job = jobs.create_crawl_job(NewCrawlJob::named("late")).await.unwrap();
        service.create_chunks_for_job(job.id, 5, None).await.unwrap();
        let request = ClaimRequest::new(TaskId::new("worker-1").unwrap(), 1);
        let claimed = service.claim(request).await.unwrap().pop().unwrap();
        jobs.cancel(job.id).await.unwrap();
        let lease = Duration::from_millis(claimed.lease_duration_ms.unsigned_abs());
        let asked_at = Instant::now().checked_sub(lease + Duration::from_secs(1)).unwrap();
        let end = hold(&service, &claimed, asked_at, &ProgressCell::default()).await;
        assert!(matches!(end, HolderEnd::Asked(_)), "only the service can have said it: {end:?}");
    }
}
