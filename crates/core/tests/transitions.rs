//! Protects the table of section 4 of the design: every status meets every call, and the rule behind each cell.
#![allow(clippy::unwrap_used)]

mod support;

use ream_core::advice::{Advice, advice};
use ream_core::chunk::Dispatch;
use ream_core::error::ConflictCode;
use ream_core::event::Event;
use ream_core::job::Counters;
use ream_core::transition::{Context, transition};
use ream_core::{
    Action, Attempt, ChunkState, Error, JobChunk, JobGate, Outcome, Policy, Priority, Timestamp,
};
use support::{T0, at, fresh, go, task};

/// What a cell of the table may say.
const CELLS: [&str; 7] = ["pending", "processing", "completed", "failed", "no-op", "wrong", "lost"];

fn claim() -> Event {
    Event::Claim { task_id: task("worker-1") }
}

fn complete(attempt: Option<Attempt>) -> Event {
    Event::Complete { attempt, outcome: None }
}

fn fail(attempt: Option<Attempt>) -> Event {
    Event::Fail { attempt, message: Some("disk full".to_owned()) }
}

/// The columns of the table: a chunk, and the time at which it meets its event.
fn columns(policy: &Policy) -> Vec<(&'static str, JobChunk, Timestamp)> {
    let cx = at(T0, policy);
    let holder = Some(Attempt::new(1));
    let held = || go(fresh(1, 0, 499), claim(), &cx).chunk;
    let dispatched = go(fresh(1, 0, 499), Event::Dispatch { task_id: task("celery-1") }, &cx).chunk;
    let over = T0.plus_s(policy.lease_duration_s);
    let expired = go(held(), Event::Expire, &at(over, policy)).chunk;
    let late = T0.plus_s(7200);
    vec![
        ("never started", fresh(1, 0, 499), T0),
        ("dispatched", dispatched, T0.plus_s(599)),
        ("released", go(held(), Event::Release { attempt: Attempt::new(1) }, &cx).chunk, late),
        ("held", held(), over.plus_ms(-1)),
        ("held, lease over", held(), over),
        ("completed by holder", go(held(), complete(holder), &cx).chunk, late),
        ("completed by operator", go(held(), complete(None), &cx).chunk, late),
        ("failed by holder", go(held(), fail(holder), &cx).chunk, late),
        ("failed by operator", go(held(), fail(None), &cx).chunk, late),
        ("failed by expiry", expired, late),
    ]
}

/// The rows: one word per column, in their order.
fn rows(chunk: &JobChunk) -> Vec<(&'static str, Event, &'static str)> {
    let (holder, other) = (chunk.attempt, chunk.attempt.next());
    let all_lost = "lost lost lost lost lost lost lost lost lost lost";
    let own = Event::Start { task_id: Some(task("celery-1")) };
    vec![
        ("claim", claim(), "processing wrong processing wrong wrong wrong wrong wrong wrong wrong"),
        (
            "start",
            Event::Start { task_id: None },
            "processing wrong processing wrong wrong wrong wrong wrong wrong wrong",
        ),
        ("start by task", own, "processing processing processing wrong wrong wrong wrong wrong wrong wrong"),
        (
            "heartbeat",
            Event::Heartbeat { attempt: holder, progress: None },
            "lost lost lost processing lost lost lost lost lost lost",
        ),
        ("heartbeat of another", Event::Heartbeat { attempt: other, progress: None }, all_lost),
        (
            "complete, fenced",
            complete(Some(holder)),
            "lost lost lost completed lost no-op lost lost lost lost",
        ),
        ("complete of another", complete(Some(other)), all_lost),
        (
            "complete",
            complete(None),
            "completed completed completed completed completed no-op no-op completed completed completed",
        ),
        ("fail, fenced", fail(Some(holder)), "lost lost lost failed lost lost lost no-op lost lost"),
        ("fail of another", fail(Some(other)), all_lost),
        ("fail", fail(None), "failed failed failed failed failed wrong wrong no-op no-op no-op"),
        (
            "release",
            Event::Release { attempt: holder },
            "lost lost no-op pending lost lost lost lost lost lost",
        ),
        ("release of another", Event::Release { attempt: other }, all_lost),
        ("retry", Event::Retry, "wrong wrong wrong wrong wrong wrong wrong pending pending pending"),
        ("put back", Event::PutBack, "wrong wrong wrong pending pending wrong wrong pending pending pending"),
        (
            "retry by policy",
            Event::RetryByPolicy,
            "no-op no-op no-op no-op no-op no-op no-op pending no-op pending",
        ),
        ("expiry", Event::Expire, "no-op no-op no-op no-op failed no-op no-op no-op no-op no-op"),
        (
            "dispatch",
            Event::Dispatch { task_id: task("celery-2") },
            "pending wrong pending wrong wrong wrong wrong wrong wrong wrong",
        ),
        (
            "set priority",
            Event::SetPriority(Priority::MAX),
            "pending pending pending processing processing completed completed failed failed failed",
        ),
        (
            "same priority",
            Event::SetPriority(chunk.priority),
            "no-op no-op no-op no-op no-op no-op no-op no-op no-op no-op",
        ),
    ]
}

fn cell(chunk: JobChunk, event: Event, cx: &Context<'_>) -> &'static str {
    let before = chunk.clone();
    match transition(chunk, event, cx) {
        Ok(done) if done.changed => CELLS[done.chunk.status() as usize],
        Ok(done) => {
            assert_eq!(done.chunk, before, "a no-op leaves everything as it was");
            assert_eq!(done.effects, ream_core::Effects::default());
            "no-op"
        }
        Err(Error::Conflict { code: ConflictCode::WrongStatus, .. }) => "wrong",
        Err(Error::Conflict { code: ConflictCode::LeaseLost, .. }) => "lost",
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn every_status_meets_every_event_as_the_design_says() {
    let policy = Policy::default();
    let mut differences = Vec::new();
    for (n, (state, chunk, now)) in columns(&policy).into_iter().enumerate() {
        for (name, event, row) in rows(&chunk) {
            let words: Vec<&str> = row.split(' ').collect();
            assert_eq!(words.len(), 10, "row {name}");
            let found = cell(chunk.clone(), event, &at(now, &policy));
            if found != words[n] {
                differences.push(format!("{name} on `{state}`: {found}, should be {}", words[n]));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn only_starts_and_dispatches_stop_while_a_job_is_paused_or_cancelled() {
    let policy = Policy::default();
    for gate in [JobGate::Paused, JobGate::Cancelled] {
        for (n, (state, chunk, now)) in columns(&policy).into_iter().enumerate() {
            for (name, event, row) in rows(&chunk) {
                let wanted = row.split(' ').nth(n).unwrap();
                let starts =
                    matches!(event, Event::Claim { .. } | Event::Start { .. } | Event::Dispatch { .. });
                let cx = Context { gate, ..at(now, &policy) };
                if starts && ["processing", "pending"].contains(&wanted) {
                    let error = transition(chunk.clone(), event, &cx).unwrap_err();
                    assert_eq!(error.code(), "job_not_running", "{name} on `{state}`");
                } else {
                    assert_eq!(cell(chunk.clone(), event, &cx), wanted, "{name} on `{state}`, {gate:?}");
                }
            }
        }
    }
    assert_eq!(advice(JobGate::Open), (Advice::Continue, None));
    assert_eq!(advice(JobGate::Paused).0, Advice::Continue);
    assert_eq!(advice(JobGate::Cancelled).0, Advice::Stop);
}

#[test]
fn a_start_raises_the_attempt_and_says_who_and_when() {
    let policy = Policy::default();
    let cx = at(T0.plus_s(3), &policy);
    let done = go(fresh(1, 0, 499), claim(), &cx);
    assert_eq!(done.chunk.attempt, Attempt::new(1));
    assert_eq!(done.chunk.task_id, Some(task("worker-1")));
    assert_eq!((done.chunk.started_at, done.chunk.updated_at), (Some(cx.now), cx.now));
    assert_eq!(done.effects.counters, Counters { active_chunks: 1, ..Counters::default() });
    assert!(done.effects.starts_job);
    let log = done.effects.log.unwrap();
    assert_eq!(
        (log.action, log.attempt, log.task_id),
        (Action::Claimed, Attempt::new(1), Some(task("worker-1")))
    );
    let started = go(fresh(1, 0, 499), Event::Start { task_id: None }, &cx);
    assert_eq!(started.effects.log.unwrap().action, Action::Started);
}

#[test]
fn a_second_start_by_the_same_task_is_a_conflict() {
    let policy = Policy::default();
    let start = Event::Start { task_id: Some(task("celery-1")) };
    let chunk = go(fresh(1, 0, 499), start.clone(), &at(T0, &policy)).chunk;
    let error = transition(chunk, start, &at(T0, &policy)).unwrap_err();
    assert_eq!(error.code(), "wrong_status");
    assert!(error.to_string().contains("celery-1"), "{error}");
}

#[test]
fn completing_reports_the_outcome_and_clears_the_error() {
    let policy = Policy::default();
    let cx = at(T0, &policy);
    let chunk = go(go(fresh(1, 500, 999), claim(), &cx).chunk, fail(None), &cx).chunk;
    let chunk = go(chunk, Event::Retry, &cx).chunk;
    assert_eq!(chunk.error_message.as_deref(), Some("disk full"), "readable after the retry");
    let chunk = go(chunk, claim(), &cx).chunk;
    assert_eq!(chunk.error_message.as_deref(), Some("disk full"), "readable during the next attempt");
    let outcome =
        Outcome { images_ok: 499, outputs: vec!["_staging/1-2/0.tar".to_owned()], ..Outcome::default() };
    let event = Event::Complete { attempt: Some(Attempt::new(2)), outcome: Some(outcome.clone()) };
    let done = go(chunk, event, &cx);
    assert_eq!((done.chunk.error_message, done.chunk.outcome), (None, Some(outcome)));
    assert_eq!(done.chunk.state, ChunkState::Completed { unpublished: true });
    assert_eq!(done.effects.counters.completed_images, 500);
    assert!(!done.effects.log.unwrap().unfenced);
}

#[test]
fn an_unfenced_word_is_logged_as_such_and_ends_the_lease() {
    let policy = Policy::default();
    let cx = at(T0, &policy);
    for event in [complete(None), fail(None), Event::PutBack] {
        let held = go(fresh(1, 0, 499), claim(), &cx).chunk;
        let done = go(held, event.clone(), &cx);
        assert!(done.effects.log.unwrap().unfenced, "{event:?}");
        for late in [
            complete(Some(Attempt::new(1))),
            fail(Some(Attempt::new(1))),
            Event::Release { attempt: Attempt::new(1) },
        ] {
            assert!(transition(done.chunk.clone(), late, &cx).unwrap_err().is_lease_lost());
        }
    }
}

#[test]
fn a_dispatched_chunk_is_left_to_its_task_until_the_time_is_over() {
    let policy = Policy::default();
    let chunk = go(fresh(1, 0, 499), Event::Dispatch { task_id: task("celery-1") }, &at(T0, &policy)).chunk;
    let dispatch = Dispatch { dispatched_at: T0, redispatch_at: T0.plus_s(600) };
    assert_eq!(chunk.state, ChunkState::Pending { dispatch: Some(dispatch) });
    let other = Event::Start { task_id: Some(task("celery-2")) };
    assert!(transition(chunk.clone(), other.clone(), &at(T0.plus_ms(599_999), &policy)).is_err());
    assert!(!chunk.is_due(T0.plus_ms(599_999)) && chunk.is_due(T0.plus_s(600)));
    let again = Event::Dispatch { task_id: task("celery-2") };
    assert!(transition(chunk.clone(), again.clone(), &at(T0.plus_ms(599_999), &policy)).is_err());
    go(chunk.clone(), again, &at(T0.plus_s(600), &policy));
    go(chunk.clone(), claim(), &at(T0.plus_s(600), &policy));
    assert_eq!(go(chunk, other, &at(T0.plus_s(600), &policy)).chunk.task_id, Some(task("celery-2")));
}
