//! What follows from a transition: counters, a row of the activity log, wake-ups.

use crate::activity::Action;
use crate::chunk::{ChunkState, JobChunk, JobChunkStatus};
use crate::id::{Attempt, TaskId};
use crate::job::Counters;

/// A row for the activity log; the backend adds id, time and actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// What was done.
    pub action: Action,
    /// Before.
    pub from_status: JobChunkStatus,
    /// After.
    pub to_status: JobChunkStatus,
    /// After.
    pub attempt: Attempt,
    /// Whose work it is about.
    pub task_id: Option<TaskId>,
    /// Whether it was done on an unfenced word: an operator's, or of a caller that gave no attempt.
    pub unfenced: bool,
    /// Why.
    pub message: Option<String>,
}

/// What has to happen in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// To be added to the job's counters.
    pub counters: Counters,
    /// To be written to the activity log.
    pub log: Option<LogEntry>,
    /// A chunk became startable: wake who waits for one.
    pub wakes_claimers: bool,
    /// A chunk was started: the job is no longer pending.
    pub starts_job: bool,
}

/// A chunk after an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// The new chunk, or the old one when `changed` is false.
    pub chunk: JobChunk,
    /// Whether there is anything to write.
    pub changed: bool,
    /// What follows from the change.
    pub effects: Effects,
}

/// What one chunk adds to its job's counters.
pub fn counts(chunk: &JobChunk) -> Counters {
    let mut counters = Counters { total_chunks: 1, ..Counters::default() };
    match &chunk.state {
        ChunkState::Pending { .. } => {}
        ChunkState::Processing { .. } => counters.active_chunks = 1,
        ChunkState::Completed { .. } => {
            counters.completed_chunks = 1;
            counters.completed_images = i64::try_from(chunk.image_range.images()).unwrap_or(i64::MAX);
        }
        ChunkState::Failed { retry_at } => {
            counters.failed_chunks = 1;
            counters.awaiting_retry_chunks = i64::from(retry_at.is_some());
        }
    }
    counters
}
