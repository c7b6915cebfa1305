//! Protects the rules of section 3 of the design over whole lives: random histories of several chunks run beside a
//! small model that is written from the design's sentences.
#![allow(clippy::unwrap_used)]

mod model;
mod support;

use model::{Model, Op, Verdict, event, op};
use proptest::prelude::*;
use ream_core::effects::counts;
use ream_core::event::Event;
use ream_core::job::Counters;
use ream_core::split::split_ranges;
use ream_core::transition::{Context, transition};
use ream_core::{Error, JobChunk, JobChunkStatus, JobGate, Policy, Timestamp};
use support::{T0, fresh, task};

/// One step of the chunk beside one step of the model; answers the chunk and what it adds to the counters.
fn step(
    chunk: &JobChunk,
    model: &mut Model,
    op: Op,
    cx: &Context<'_>,
) -> Result<(JobChunk, Counters), TestCaseError> {
    let Some(event) = event(op, model) else { return Ok((chunk.clone(), Counters::default())) };
    let before = model.clone();
    let mut verdict = model.apply(op, cx.now.unix_ms(), cx.gate, chunk.priority.get());
    let done = match transition(chunk.clone(), event, cx) {
        Err(Error::Conflict { code, .. }) => {
            prop_assert_eq!(verdict, Verdict::Refused(code.as_str()), "{:?} in {:?}", op, before);
            return Ok((chunk.clone(), Counters::default()));
        }
        done => done.unwrap(),
    };
    if verdict == Verdict::MovesOrNothing {
        verdict = if done.changed { model.put_back() } else { Verdict::Nothing };
    }
    let moved = if done.changed { Verdict::Moves } else { Verdict::Nothing };
    prop_assert_eq!(verdict, moved, "{:?} in {:?}", op, before);
    let after = &done.chunk;
    prop_assert_eq!(after.status(), model.status());
    prop_assert_eq!(after.attempt.get(), model.attempt);
    prop_assert_eq!(after.retry_count, model.retry_count);
    let lease = after.lease().map(|lease| (lease.expires_at.unix_ms(), lease.timeout_at.unix_ms()));
    prop_assert_eq!(lease, model.lease, "a lease exists exactly while a chunk is processing");
    prop_assert!(after.attempt >= chunk.attempt && after.retry_count >= chunk.retry_count);
    prop_assert!(chunk.status() != JobChunkStatus::Completed || after.status() == JobChunkStatus::Completed);
    let heartbeat = matches!(op, Op::Heartbeat(_));
    prop_assert_eq!(done.effects.log.is_some(), done.changed && !heartbeat, "{:?} logs", op);
    if let Some(log) = &done.effects.log {
        prop_assert_eq!((log.from_status, log.to_status), (chunk.status(), after.status()));
        prop_assert_eq!(log.attempt, after.attempt);
    }
    if done.changed {
        prop_assert_eq!(after.updated_at, cx.now, "every write sets updated_at");
    }
    Ok((done.chunk, done.effects.counters))
}

fn recount(chunks: &[JobChunk]) -> Counters {
    chunks.iter().map(counts).fold(Counters::default(), Counters::plus)
}

proptest! {
    #[test]
    fn any_history_follows_the_design(ops in prop::collection::vec((0usize..3, op()), 1..120), jitter in 0.0f64..1.0) {
        let policy = Policy::default();
        let mut chunks: Vec<JobChunk> = (0i64..3).map(|n| fresh(n + 1, n as u64 * 500, n as u64 * 500 + 499)).collect();
        let mut models = vec![Model::default(); 3];
        let (mut now, mut gate) = (T0.unix_ms(), JobGate::Open);
        let mut counters = recount(&chunks);
        for (n, op) in ops {
            match op {
                Op::Advance(ms) => now += i64::from(ms),
                Op::Gate(to) if gate != JobGate::Cancelled => gate = to,
                _ => {}
            }
            let cx = Context { now: Timestamp::from_unix_ms(now), policy: &policy, gate, jitter };
            let (after, delta) = step(&chunks[n], &mut models[n], op, &cx)?;
            chunks[n] = after;
            counters = counters.plus(delta);
            prop_assert_eq!(counters, recount(&chunks), "after {:?}", op);
        }
    }

    #[test]
    fn any_splits_keep_the_exact_cover(splits in prop::collection::vec((any::<prop::sample::Index>(), 2u64..7, any::<bool>()), 0..40)) {
        let mut chunks = vec![fresh(1, 0, 499), fresh(2, 500, 999), fresh(3, 1000, 1000)];
        for (which, parts, failed) in splits {
            let n = which.index(chunks.len());
            let mut chunk = chunks[n].clone();
            if failed {
                chunk.state = ream_core::ChunkState::Failed { retry_at: None };
            }
            let images = chunk.image_range.images();
            let Ok(ranges) = split_ranges(&chunk, parts) else {
                prop_assert!(images < parts, "refused though there are {} images", images);
                continue;
            };
            let sizes: Vec<u64> = ranges.iter().map(|range| range.images()).collect();
            prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{:?}", sizes);
            prop_assert_eq!(ranges[0].start(), chunk.image_range.start(), "the chunk keeps the first part");
            chunks[n].image_range = ranges[0];
            chunks.extend(ranges[1..].iter().map(|range| fresh(9, range.start(), range.end())));
            let mut all: Vec<(u64, u64)> = chunks.iter().map(|c| (c.image_range.start(), c.image_range.end())).collect();
            all.sort_unstable();
            prop_assert_eq!((all[0].0, all[all.len() - 1].1), (0, 1000));
            prop_assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{:?}", all);
        }
    }
}

#[test]
fn a_chunk_that_is_held_or_done_is_not_split() {
    let policy = Policy::default();
    let cx = support::at(T0, &policy);
    let held = support::go(fresh(1, 0, 499), Event::Claim { task_id: task("worker") }, &cx).chunk;
    assert_eq!(split_ranges(&held, 2).unwrap_err().code(), "wrong_status");
    let done = support::go(held, Event::Complete { attempt: None, outcome: None }, &cx).chunk;
    assert_eq!(split_ranges(&done, 2).unwrap_err().code(), "wrong_status");
    for parts in [0, 1, 501, 1001] {
        assert_eq!(split_ranges(&fresh(1, 0, 499), parts).unwrap_err().code(), "validation", "{parts} parts");
    }
}
