//! Protects the times of section 4 of the design: leases, timeouts, back-offs, and who decides on a retry.
#![allow(clippy::unwrap_used)]

mod support;

use ream_core::event::Event;
use ream_core::policy::PolicyFields;
use ream_core::transition::{MAX_MESSAGE_BYTES, transition};
use ream_core::{Attempt, ChunkState, JobChunk, Policy, Timestamp};
use support::{T0, at, fresh, go, task};

fn policy(fields: PolicyFields) -> Policy {
    Policy::new(fields).unwrap()
}

fn claimed(chunk: JobChunk, now: Timestamp, policy: &Policy) -> JobChunk {
    go(chunk, Event::Claim { task_id: task("worker-1") }, &at(now, policy)).chunk
}

fn heartbeat(chunk: &JobChunk) -> Event {
    Event::Heartbeat { attempt: chunk.attempt, progress: None }
}

fn retry_at(chunk: &JobChunk) -> Option<Timestamp> {
    let ChunkState::Failed { retry_at } = chunk.state else { panic!("{chunk:?}") };
    retry_at
}

fn ends(chunk: &JobChunk) -> (Timestamp, Timestamp) {
    let lease = chunk.lease().unwrap();
    (lease.expires_at, lease.timeout_at)
}

#[test]
fn a_started_chunk_is_held_for_the_timeout_until_its_first_heartbeat() {
    let policy = Policy::default();
    let chunk = go(fresh(1, 0, 499), Event::Start { task_id: None }, &at(T0, &policy)).chunk;
    assert_eq!(ends(&chunk), (T0.plus_s(3600), T0.plus_s(3600)));
    let now = T0.plus_s(100);
    let beat = go(chunk.clone(), heartbeat(&chunk), &at(now, &policy));
    assert_eq!(ends(&beat.chunk), (now.plus_s(15), T0.plus_s(3600)));
    assert_eq!(beat.effects.log, None);
}

#[test]
fn no_heartbeat_carries_a_lease_past_the_timeout() {
    let policy = policy(PolicyFields { chunk_timeout_s: 40, ..PolicyFields::default() });
    let mut chunk = claimed(fresh(1, 0, 499), T0, &policy);
    for second in [10, 20, 30, 39] {
        chunk = go(chunk.clone(), heartbeat(&chunk), &at(T0.plus_s(second), &policy)).chunk;
        assert_eq!(ends(&chunk), (T0.plus_s((second + 15).min(40)), T0.plus_s(40)));
    }
    let late = transition(chunk.clone(), heartbeat(&chunk), &at(T0.plus_s(40), &policy)).unwrap_err();
    assert!(late.is_lease_lost());
    let expired = go(chunk, Event::Expire, &at(T0.plus_s(40), &policy)).chunk;
    let message = expired.error_message.unwrap();
    assert!(message.contains("chunk timeout of 40 s") && message.contains("40.0 s after"), "{message}");
    let short = claimed(
        fresh(2, 0, 499),
        T0,
        &self::policy(PolicyFields { chunk_timeout_s: 3, ..PolicyFields::default() }),
    );
    assert_eq!(ends(&short), (T0.plus_s(3), T0.plus_s(3)), "a timeout shorter than a lease");
}

#[test]
fn an_expiry_says_which_limit_after_how_long_and_on_whom() {
    let policy = Policy::default();
    let chunk = claimed(fresh(1, 0, 499), T0, &policy);
    let expired = go(chunk, Event::Expire, &at(T0.plus_ms(16_500), &policy));
    let message = expired.chunk.error_message.unwrap();
    for part in ["lease of 15 s", "16.5 s after", "attempt 1", "`worker-1`"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(expired.effects.log.unwrap().message.as_deref(), Some(message.as_str()));
}

#[test]
fn a_lease_over_by_the_clock_is_lost_though_no_duty_has_run() {
    let policy = Policy::default();
    let chunk = claimed(fresh(1, 0, 499), T0, &policy);
    let attempt = chunk.attempt;
    let in_time = at(T0.plus_ms(14_999), &policy);
    let late = at(T0.plus_ms(15_000), &policy);
    for event in [
        heartbeat(&chunk),
        Event::Complete { attempt: Some(attempt), outcome: None },
        Event::Fail { attempt: Some(attempt), message: None },
        Event::Release { attempt },
    ] {
        go(chunk.clone(), event.clone(), &in_time);
        assert!(transition(chunk.clone(), event, &late).unwrap_err().is_lease_lost());
    }
    assert!(!go(chunk, Event::Expire, &in_time).changed);
}

#[test]
fn a_first_expiry_is_retried_at_once_and_later_ones_after_a_growing_wait() {
    let policy = policy(PolicyFields { max_retries: 5, ..PolicyFields::default() });
    let mut now = T0;
    let mut chunk = fresh(1, 0, 499);
    let mut waits = Vec::new();
    for retries in 0..5 {
        chunk = claimed(chunk, now, &policy);
        now = now.plus_s(15);
        chunk = go(chunk, Event::Expire, &at(now, &policy)).chunk;
        let due = retry_at(&chunk).unwrap();
        waits.push(due.ms_since(now) / 1000);
        if due > now {
            assert!(!go(chunk.clone(), Event::RetryByPolicy, &at(due.plus_ms(-1), &policy)).changed);
        }
        now = due;
        chunk = go(chunk, Event::RetryByPolicy, &at(now, &policy)).chunk;
        assert_eq!((chunk.retry_count, chunk.attempt), (retries + 1, Attempt::new(i64::from(retries) + 1)));
    }
    assert_eq!(waits[0], 0);
    assert!(waits.windows(2).all(|pair| pair[0] < pair[1] || pair[1] == 3600), "{waits:?}");
    chunk = claimed(chunk, now, &policy);
    chunk = go(chunk, Event::Expire, &at(now.plus_s(15), &policy)).chunk;
    assert_eq!(retry_at(&chunk), None, "the budget is spent");
}

#[test]
fn a_fenced_failure_waits_30_s_times_4_and_jitter_at_most_halves_that() {
    let policy = Policy::default();
    for (jitter, share) in [(1.0, 1.0), (0.0, 0.5), (0.5, 0.75)] {
        let mut chunk = fresh(1, 0, 499);
        for base_s in [30.0, 120.0, 480.0] {
            chunk = claimed(chunk, T0, &policy);
            let mut cx = at(T0, &policy);
            cx.jitter = jitter;
            let event = Event::Fail { attempt: Some(chunk.attempt), message: None };
            chunk = go(chunk, event, &cx).chunk;
            let due = retry_at(&chunk).unwrap();
            assert_eq!(due.ms_since(T0) as f64, base_s * 1000.0 * share);
            chunk = go(chunk, Event::RetryByPolicy, &at(due, &policy)).chunk;
        }
    }
}

#[test]
fn an_unfenced_failure_waits_for_a_retry_by_hand() {
    let policy = Policy::default();
    let chunk = claimed(fresh(1, 0, 499), T0, &policy);
    let failed = go(chunk, Event::Fail { attempt: None, message: None }, &at(T0, &policy));
    assert_eq!(retry_at(&failed.chunk), None);
    assert_eq!(failed.effects.counters.awaiting_retry_chunks, 0);
    assert!(!go(failed.chunk.clone(), Event::RetryByPolicy, &at(T0.plus_s(1_000_000), &policy)).changed);
    assert_eq!(go(failed.chunk, Event::Retry, &at(T0, &policy)).chunk.retry_count, 1);
}

#[test]
fn a_retry_by_hand_gives_a_fresh_budget_and_keeps_the_counts() {
    let policy = policy(PolicyFields { max_retries: 1, ..PolicyFields::default() });
    let mut chunk = fresh(1, 0, 499);
    for round in 0..3 {
        let first = go(claimed(chunk, T0, &policy), Event::Expire, &at(T0.plus_s(15), &policy)).chunk;
        assert_eq!(retry_at(&first), Some(T0.plus_s(15)), "round {round}: the first expiry since the retry");
        let again = go(first, Event::RetryByPolicy, &at(T0.plus_s(15), &policy)).chunk;
        let spent = go(claimed(again, T0, &policy), Event::Expire, &at(T0.plus_s(15), &policy)).chunk;
        assert_eq!(retry_at(&spent), None, "round {round}: max_retries is 1");
        chunk = go(spent, Event::Retry, &at(T0, &policy)).chunk;
        assert_eq!(chunk.retry_count, 2 * (round + 1));
        assert_eq!(chunk.attempt, Attempt::new(2 * (i64::from(round) + 1)));
    }
}

#[test]
fn a_release_costs_no_retry() {
    let policy = Policy::default();
    let mut chunk = fresh(1, 0, 499);
    for attempt in 1..=10 {
        chunk = claimed(chunk, T0, &policy);
        let event = Event::Release { attempt: Attempt::new(attempt) };
        let done = go(chunk, event, &at(T0, &policy));
        assert!(done.effects.wakes_claimers);
        chunk = done.chunk;
        assert_eq!((chunk.attempt, chunk.retry_count, chunk.policy_retries), (Attempt::new(attempt), 0, 0));
    }
}

#[test]
fn a_cancelled_jobs_failures_are_not_retried_by_the_service() {
    let policy = Policy::default();
    let chunk = claimed(fresh(1, 0, 499), T0, &policy);
    let mut cx = at(T0, &policy);
    cx.gate = ream_core::JobGate::Cancelled;
    let failed = go(chunk.clone(), Event::Fail { attempt: Some(chunk.attempt), message: None }, &cx).chunk;
    assert_eq!(retry_at(&failed), None);
    cx.now = T0.plus_s(15);
    assert_eq!(retry_at(&go(chunk, Event::Expire, &cx).chunk), None);
}

#[test]
fn an_endless_error_message_is_cut_at_a_character_and_says_so() {
    let policy = Policy::default();
    let chunk = claimed(fresh(1, 0, 499), T0, &policy);
    let message = format!("x{}", "é".repeat(MAX_MESSAGE_BYTES));
    let failed = go(chunk, Event::Fail { attempt: None, message: Some(message) }, &at(T0, &policy)).chunk;
    let kept = failed.error_message.unwrap();
    assert!(kept.len() < MAX_MESSAGE_BYTES + 50 && kept.ends_with("more bytes cut)"), "{}", kept.len());
}
