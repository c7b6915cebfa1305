//! What may be asked of a chunk. What each event does is in [`crate::transition`].

use crate::error::Result;
use crate::id::{Attempt, TaskId};
use crate::outcome::{ChunkProgress, Outcome};
use crate::priority::Priority;

/// What is asked of a chunk. Where an `attempt` is optional, its giver is a worker and fenced; without one the
/// word is an operator's: it counts, and ends any lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// pending → processing, by a worker that will send heartbeats.
    Claim {
        /// The worker.
        task_id: TaskId,
    },
    /// pending → processing, by `mark_chunk_processing`: the lease lasts the chunk timeout until a heartbeat comes.
    Start {
        /// The task; a dispatched chunk starts for its own task only.
        task_id: Option<TaskId>,
    },
    /// processing → processing: extends the lease.
    Heartbeat {
        /// The holder's.
        attempt: Attempt,
        /// How far it has come.
        progress: Option<ChunkProgress>,
    },
    /// processing → completed; without an attempt also from pending and failed.
    Complete {
        /// The holder's.
        attempt: Option<Attempt>,
        /// What came out.
        outcome: Option<Outcome>,
    },
    /// processing → failed; without an attempt also from pending.
    Fail {
        /// The holder's.
        attempt: Option<Attempt>,
        /// Why.
        message: Option<String>,
    },
    /// processing → pending, at no cost in retries.
    Release {
        /// The holder's.
        attempt: Attempt,
    },
    /// failed → pending by hand, with a fresh retry budget.
    Retry,
    /// failed → pending as `Retry`, processing → pending as an operator's release.
    PutBack,
    /// failed → pending by the service, once `retry_at` has come; before that, nothing.
    RetryByPolicy,
    /// processing → failed, once the lease is over; before that, nothing.
    Expire,
    /// pending → pending, in the hands of a task queue.
    Dispatch {
        /// The task that will start it.
        task_id: TaskId,
    },
    /// Any status: another place in the queue.
    SetPriority(Priority),
}

impl Event {
    /// # Errors
    /// Validation: an outcome or progress out of its ranges. Whatever the chunk is, and before it is looked for.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Heartbeat { progress: Some(progress), .. } => progress.validate(),
            Self::Complete { outcome: Some(outcome), .. } => outcome.validate(),
            _ => Ok(()),
        }
    }

    /// Whether it may only happen while the job's gate is open, or holds on to that: see [`crate::job::JobGate`].
    pub const fn needs_open_gate(&self) -> bool {
        matches!(self, Self::Claim { .. } | Self::Start { .. } | Self::Dispatch { .. })
    }
}
