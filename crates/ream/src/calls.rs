//! What callers say about a chunk, and what they hear back.

use ream_core::advice::Advice;
use ream_core::outcome::ChunkProgress;
use ream_core::{Attempt, ChunkId, JobChunk, Outcome, Timestamp};
use ream_store::ClaimedChunk;

/// A chunk, and on whose word: with an attempt the holder's, which is fenced; without one an operator's, which
/// counts, ends any lease and is logged as unfenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The chunk.
    pub chunk_id: ChunkId,
    /// The attempt that the caller was given at the start.
    pub attempt: Option<Attempt>,
}

impl From<ChunkId> for ChunkRef {
    fn from(chunk_id: ChunkId) -> Self {
        Self { chunk_id, attempt: None }
    }
}

impl From<&ClaimedChunk> for ChunkRef {
    fn from(claimed: &ClaimedChunk) -> Self {
        Self { chunk_id: claimed.chunk.id, attempt: Some(claimed.chunk.attempt) }
    }
}

impl From<(ChunkId, Attempt)> for ChunkRef {
    fn from((chunk_id, attempt): (ChunkId, Attempt)) -> Self {
        Self { chunk_id, attempt: Some(attempt) }
    }
}

/// A chunk is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Which, and on whose word.
    pub chunk: ChunkRef,
    /// What came out.
    pub outcome: Option<Outcome>,
}

impl<T: Into<ChunkRef>> From<T> for Completion {
    fn from(chunk: T) -> Self {
        Self { chunk: chunk.into(), outcome: None }
    }
}

impl Completion {
    /// A completion that reports an outcome.
    pub fn with_outcome(chunk: impl Into<ChunkRef>, outcome: Outcome) -> Self {
        Self { chunk: chunk.into(), outcome: Some(outcome) }
    }
}

/// The holder still works on a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which.
    pub chunk_id: ChunkId,
    /// The holder's.
    pub attempt: Attempt,
    /// How far it has come.
    pub progress: Option<ChunkProgress>,
}

/// What a holder hears back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HeartbeatAnswer {
    /// How long the lease holds now, by the database's clock.
    pub lease_expires_at: Timestamp,
    /// Whether to go on.
    pub action: Advice,
    /// Why to stop, or what else to know.
    pub reason: Option<&'static str>,
}

impl HeartbeatAnswer {
    /// Of a chunk after its heartbeat.
    pub fn new(chunk: &JobChunk, gate: ream_core::JobGate) -> Self {
        let (action, reason) = ream_core::advice::advice(gate);
        let lease_expires_at = chunk.lease().map_or(chunk.updated_at, |lease| lease.expires_at);
        Self { lease_expires_at, action, reason }
    }
}
