//! The form of a chunk in JSON: the spec's eleven columns, then Ream's. It holds all of a chunk, so that one that was read from
//! afar is the one that was stored.

use crate::chunk::{ChunkState, Dispatch, JobChunk, JobChunkStatus, Lease};
use crate::error::Error;
use crate::id::{Attempt, ChunkId, JobId, TaskId};
use crate::last_move::LastMove;
use crate::outcome::{ChunkProgress, Outcome};
use crate::priority::Priority;
use crate::range::ImageRange;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// A chunk, column by column. What belongs to another status than the chunk's is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = JobChunk))]
pub struct ChunkDocument {
    /// Given by the database.
    pub id: ChunkId,
    /// The job it belongs to.
    pub job_id: JobId,
    /// Names the chunk within its job, from 0.
    pub chunk_index: u64,
    /// Where it stands.
    pub status: JobChunkStatus,
    /// 0 to 10, higher is more urgent.
    pub priority: Priority,
    /// The images it is about.
    pub image_range: ImageRange,
    /// The last error; stays readable until completion.
    pub error_message: Option<String>,
    /// How often it was put back to pending after a failure.
    pub retry_count: u32,
    /// Who works on it, or did last.
    pub task_id: Option<TaskId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// How often it was started: the fencing token.
    pub attempt: Attempt,
    /// Until when it is held without another heartbeat.
    pub lease_expires_at: Option<Timestamp>,
    /// The chunk it was split from.
    pub split_from: Option<ChunkId>,
    /// When the attempt has taken too long, however many heartbeats come.
    pub timeout_at: Option<Timestamp>,
    /// When the present or last attempt started.
    pub started_at: Option<Timestamp>,
    /// When it was completed or failed last.
    pub finished_at: Option<Timestamp>,
    /// When the service itself puts a failed chunk back.
    pub retry_at: Option<Timestamp>,
    /// When a task queue got it.
    pub dispatched_at: Option<Timestamp>,
    /// From when on anybody may start a dispatched chunk.
    pub redispatch_at: Option<Timestamp>,
    /// What the last heartbeat told.
    pub progress: Option<ChunkProgress>,
    /// What the worker reported at completion.
    pub outcome: Option<Outcome>,
    /// Whether a completed chunk's staged output still waits for its final names.
    pub unpublished: bool,
    /// Of the retries, how many were by policy since creation or the last retry by hand.
    pub policy_retries: u32,
    /// How often a lease or timeout ran out since then.
    pub expiry_count: u32,
    /// The last change of status.
    pub last_move: LastMove,
}

impl From<JobChunk> for ChunkDocument {
    fn from(chunk: JobChunk) -> Self {
        let mut document = Self {
            id: chunk.id,
            job_id: chunk.job_id,
            chunk_index: chunk.chunk_index,
            status: chunk.status(),
            priority: chunk.priority,
            image_range: chunk.image_range,
            error_message: chunk.error_message,
            retry_count: chunk.retry_count,
            task_id: chunk.task_id,
            created_at: chunk.created_at,
            updated_at: chunk.updated_at,
            attempt: chunk.attempt,
            lease_expires_at: None,
            split_from: chunk.split_from,
            timeout_at: None,
            started_at: chunk.started_at,
            finished_at: chunk.finished_at,
            retry_at: None,
            dispatched_at: None,
            redispatch_at: None,
            progress: None,
            outcome: chunk.outcome,
            unpublished: false,
            policy_retries: chunk.policy_retries,
            expiry_count: chunk.expiry_count,
            last_move: chunk.last_move,
        };
        match chunk.state {
            ChunkState::Pending { dispatch } => {
                document.dispatched_at = dispatch.map(|d| d.dispatched_at);
                document.redispatch_at = dispatch.map(|d| d.redispatch_at);
            }
            ChunkState::Processing { lease, progress } => {
                document.lease_expires_at = Some(lease.expires_at);
                document.timeout_at = Some(lease.timeout_at);
                document.progress = progress;
            }
            ChunkState::Completed { unpublished } => document.unpublished = unpublished,
            ChunkState::Failed { retry_at } => document.retry_at = retry_at,
        }
        document
    }
}

impl TryFrom<ChunkDocument> for JobChunk {
    type Error = Error;

    fn try_from(document: ChunkDocument) -> Result<Self, Error> {
        let state = match document.status {
            JobChunkStatus::Pending => {
                let dispatched = document.dispatched_at.zip(document.redispatch_at);
                let dispatch = dispatched
                    .map(|(dispatched_at, redispatch_at)| Dispatch { dispatched_at, redispatch_at });
                ChunkState::Pending { dispatch }
            }
            JobChunkStatus::Processing => {
                let lease = document.lease_expires_at.zip(document.timeout_at);
                let (expires_at, timeout_at) = lease.ok_or_else(|| {
                    Error::invalid("lease_expires_at", "null", "a time while the chunk is processing")
                })?;
                ChunkState::Processing {
                    lease: Lease { expires_at, timeout_at },
                    progress: document.progress,
                }
            }
            JobChunkStatus::Completed => ChunkState::Completed { unpublished: document.unpublished },
            JobChunkStatus::Failed => ChunkState::Failed { retry_at: document.retry_at },
        };
        Ok(Self {
            id: document.id,
            job_id: document.job_id,
            chunk_index: document.chunk_index,
            image_range: document.image_range,
            priority: document.priority,
            state,
            attempt: document.attempt,
            retry_count: document.retry_count,
            policy_retries: document.policy_retries,
            expiry_count: document.expiry_count,
            task_id: document.task_id,
            error_message: document.error_message,
            outcome: document.outcome,
            split_from: document.split_from,
            last_move: document.last_move,
            created_at: document.created_at,
            updated_at: document.updated_at,
            started_at: document.started_at,
            finished_at: document.finished_at,
        })
    }
}
