//! The audit trail: who did what to which chunk or job, from, to, why.

use crate::chunk::JobChunkStatus;
use crate::error::{Error, Result};
use crate::id::{Attempt, ChunkId, JobId, TaskId};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:tt;)+) => {
        /// What was done. One row per change of a chunk's status; one per call for what an operator does to a job.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum Action {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl Action {
            /// Every action, in the order of this table.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in SQL, JSON and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

actions! {
    /// A worker took the chunk by `claim`.
    Claimed = "claimed";
    /// The chunk was started by `mark_chunk_processing`.
    Started = "started";
    /// The chunk is done.
    Completed = "completed";
    /// The chunk was given up.
    Failed = "failed";
    /// The lease or the chunk's timeout ran out.
    Expired = "expired";
    /// The holder gave the chunk back unfinished.
    Released = "released";
    /// A person put a failed chunk back.
    Retried = "retried";
    /// The service put a failed chunk back.
    RetriedByPolicy = "retried_by_policy";
    /// The chunk was split; one row per call, on the chunk that was split.
    Split = "split";
    /// The chunk was handed to a task queue.
    Dispatched = "dispatched";
    /// A chunk's priority was set.
    ChunkPrioritySet = "chunk_priority_set";
    /// A job was created.
    JobCreated = "job_created";
    /// A job's settings were changed.
    JobUpdated = "job_updated";
    /// An image list was taken in for a job.
    ListTaken = "list_taken";
    /// A job's chunks were created.
    ChunksCreated = "chunks_created";
    /// A job's priority was set.
    PrioritySet = "priority_set";
    /// A job was paused.
    Paused = "paused";
    /// A paused job goes on.
    Resumed = "resumed";
    /// A job was cancelled.
    Cancelled = "cancelled";
    /// A job was deleted.
    Deleted = "deleted";
    /// A job's counters were recounted and mended.
    Repaired = "repaired";
    /// A job ended as completed.
    JobCompleted = "job_completed";
    /// A job ended with failed chunks.
    JobFailed = "job_failed";
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
            Error::invalid("action", format!("{text:?}"), all.join(", "))
        })
    }
}

/// One row of the activity log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Activity {
    /// Grows with every row; not every number occurs.
    pub id: i64,
    /// When, by the database's clock.
    pub created_at: Timestamp,
    /// Who: a worker's task id, a person's name, or `ream` for what the service does by itself.
    pub actor: String,
    /// What was done.
    pub action: Action,
    /// The job it was done to.
    pub job_id: JobId,
    /// The chunk, where it was done to one.
    pub chunk_id: Option<ChunkId>,
    /// The chunk's status before.
    pub from_status: Option<JobChunkStatus>,
    /// The chunk's status after.
    pub to_status: Option<JobChunkStatus>,
    /// The chunk's attempt after.
    pub attempt: Option<Attempt>,
    /// Whose work it is about.
    pub task_id: Option<TaskId>,
    /// Whether it was done on an unfenced word: an operator's, or of a caller that gave no attempt.
    pub unfenced: bool,
    /// Why, or with which numbers.
    pub message: Option<String>,
}
