//! A fresh chunk and a context for the tests of the transition function.

use ream_core::effects::Transition;
use ream_core::event::Event;
use ream_core::last_move::LastMove;
use ream_core::transition::{Context, transition};
use ream_core::{
    Attempt, ChunkId, ChunkState, ImageRange, JobChunk, JobGate, JobId, Policy, Priority, TaskId, Timestamp,
};

/// When every test begins.
pub(crate) const T0: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

/// A chunk as it is created: no two of its numbers are equal.
pub(crate) fn fresh(id: i64, first: u64, last: u64) -> JobChunk {
    JobChunk {
        id: ChunkId::new(id),
        job_id: JobId::new(41),
        chunk_index: 7,
        image_range: ImageRange::new(first, last).unwrap(),
        priority: Priority::new(6).unwrap(),
        state: ChunkState::Pending { dispatch: None },
        attempt: Attempt::NEVER,
        retry_count: 0,
        policy_retries: 0,
        expiry_count: 0,
        task_id: None,
        error_message: None,
        outcome: None,
        split_from: None,
        last_move: LastMove::Created,
        created_at: T0,
        updated_at: T0,
        started_at: None,
        finished_at: None,
    }
}

/// A task id.
pub(crate) fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// The context of an open job at `now`, with the longest back-off.
pub(crate) fn at(now: Timestamp, policy: &Policy) -> Context<'_> {
    Context { now, policy, gate: JobGate::Open, jitter: 1.0 }
}

/// Applies an event that has to be accepted.
pub(crate) fn go(chunk: JobChunk, event: Event, cx: &Context<'_>) -> Transition {
    let told = format!("{event:?} on a chunk that is {}", chunk.status());
    transition(chunk, event, cx).unwrap_or_else(|error| panic!("{told} was refused: {error}"))
}
