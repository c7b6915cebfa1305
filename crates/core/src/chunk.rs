//! What a chunk is.

use crate::chunk_document::ChunkDocument;
use crate::error::{Error, Result};
use crate::id::{Attempt, ChunkId, JobId, TaskId};
use crate::last_move::LastMove;
use crate::outcome::{ChunkProgress, Outcome};
use crate::priority::Priority;
use crate::range::ImageRange;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a chunk stands: these four, no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobChunkStatus {
    /// Waits to be started.
    Pending,
    /// Somebody holds it under a lease.
    Processing,
    /// Done, and stays so.
    Completed,
    /// Given up, until retried by hand or by policy.
    Failed,
}

impl JobChunkStatus {
    /// All four, in the order of a chunk's life.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Processing, Self::Completed, Self::Failed];

    /// The word in SQL, JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for JobChunkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobChunkStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or_else(|| {
            Error::invalid("status", format!("{text:?}"), "pending, processing, completed or failed")
        })
    }
}

/// The right to finish a chunk. A heartbeat extends it, up to the chunk's timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// From here on the holder's word no longer counts. Never after `timeout_at`.
    pub expires_at: Timestamp,
    /// When the attempt has taken too long, however many heartbeats came.
    pub timeout_at: Timestamp,
}

/// The hand-over of a pending chunk to a task queue: others pass over it until `redispatch_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// When the task was handed over.
    pub dispatched_at: Timestamp,
    /// From here on anybody may start the chunk.
    pub redispatch_at: Timestamp,
}

/// A chunk's status with what only that status has. A combination that makes no sense cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkState {
    /// Waits to be started.
    Pending {
        /// Set while a task queue has it.
        dispatch: Option<Dispatch>,
    },
    /// Held.
    Processing {
        /// Until when.
        lease: Lease,
        /// What the last heartbeat told.
        progress: Option<ChunkProgress>,
    },
    /// Done.
    Completed {
        /// Whether staged output still waits for its final names.
        unpublished: bool,
    },
    /// Given up.
    Failed {
        /// When the service itself puts it back to pending; `None` waits for `retry_chunk`.
        retry_at: Option<Timestamp>,
    },
}

impl ChunkState {
    /// The bare status.
    pub const fn status(&self) -> JobChunkStatus {
        match self {
            Self::Pending { .. } => JobChunkStatus::Pending,
            Self::Processing { .. } => JobChunkStatus::Processing,
            Self::Completed { .. } => JobChunkStatus::Completed,
            Self::Failed { .. } => JobChunkStatus::Failed,
        }
    }
}

/// A run of at most `chunk_size` consecutive images of one job. A value that is looked at: to work on a chunk,
/// claim it. In JSON it is a [`ChunkDocument`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ChunkDocument", try_from = "ChunkDocument")]
pub struct JobChunk {
    /// Given by the database.
    pub id: ChunkId,
    /// The job it belongs to.
    pub job_id: JobId,
    /// Names the chunk within its job, from 0. Unique, never changed; after a split `image_range` orders.
    pub chunk_index: u64,
    /// The images it is about. Shrinks when the chunk is split.
    pub image_range: ImageRange,
    /// Starts as the job's; orders the chunks within their job.
    pub priority: Priority,
    /// Where it stands.
    pub state: ChunkState,
    /// How often it was started.
    pub attempt: Attempt,
    /// How often it was put back to pending after a failure.
    pub retry_count: u32,
    /// Of these, how often by policy since creation or the last retry by hand: what `max_retries` limits.
    pub policy_retries: u32,
    /// How often a lease or timeout ran out since creation or the last retry by hand.
    pub expiry_count: u32,
    /// Who works on it, or did last; a dispatched chunk's future task.
    pub task_id: Option<TaskId>,
    /// The last error; stays readable until completion.
    pub error_message: Option<String>,
    /// What the worker reported at completion.
    pub outcome: Option<Outcome>,
    /// The chunk it was split from.
    pub split_from: Option<ChunkId>,
    /// The last change of status: lets a repeated call get the same answer again.
    pub last_move: LastMove,
    /// Set once.
    pub created_at: Timestamp,
    /// Set by every write.
    pub updated_at: Timestamp,
    /// When the present or last attempt started.
    pub started_at: Option<Timestamp>,
    /// When the chunk was completed or failed last.
    pub finished_at: Option<Timestamp>,
}

impl JobChunk {
    /// The bare status.
    pub const fn status(&self) -> JobChunkStatus {
        self.state.status()
    }

    /// The lease, while there is one.
    pub const fn lease(&self) -> Option<Lease> {
        match self.state {
            ChunkState::Processing { lease, .. } => Some(lease),
            _ => None,
        }
    }

    /// A pending chunk that a task queue does not have at `now`.
    pub fn is_due(&self, now: Timestamp) -> bool {
        match &self.state {
            ChunkState::Pending { dispatch } => dispatch.is_none_or(|d| d.redispatch_at <= now),
            _ => false,
        }
    }
}
