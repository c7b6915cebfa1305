//! One holder: whose lease is gone cannot change the chunk, and an operator's word ends any lease.

use super::TestStore;
use super::kit::{apply_to, complete, fail, heartbeat, refusal, small, start, tester, with_policy};
use ream_core::event::Event;
use ream_core::outcome::ChunkProgress;
use ream_core::policy::PolicyFields;
use ream_core::{Attempt, ChunkState, JobChunk, JobChunkStatus, JobGate};

facts!($ fencing:
    a_heartbeat_extends_the_lease_and_keeps_the_progress,
    the_first_heartbeat_makes_a_long_lease_a_normal_one,
    no_heartbeat_outlives_the_timeout,
    a_lease_over_by_the_clock_is_lost_before_any_duty_ran,
    a_former_attempt_touches_nothing,
    an_operators_word_ends_the_lease,
    an_operator_may_complete_and_fail_from_every_open_status,
    only_the_named_task_starts_nothing_twice,
    a_holder_hears_of_a_paused_or_cancelled_job,
    of_many_completions_at_once_one_wins,
    a_refused_event_among_many_leaves_the_others,
);

/// Every call of a worker is refused as lost, and changes nothing.
async fn lost(s: &TestStore, chunk: &JobChunk, attempt: Attempt) {
    let before = s.chunk(chunk.id).await;
    for event in
        [heartbeat(attempt), complete(Some(attempt)), fail(Some(attempt), "late"), Event::Release { attempt }]
    {
        let told = format!("{event:?}");
        assert_eq!(refusal(s.apply(chunk.id, event).await), "lease_lost", "{told}");
    }
    assert_eq!(s.chunk(chunk.id).await, before);
}

async fn a_heartbeat_extends_the_lease_and_keeps_the_progress(s: &TestStore) {
    let fields = PolicyFields { lease_duration_s: 600, ..PolicyFields::default() };
    s.chunked_as(with_policy("beating", fields), 10).await;
    let chunk = s.claim_one("worker").await;
    let progress = Some(ChunkProgress { images_done: 3, bytes: 5_000_000_000 });
    s.pass_s(400).await;
    let before = s.now().await;
    let beat = s.apply(chunk.id, Event::Heartbeat { attempt: chunk.attempt, progress }).await.unwrap();
    assert!(beat.lease().unwrap().expires_at >= before.plus_s(600));
    assert_eq!(beat.lease().unwrap().timeout_at, chunk.lease().unwrap().timeout_at);
    assert_eq!(beat.lease().unwrap().expires_at, beat.updated_at.plus_s(600));
    let stored = s.chunk(chunk.id).await;
    assert_eq!(stored, beat);
    assert_eq!(
        stored,
        JobChunk { state: stored.state.clone(), updated_at: stored.updated_at, ..chunk.clone() }
    );
    s.pass_s(400).await;
    let silent = s.apply(chunk.id, heartbeat(chunk.attempt)).await.unwrap();
    let ChunkState::Processing { progress: kept, .. } = silent.state else { panic!("{silent:?}") };
    assert_eq!(kept, progress, "a heartbeat without progress keeps the last");
    assert_eq!(s.actions(chunk.id).await, ["claimed"], "heartbeats are not logged");
    let huge = Some(ChunkProgress { images_done: u64::MAX, bytes: 0 });
    let refused = s.apply(chunk.id, Event::Heartbeat { attempt: chunk.attempt, progress: huge }).await;
    assert_eq!(refusal(refused), "validation");
}

async fn the_first_heartbeat_makes_a_long_lease_a_normal_one(s: &TestStore) {
    let chunk = s.one_chunk(small("spec")).await;
    let started = s.apply(chunk.id, start(Some("celery-1"))).await.unwrap();
    let lease = started.lease().unwrap();
    assert_eq!(lease.expires_at.ms_since(started.started_at.unwrap()), 3_600_000);
    assert_eq!(lease.timeout_at, lease.expires_at);
    s.pass_s(3000).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 0, "still held without any heartbeat");
    let beat = s.apply(chunk.id, heartbeat(started.attempt)).await.unwrap();
    assert_eq!(beat.lease().unwrap().expires_at, beat.updated_at.plus_s(15));
    s.pass_s(15).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
}

async fn no_heartbeat_outlives_the_timeout(s: &TestStore) {
    let fields = PolicyFields { chunk_timeout_s: 2000, lease_duration_s: 900, ..PolicyFields::default() };
    s.one_chunk(with_policy("short", fields)).await;
    let chunk = s.claim_one("worker").await;
    let timeout_at = chunk.started_at.unwrap().plus_s(2000);
    for _ in 0..3 {
        s.pass_s(600).await;
        let beat = s.apply(chunk.id, heartbeat(chunk.attempt)).await.unwrap();
        assert!(beat.lease().unwrap().expires_at <= timeout_at);
    }
    s.pass_s(600).await;
    lost(s, &chunk, chunk.attempt).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    let message = s.chunk(chunk.id).await.error_message.unwrap();
    assert!(message.contains("timeout of 2000 s") && message.contains("`worker`"), "{message}");
}

async fn a_lease_over_by_the_clock_is_lost_before_any_duty_ran(s: &TestStore) {
    s.chunked("over", 10).await;
    let chunk = s.claim_one("worker").await;
    s.pass_s(15).await;
    lost(s, &chunk, chunk.attempt).await;
    assert_eq!(s.chunk(chunk.id).await.status(), JobChunkStatus::Processing, "no duty has run yet");
}

async fn a_former_attempt_touches_nothing(s: &TestStore) {
    s.chunked("again", 5).await;
    let first = s.claim_one("worker-1").await;
    s.pass_s(15).await;
    s.repository.expire_due(10).await.unwrap();
    lost(s, &first, first.attempt).await;
    let second = s.claim_one("worker-2").await;
    assert_eq!((second.id, second.attempt), (first.id, Attempt::new(2)));
    lost(s, &first, first.attempt).await;
    lost(s, &first, Attempt::new(3)).await;
    let other = s.hooks.another_handle().await;
    apply_to(&other, second.id, complete(Some(second.attempt))).await.unwrap();
    lost(s, &first, first.attempt).await;
    s.counts(first.job_id, [0, 0, 1, 0]).await;
}

async fn an_operators_word_ends_the_lease(s: &TestStore) {
    for (event, status) in [
        (complete(None), JobChunkStatus::Completed),
        (fail(None, "stopped"), JobChunkStatus::Failed),
        (Event::PutBack, JobChunkStatus::Pending),
    ] {
        s.chunked("overruled", 5).await;
        let chunk = s.claim_one("worker").await;
        let after = s.apply(chunk.id, event).await.unwrap();
        assert_eq!((after.status(), after.lease(), after.attempt), (status, None, chunk.attempt));
        lost(s, &chunk, chunk.attempt).await;
        let log = s.log(chunk.job_id).await;
        assert!(log.last().unwrap().unfenced);
        if status == JobChunkStatus::Pending {
            s.apply(chunk.id, complete(None)).await.unwrap();
        }
    }
}

async fn an_operator_may_complete_and_fail_from_every_open_status(s: &TestStore) {
    let (job_id, chunks) = s.chunked("by hand", 30).await;
    s.apply(chunks[1].id, start(None)).await.unwrap();
    s.apply(chunks[2].id, fail(None, "first")).await.unwrap();
    s.apply(chunks[4].id, start(None)).await.unwrap();
    for chunk in &chunks[..3] {
        let done = s.apply(chunk.id, complete(None)).await.unwrap();
        assert_eq!((done.status(), done.error_message), (JobChunkStatus::Completed, None));
        assert_eq!(refusal(s.apply(chunk.id, fail(None, "no")).await), "wrong_status");
        assert_eq!(refusal(s.apply(chunk.id, Event::Retry).await), "wrong_status");
        assert_eq!(refusal(s.apply(chunk.id, Event::PutBack).await), "wrong_status");
        assert_eq!(refusal(s.apply(chunk.id, start(None)).await), "wrong_status");
    }
    for chunk in &chunks[3..5] {
        let failed = s.apply(chunk.id, fail(None, "fault")).await.unwrap();
        assert_eq!(
            (failed.status(), failed.error_message),
            (JobChunkStatus::Failed, Some("fault".to_owned()))
        );
    }
    s.counts(job_id, [1, 0, 3, 2]).await;
}

async fn only_the_named_task_starts_nothing_twice(s: &TestStore) {
    let chunk = s.one_chunk(small("redelivered")).await;
    s.apply(chunk.id, start(Some("celery-1"))).await.unwrap();
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-1"))).await), "wrong_status");
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-2"))).await), "wrong_status");
    let stored = s.chunk(chunk.id).await;
    assert_eq!((stored.attempt, stored.task_id.unwrap().as_str()), (Attempt::new(1), "celery-1"));
}

async fn a_holder_hears_of_a_paused_or_cancelled_job(s: &TestStore) {
    use ream_core::job_event::JobEvent;
    let (job_id, _) = s.chunked("heard", 15).await;
    let chunk = s.claim_one("worker").await;
    let beat = async || s.repository.apply(vec![(chunk.id, heartbeat(chunk.attempt))], &tester()).await;
    assert_eq!(beat().await.unwrap().remove(0).unwrap().gate, JobGate::Open);
    s.act(job_id, JobEvent::Pause).await.unwrap();
    assert_eq!(beat().await.unwrap().remove(0).unwrap().gate, JobGate::Paused);
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(beat().await.unwrap().remove(0).unwrap().gate, JobGate::Cancelled);
    let done = s.apply(chunk.id, complete(Some(chunk.attempt))).await.unwrap();
    assert_eq!(done.status(), JobChunkStatus::Completed, "a live lease may finish in both");
    s.counts(job_id, [2, 0, 1, 0]).await;
}

async fn of_many_completions_at_once_one_wins(s: &TestStore) {
    let (job_id, chunks) = s.chunked("race", 25).await;
    let other = s.hooks.another_handle().await;
    for chunk in &chunks {
        let held = s.apply(chunk.id, start(None)).await.unwrap();
        let mut callers = tokio::task::JoinSet::new();
        for n in 0..6 {
            let repository = if n % 2 == 0 { s.repository.clone() } else { other.clone() };
            let event = match n {
                0 | 1 => complete(Some(held.attempt)),
                2 | 3 => fail(Some(held.attempt), "no"),
                _ => Event::Release { attempt: held.attempt },
            };
            let id = chunk.id;
            callers.spawn(async move { (n / 2, apply_to(&repository, id, event).await) });
        }
        let answers = callers.join_all().await;
        let won: Vec<u32> =
            answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(verb, _)| *verb).collect();
        assert!(won.len() == 2 && won[0] == won[1], "one verb won, and its repetition agrees: {won:?}");
        assert!(
            answers
                .iter()
                .all(|(_, answer)| answer.as_ref().map_or_else(ream_core::Error::is_lease_lost, |_| true))
        );
        assert_eq!(s.actions(chunk.id).await.len(), 2, "started, and one end");
    }
    s.sound(job_id).await;
}

async fn a_refused_event_among_many_leaves_the_others(s: &TestStore) {
    let (job_id, chunks) = s.chunked("many", 20).await;
    let held = s.claim("worker", 2).await;
    let events = vec![
        (chunks[3].id, complete(Some(Attempt::new(1)))),
        (held[0].chunk.id, complete(Some(held[0].chunk.attempt))),
        (ream_core::ChunkId::new(987_654), complete(None)),
        (held[1].chunk.id, complete(Some(Attempt::new(9)))),
        (chunks[2].id, start(None)),
        (chunks[2].id, complete(Some(Attempt::new(1)))),
    ];
    let answers = s.repository.apply(events, &tester()).await.unwrap();
    let told: Vec<_> = answers
        .iter()
        .map(|a| a.as_ref().map_or_else(ream_core::Error::code, |m| m.chunk.status().as_str()))
        .collect();
    assert_eq!(told, ["lease_lost", "completed", "not_found", "lease_lost", "processing", "completed"]);
    s.counts(job_id, [1, 1, 2, 0]).await;
    assert!(s.repository.apply(vec![], &tester()).await.unwrap().is_empty());
}
