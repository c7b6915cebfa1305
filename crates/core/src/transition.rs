//! The only transition function: a chunk, an event and the time give a new chunk and its effects, or a refusal.
//!
//! Counters, activity log and wake-ups follow from the [`Effects`]; a storage backend carries them out in the
//! transaction that writes the chunk.

use crate::activity::Action;
use crate::chunk::{ChunkState, Dispatch, JobChunk, JobChunkStatus, Lease};
use crate::effects::{Effects, LogEntry, Transition, counts};
use crate::error::{ConflictCode, Error, Result};
use crate::event::Event;
use crate::id::{Attempt, TaskId};
use crate::job::{Counters, JobGate};
use crate::last_move::LastMove;
use crate::outcome::{ChunkProgress, Outcome};
use crate::policy::Policy;
use crate::priority::Priority;
use crate::retry::backoff_ms;
use crate::timestamp::Timestamp;

/// What a transition depends on besides the chunk.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The database's time in this transaction.
    pub now: Timestamp,
    /// The job's policy.
    pub policy: &'a Policy,
    /// Whether chunks of the job may start.
    pub gate: JobGate,
    /// 0 to 1, drawn anew for each event: spreads retries.
    pub jitter: f64,
}

/// Applies one event to one chunk.
///
/// # Errors
/// Conflict: [`ConflictCode::LeaseLost`] when an attempt was given that does not hold the chunk,
/// [`ConflictCode::JobNotRunning`] when a start meets a job that is paused or cancelled,
/// [`ConflictCode::WrongStatus`] otherwise. Validation: an outcome or progress out of its ranges.
pub fn transition(chunk: JobChunk, event: Event, cx: &Context<'_>) -> Result<Transition> {
    event.validate()?;
    match event {
        Event::Claim { task_id } => start(chunk, Some(task_id), StartedBy::Claim, cx),
        Event::Start { task_id } => start(chunk, task_id, StartedBy::Call, cx),
        Event::Heartbeat { attempt, progress } => heartbeat(chunk, attempt, progress, cx),
        Event::Complete { attempt, outcome } => complete(chunk, attempt, outcome, cx),
        Event::Fail { attempt, message } => fail(chunk, attempt, message, cx),
        Event::Release { attempt } => release(chunk, Some(attempt), cx),
        Event::Retry => retry(chunk, cx),
        Event::PutBack if chunk.status() == JobChunkStatus::Processing => release(chunk, None, cx),
        Event::PutBack => retry(chunk, cx),
        Event::RetryByPolicy => Ok(retry_by_policy(chunk, cx)),
        Event::Expire => Ok(expire(chunk, cx)),
        Event::Dispatch { task_id } => dispatch(chunk, task_id, cx),
        Event::SetPriority(priority) => Ok(set_priority(chunk, priority, cx)),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum StartedBy {
    Claim,
    Call,
}

fn start(
    mut chunk: JobChunk,
    task_id: Option<TaskId>,
    by: StartedBy,
    cx: &Context<'_>,
) -> Result<Transition> {
    let ChunkState::Pending { dispatch } = &chunk.state else {
        return Err(wrong_status(&chunk, "started", "pending"));
    };
    let dispatched = dispatch.filter(|d| d.redispatch_at > cx.now);
    if let Some(dispatch) = dispatched
        && (task_id.is_none() || task_id != chunk.task_id)
    {
        let task = chunk.task_id.as_ref().map_or("another task", |task_id| task_id.as_str());
        return Err(Error::conflict(
            ConflictCode::WrongStatus,
            format!("chunk {} is dispatched to `{task}` until {}", chunk.id, dispatch.redispatch_at),
        ));
    }
    check_gate(&chunk, cx.gate)?;
    let before = counts(&chunk);
    let timeout_at = cx.now.plus_s(cx.policy.chunk_timeout_s);
    let expires_at = match by {
        StartedBy::Claim => cx.now.plus_s(cx.policy.lease_duration_s).min(timeout_at),
        StartedBy::Call => timeout_at,
    };
    chunk.state = ChunkState::Processing { lease: Lease { expires_at, timeout_at }, progress: None };
    chunk.attempt = chunk.attempt.next();
    chunk.task_id = task_id;
    chunk.started_at = Some(cx.now);
    chunk.finished_at = None;
    chunk.last_move = LastMove::Started;
    let action = if by == StartedBy::Claim { Action::Claimed } else { Action::Started };
    let log = entry(action, JobChunkStatus::Pending, &chunk);
    let mut done = moved(chunk, before, log, cx);
    done.effects.starts_job = true;
    Ok(done)
}

fn heartbeat(
    mut chunk: JobChunk,
    attempt: Attempt,
    reported: Option<ChunkProgress>,
    cx: &Context<'_>,
) -> Result<Transition> {
    let lease = live_lease(&chunk, attempt, cx.now)?;
    let expires_at = cx.now.plus_s(cx.policy.lease_duration_s).min(lease.timeout_at);
    if let ChunkState::Processing { lease, progress } = &mut chunk.state {
        lease.expires_at = expires_at;
        *progress = reported.or(*progress);
    }
    chunk.updated_at = cx.now;
    Ok(Transition { chunk, changed: true, effects: Effects::default() })
}

fn complete(
    mut chunk: JobChunk,
    attempt: Option<Attempt>,
    outcome: Option<Outcome>,
    cx: &Context<'_>,
) -> Result<Transition> {
    if chunk.status() == JobChunkStatus::Completed {
        return match attempt {
            Some(attempt) if !repeats(&chunk, attempt, LastMove::CompletedByHolder) => {
                Err(lease_lost(&chunk, attempt, cx.now))
            }
            _ => Ok(unchanged(chunk)),
        };
    }
    if let Some(attempt) = attempt {
        live_lease(&chunk, attempt, cx.now)?;
    }
    let (before, from) = (counts(&chunk), chunk.status());
    let unpublished = outcome.as_ref().is_some_and(|outcome| !outcome.outputs.is_empty());
    chunk.state = ChunkState::Completed { unpublished };
    chunk.outcome = outcome;
    chunk.error_message = None;
    chunk.finished_at = Some(cx.now);
    chunk.last_move =
        if attempt.is_some() { LastMove::CompletedByHolder } else { LastMove::CompletedByOperator };
    let mut log = entry(Action::Completed, from, &chunk);
    log.unfenced = attempt.is_none();
    Ok(moved(chunk, before, log, cx))
}

fn fail(
    mut chunk: JobChunk,
    attempt: Option<Attempt>,
    message: Option<String>,
    cx: &Context<'_>,
) -> Result<Transition> {
    match (chunk.status(), attempt) {
        (JobChunkStatus::Failed, None) => return Ok(unchanged(chunk)),
        (JobChunkStatus::Failed, Some(attempt)) if repeats(&chunk, attempt, LastMove::FailedByHolder) => {
            return Ok(unchanged(chunk));
        }
        (_, Some(attempt)) => {
            live_lease(&chunk, attempt, cx.now)?;
        }
        (JobChunkStatus::Completed, None) => {
            return Err(wrong_status(&chunk, "marked as failed", "pending, processing or failed"));
        }
        (_, None) => {}
    }
    let (before, from) = (counts(&chunk), chunk.status());
    let retry_at = match attempt {
        Some(_) => next_retry_at(&chunk, backoff_ms(cx.policy, chunk.policy_retries, cx.jitter), cx),
        // Whoever reports without an attempt decides on the retry, too.
        None => None,
    };
    chunk.state = ChunkState::Failed { retry_at };
    chunk.error_message = message.map(bounded_message);
    chunk.finished_at = Some(cx.now);
    chunk.last_move = if attempt.is_some() { LastMove::FailedByHolder } else { LastMove::FailedByOperator };
    let mut log = entry(Action::Failed, from, &chunk);
    log.unfenced = attempt.is_none();
    log.message.clone_from(&chunk.error_message);
    Ok(moved(chunk, before, log, cx))
}

fn release(mut chunk: JobChunk, attempt: Option<Attempt>, cx: &Context<'_>) -> Result<Transition> {
    if let Some(attempt) = attempt {
        if chunk.status() == JobChunkStatus::Pending && repeats(&chunk, attempt, LastMove::Released) {
            return Ok(unchanged(chunk));
        }
        live_lease(&chunk, attempt, cx.now)?;
    }
    let before = counts(&chunk);
    chunk.state = ChunkState::Pending { dispatch: None };
    chunk.last_move = if attempt.is_some() { LastMove::Released } else { LastMove::ReleasedByOperator };
    let mut log = entry(Action::Released, JobChunkStatus::Processing, &chunk);
    log.unfenced = attempt.is_none();
    chunk.task_id = None;
    Ok(moved(chunk, before, log, cx))
}

fn retry(chunk: JobChunk, cx: &Context<'_>) -> Result<Transition> {
    if chunk.status() != JobChunkStatus::Failed {
        return Err(wrong_status(&chunk, "retried", "failed"));
    }
    let mut done = put_back(chunk, Action::Retried, cx);
    done.chunk.policy_retries = 0;
    done.chunk.expiry_count = 0;
    Ok(done)
}

fn retry_by_policy(mut chunk: JobChunk, cx: &Context<'_>) -> Transition {
    let ChunkState::Failed { retry_at: Some(retry_at) } = chunk.state else {
        return unchanged(chunk);
    };
    if retry_at > cx.now {
        return unchanged(chunk);
    }
    chunk.policy_retries = chunk.policy_retries.saturating_add(1);
    put_back(chunk, Action::RetriedByPolicy, cx)
}

fn put_back(mut chunk: JobChunk, action: Action, cx: &Context<'_>) -> Transition {
    let before = counts(&chunk);
    chunk.state = ChunkState::Pending { dispatch: None };
    chunk.retry_count = chunk.retry_count.saturating_add(1);
    chunk.last_move = LastMove::Retried;
    let mut log = entry(action, JobChunkStatus::Failed, &chunk);
    if action == Action::RetriedByPolicy {
        log.message = Some(format!("retry {} of {}", chunk.policy_retries, cx.policy.max_retries));
    }
    chunk.task_id = None;
    moved(chunk, before, log, cx)
}

fn expire(mut chunk: JobChunk, cx: &Context<'_>) -> Transition {
    let Some(lease) = chunk.lease().filter(|lease| lease.expires_at <= cx.now) else {
        return unchanged(chunk);
    };
    let before = counts(&chunk);
    let message = expiry_message(&chunk, lease, cx);
    // A first expiry is most often a worker that was stopped, not a chunk that is at fault.
    let wait_ms = match chunk.expiry_count {
        0 => 0,
        _ => backoff_ms(cx.policy, chunk.policy_retries, cx.jitter),
    };
    chunk.state = ChunkState::Failed { retry_at: next_retry_at(&chunk, wait_ms, cx) };
    chunk.expiry_count = chunk.expiry_count.saturating_add(1);
    chunk.finished_at = Some(cx.now);
    chunk.last_move = LastMove::Expired;
    let mut log = entry(Action::Expired, JobChunkStatus::Processing, &chunk);
    log.message = Some(message.clone());
    chunk.error_message = Some(message);
    moved(chunk, before, log, cx)
}

fn dispatch(mut chunk: JobChunk, task_id: TaskId, cx: &Context<'_>) -> Result<Transition> {
    if !chunk.is_due(cx.now) {
        return Err(wrong_status(&chunk, "dispatched", "pending and not dispatched"));
    }
    check_gate(&chunk, cx.gate)?;
    let before = counts(&chunk);
    let redispatch_at = cx.now.plus_s(cx.policy.redispatch_after_s);
    chunk.state = ChunkState::Pending { dispatch: Some(Dispatch { dispatched_at: cx.now, redispatch_at }) };
    chunk.task_id = Some(task_id);
    let log = entry(Action::Dispatched, JobChunkStatus::Pending, &chunk);
    Ok(moved(chunk, before, log, cx))
}

fn set_priority(mut chunk: JobChunk, priority: Priority, cx: &Context<'_>) -> Transition {
    if chunk.priority == priority {
        return unchanged(chunk);
    }
    let (before, status) = (counts(&chunk), chunk.status());
    let mut log = entry(Action::ChunkPrioritySet, status, &chunk);
    log.message = Some(format!("priority {} to {priority}", chunk.priority));
    chunk.priority = priority;
    moved(chunk, before, log, cx)
}

fn unchanged(chunk: JobChunk) -> Transition {
    Transition { chunk, changed: false, effects: Effects::default() }
}

fn moved(mut chunk: JobChunk, before: Counters, log: LogEntry, cx: &Context<'_>) -> Transition {
    chunk.updated_at = cx.now;
    let effects = Effects {
        counters: counts(&chunk).minus(before),
        wakes_claimers: log.from_status != log.to_status && log.to_status == JobChunkStatus::Pending,
        log: Some(log),
        starts_job: false,
    };
    Transition { chunk, changed: true, effects }
}

fn entry(action: Action, from_status: JobChunkStatus, after: &JobChunk) -> LogEntry {
    LogEntry {
        action,
        from_status,
        to_status: after.status(),
        attempt: after.attempt,
        task_id: after.task_id.clone(),
        unfenced: false,
        message: None,
    }
}

/// When the service retries by itself, if the budget and the job allow it.
fn next_retry_at(chunk: &JobChunk, wait_ms: i64, cx: &Context<'_>) -> Option<Timestamp> {
    let ended = cx.gate == JobGate::Cancelled;
    (!ended && chunk.policy_retries < cx.policy.max_retries).then(|| cx.now.plus_ms(wait_ms))
}

/// Whether a fenced call comes a second time: the same attempt had the same success before.
fn repeats(chunk: &JobChunk, attempt: Attempt, last_move: LastMove) -> bool {
    chunk.attempt == attempt && chunk.last_move == last_move
}

/// The fence: the attempt must be the chunk's present one, and its lease not over.
fn live_lease(chunk: &JobChunk, attempt: Attempt, now: Timestamp) -> Result<Lease> {
    chunk
        .lease()
        .filter(|lease| chunk.attempt == attempt && lease.expires_at > now)
        .ok_or_else(|| lease_lost(chunk, attempt, now))
}

fn lease_lost(chunk: &JobChunk, attempt: Attempt, now: Timestamp) -> Error {
    let why = match chunk.lease() {
        Some(lease) if chunk.attempt == attempt => {
            format!("it ran out at {}, now is {now}", lease.expires_at)
        }
        _ => format!("the chunk is {} in attempt {}", chunk.status(), chunk.attempt),
    };
    Error::conflict(
        ConflictCode::LeaseLost,
        format!("attempt {attempt} lost its lease on chunk {}: {why}; drop the work", chunk.id),
    )
}

fn wrong_status(chunk: &JobChunk, verb: &str, allowed: &str) -> Error {
    let held = match (&chunk.state, &chunk.task_id) {
        (ChunkState::Processing { lease, .. }, task_id) => {
            let by = task_id.as_ref().map_or("someone without a task id", |task_id| task_id.as_str());
            format!(", held by `{by}` until {}", lease.expires_at)
        }
        _ => String::new(),
    };
    Error::conflict(
        ConflictCode::WrongStatus,
        format!(
            "chunk {} is {}{held}; only a chunk that is {allowed} can be {verb}",
            chunk.id,
            chunk.status()
        ),
    )
}

fn check_gate(chunk: &JobChunk, gate: JobGate) -> Result<()> {
    if gate == JobGate::Open {
        return Ok(());
    }
    let next = if gate == JobGate::Paused { "; resume the job first" } else { "" };
    Err(Error::conflict(
        ConflictCode::JobNotRunning,
        format!("job {} is {}, its chunk {} cannot start{next}", chunk.job_id, gate.as_str(), chunk.id),
    ))
}

fn expiry_message(chunk: &JobChunk, lease: Lease, cx: &Context<'_>) -> String {
    let worker = chunk.task_id.as_ref().map_or("a worker without a task id", |task_id| task_id.as_str());
    let held_ms = chunk.started_at.map_or(0, |started| cx.now.ms_since(started));
    let limit = if lease.expires_at >= lease.timeout_at {
        format!("chunk timeout of {} s over", cx.policy.chunk_timeout_s)
    } else {
        format!("lease of {} s over without a heartbeat", cx.policy.lease_duration_s)
    };
    format!(
        "{limit}, {:.1} s after the start of attempt {} on `{worker}`",
        held_ms as f64 / 1000.0,
        chunk.attempt
    )
}

/// The longest error message that is kept whole, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 8192;

fn bounded_message(message: String) -> String {
    // Not every database can store a zero character.
    let mut message = if message.contains('\0') { message.replace('\0', "\u{fffd}") } else { message };
    if message.len() > MAX_MESSAGE_BYTES {
        let cut_at = message.floor_char_boundary(MAX_MESSAGE_BYTES);
        let cut_bytes = message.len() - cut_at;
        message.truncate(cut_at);
        message.push_str(&format!(" … ({cut_bytes} more bytes cut)"));
    }
    message
}
