//! Keeping a lease alive while a chunk is worked on.

use crate::progress::ProgressCell;
use ream::{Advice, ClaimedChunk, Error, Heartbeat, JobChunkingService};
use std::time::{Duration, Instant};

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

/// Sends heartbeats for a chunk until it has to be given up. The lease is counted by local time from before each
/// request was sent, so this side always ends first; the database alone decides whether it still holds.
pub(crate) async fn hold(
    service: &JobChunkingService,
    claimed: &ClaimedChunk,
    asked_at: Instant,
    progress: &ProgressCell,
) -> HolderEnd {
    let lease = Duration::from_millis(claimed.lease_duration_ms.unsigned_abs());
    let interval = Duration::from_millis(claimed.heartbeat_interval_ms.unsigned_abs());
    let mut held_until = asked_at + lease;
    let mut next = asked_at + interval;
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
