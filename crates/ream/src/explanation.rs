//! Why a chunk stands where it stands: a pure function of what was read.

use ream_core::last_move::LastMove;
use ream_core::text::{count, duration, printable, time};
use ream_core::{Activity, ChunkId, ChunkState, CrawlJob, Executor, JobChunk, JobGate, Lease, Timestamp};
use serde::Serialize;

/// Why a chunk is not running, or who runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explanation {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// What to do next, where anything is to be done.
    pub advice: Option<String>,
}

/// A chunk with the reason why it stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Explained {
    /// Why.
    #[serde(flatten)]
    pub explanation: Explanation,
    /// The chunk.
    #[cfg_attr(feature = "openapi", schema(value_type = ream_core::chunk_document::ChunkDocument))]
    pub chunk: JobChunk,
    /// What was done to it last, newest first.
    pub activity: Vec<Activity>,
}

/// Each case that calls for something else to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reason {
    /// Completed.
    Completed,
    /// Held under a lease that is not over.
    Processing,
    /// Held under a lease that is over; nobody looked for it yet.
    LeaseOver,
    /// Failed, to be retried by policy later.
    BackOff,
    /// Failed, to be retried by policy now; nobody looked for it yet.
    RetryDue,
    /// Failed, waits for a person.
    Failed,
    /// The job is cancelled.
    JobCancelled,
    /// The job is paused.
    JobPaused,
    /// In the hands of a task queue.
    Dispatched,
    /// The next claim of its job takes it.
    NextInLine,
    /// Other chunks of its job come first.
    Queued,
}

/// What turns expired leases and due retries into something, and who does it.
const MAINTENANCE: &str = "a Ream process that does the maintenance of this database must be running";

/// Explains `chunk` of `job` as of `now`; `next` is the chunk that the job's next claim takes.
pub(crate) fn explain(
    chunk: &JobChunk,
    job: &CrawlJob,
    next: Option<ChunkId>,
    now: Timestamp,
) -> Explanation {
    let told = |reason, message: String, advice: Option<String>| Explanation { reason, message, advice };
    match &chunk.state {
        ChunkState::Completed { unpublished } => {
            let output = if *unpublished { "; its output still waits for its final names" } else { "" };
            let at = chunk.finished_at.map_or_else(String::new, |at| format!(" at {}", time(at)));
            told(
                Reason::Completed,
                format!("It was completed{at}, in attempt {}{output}.", chunk.attempt),
                None,
            )
        }
        ChunkState::Processing { lease, .. } => processing(chunk, job, *lease, now),
        ChunkState::Failed { retry_at: None } => failed(chunk, job),
        ChunkState::Failed { retry_at: Some(retry_at) } => {
            let budget =
                format!("retry {} of {}", chunk.policy_retries.saturating_add(1), job.policy.max_retries);
            let at_once = format!("`ream chunks retry {}` puts it back at once", chunk.id);
            if *retry_at > now {
                let wait = duration(retry_at.ms_since(now));
                let message = format!("It failed and is put back by itself in {wait} ({budget}).");
                told(Reason::BackOff, message, Some(format!("wait, or {at_once}")))
            } else {
                let since = duration(now.ms_since(*retry_at));
                let message = format!("It failed, and should have been put back {since} ago ({budget}).");
                told(Reason::RetryDue, message, Some(format!("{MAINTENANCE}; {at_once}")))
            }
        }
        ChunkState::Pending { .. } if job.gate == JobGate::Cancelled => {
            told(Reason::JobCancelled, format!("Job {} is cancelled: it will never start.", job.id), None)
        }
        ChunkState::Pending { .. } if job.gate == JobGate::Paused => told(
            Reason::JobPaused,
            format!("Job {} is paused.", job.id),
            Some(format!("`ream jobs resume {}` lets its chunks start", job.id)),
        ),
        ChunkState::Pending { dispatch: Some(dispatch) } if dispatch.redispatch_at > now => {
            let task = chunk.task_id.as_ref().map_or("an unnamed task", |task_id| task_id.as_str());
            let ago = duration(now.ms_since(dispatch.dispatched_at));
            let left = duration(dispatch.redispatch_at.ms_since(now));
            let message = format!(
                "It was dispatched {ago} ago as task `{}`, which has not started yet. After {left} more anybody \
                 may start it.",
                printable(task)
            );
            told(
                Reason::Dispatched,
                message,
                Some("see whether the task is in the broker's queue".to_owned()),
            )
        }
        ChunkState::Pending { .. } => queued(chunk, job, next),
    }
}

fn processing(chunk: &JobChunk, job: &CrawlJob, lease: Lease, now: Timestamp) -> Explanation {
    let holder = match &chunk.task_id {
        Some(task_id) => format!("`{}`", printable(task_id.as_str())),
        None => "a worker without a task id".to_owned(),
    };
    let held = chunk.started_at.map_or_else(String::new, |at| format!(" for {}", duration(now.ms_since(at))));
    let attempt = chunk.attempt;
    if lease.expires_at > now {
        let left = duration(lease.expires_at.ms_since(now));
        let limit = if lease.expires_at < lease.timeout_at {
            format!(", and longer with heartbeats, but {} at most", duration(lease.timeout_at.ms_since(now)))
        } else {
            String::new()
        };
        return Explanation {
            reason: Reason::Processing,
            message: format!(
                "It is running: held by {holder}{held}, attempt {attempt}. The lease holds for {left}{limit}."
            ),
            advice: Some(format!("wait; `ream watch {}` shows how the job gets on", job.id)),
        };
    }
    Explanation {
        reason: Reason::LeaseOver,
        message: format!(
            "The lease of {holder} ran out {} ago, in attempt {attempt}. The chunk counts as running until that is noticed.",
            duration(now.ms_since(lease.expires_at))
        ),
        advice: Some(format!("{MAINTENANCE}: it fails the chunk and puts it back as the policy says")),
    }
}

fn failed(chunk: &JobChunk, job: &CrawlJob) -> Explanation {
    let (retries, allowed) = (chunk.policy_retries, job.policy.max_retries);
    let why = if job.gate == JobGate::Cancelled {
        format!("job {} is cancelled", job.id)
    } else if chunk.last_move == LastMove::FailedByOperator {
        "it was reported as failed without an attempt, so whoever did that decides on a retry".to_owned()
    } else if retries >= allowed {
        format!("{retries} of {allowed} retries are used up")
    } else {
        "no retry is planned".to_owned()
    };
    let advice = match job.gate {
        JobGate::Cancelled => None,
        _ => Some(format!("look at the last error, then `ream chunks retry {}`", chunk.id)),
    };
    Explanation {
        reason: Reason::Failed,
        message: format!("It failed, and nothing puts it back by itself: {why}."),
        advice,
    }
}

fn queued(chunk: &JobChunk, job: &CrawlJob, next: Option<ChunkId>) -> Explanation {
    let c = &job.counters;
    let at_work = match c.active_chunks {
        0 => "no chunk of the job is at work".to_owned(),
        1 => "1 chunk of the job is at work".to_owned(),
        active => format!("{active} chunks of the job are at work"),
    };
    let advice = (c.active_chunks == 0).then(|| match job.executor {
        Executor::Ream => "see whether a worker of Ream is running".to_owned(),
        Executor::Celery => {
            "see whether chunks are dispatched to Celery, and whether its workers run".to_owned()
        }
        Executor::External => "see whether a program that claims chunks of this job is running".to_owned(),
    });
    let (reason, place) = match next {
        Some(next) if next == chunk.id => (Reason::NextInLine, "it is the next of its job".to_owned()),
        Some(next) => (
            Reason::Queued,
            format!("chunk {next} comes first, and {} of the job wait", count(c.pending_chunks(), "chunk")),
        ),
        None => (Reason::Queued, "the others of the job are dispatched or done".to_owned()),
    };
    Explanation {
        reason,
        message: format!("It waits to be taken: {place}; {at_work}. More urgent jobs go first."),
        advice,
    }
}
