//! Retries: by hand at once with a fresh budget, by policy once the back-off is over.

use super::TestStore;
use super::kit::{complete, fail, refusal, small, start, with_policy};
use ream_core::event::Event;
use ream_core::policy::PolicyFields;
use ream_core::{ChunkState, JobChunkStatus, JobGate};

facts!($ retry:
    a_fenced_failure_is_retried_once_its_back_off_is_over,
    an_unfenced_failure_waits_for_a_person,
    a_retry_by_hand_comes_at_once_with_a_fresh_budget,
    the_last_error_stays_readable_until_completion,
    the_service_stops_after_max_retries,
    retries_come_in_the_order_they_are_due_and_no_more_than_asked,
    two_duties_at_once_retry_each_chunk_once,
);

fn retry_at(chunk: &ream_core::JobChunk) -> Option<ream_core::Timestamp> {
    let ChunkState::Failed { retry_at } = chunk.state else { panic!("{chunk:?}") };
    retry_at
}

async fn a_fenced_failure_is_retried_once_its_back_off_is_over(s: &TestStore) {
    s.one_chunk(small("fenced")).await;
    let held = s.claim_one("worker").await;
    let failed = s.apply(held.id, fail(Some(held.attempt), "disk full")).await.unwrap();
    let wait_ms = retry_at(&failed).unwrap().ms_since(failed.updated_at);
    assert!((15_000..=30_000).contains(&wait_ms), "between half and the whole of 30 s: {wait_ms}");
    assert_eq!((failed.finished_at, failed.lease()), (Some(failed.updated_at), None));
    assert_eq!(s.chunk(held.id).await, failed);
    s.counts(held.job_id, [0, 0, 0, 1]).await;
    s.pass_s(4).await;
    assert_eq!(s.repository.retry_due(10).await.unwrap(), 0);
    s.pass_s(27).await;
    assert_eq!(s.repository.retry_due(10).await.unwrap(), 1);
    let back = s.chunk(held.id).await;
    assert_eq!((back.status(), back.retry_count, back.policy_retries), (JobChunkStatus::Pending, 1, 1));
    assert_eq!(s.actions(held.id).await, ["claimed", "failed", "retried_by_policy"]);
    s.counts(held.job_id, [1, 0, 0, 0]).await;
}

async fn an_unfenced_failure_waits_for_a_person(s: &TestStore) {
    let chunk = s.one_chunk(small("unfenced")).await;
    s.apply(chunk.id, start(None)).await.unwrap();
    let failed = s.apply(chunk.id, fail(None, "gave up")).await.unwrap();
    assert_eq!(retry_at(&failed), None);
    s.pass_s(10_000_000).await;
    assert_eq!(s.repository.retry_due(10).await.unwrap(), 0);
    let back = s.apply(chunk.id, Event::Retry).await.unwrap();
    assert_eq!((back.status(), back.retry_count, back.policy_retries), (JobChunkStatus::Pending, 1, 0));
    assert_eq!(refusal(s.apply(chunk.id, Event::Retry).await), "wrong_status");
}

async fn a_retry_by_hand_comes_at_once_with_a_fresh_budget(s: &TestStore) {
    let fields = PolicyFields { max_retries: 1, ..PolicyFields::default() };
    let chunk = s.one_chunk(with_policy("fresh", fields)).await;
    for round in 0..2 {
        for n in 0..2 {
            let held = s.claim_one("worker").await;
            s.pass_s(15).await;
            assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
            let after = s.chunk(held.id).await;
            let wanted = [JobChunkStatus::Pending, JobChunkStatus::Failed][n];
            assert_eq!((after.status(), after.expiry_count), (wanted, n as u32 + 1), "round {round}");
        }
        let back = s.apply(chunk.id, Event::Retry).await.unwrap();
        assert_eq!((back.policy_retries, back.expiry_count, back.retry_count), (0, 0, 2 * (round + 1)));
        assert_eq!(s.chunk(chunk.id).await, back);
    }
}

async fn the_last_error_stays_readable_until_completion(s: &TestStore) {
    let chunk = s.one_chunk(small("readable")).await;
    let message = "line one\nline two\t\"quoted\" 'single' ünïcödé 漢字 🦀 %s ?1 \\";
    s.apply(chunk.id, fail(None, message)).await.unwrap();
    s.apply(chunk.id, Event::Retry).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await.error_message.as_deref(), Some(message));
    let held = s.claim_one("worker").await;
    assert_eq!(s.chunk(chunk.id).await.error_message.as_deref(), Some(message));
    s.apply(chunk.id, complete(Some(held.attempt))).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await.error_message, None);
    let logged = s.log(chunk.job_id).await.into_iter().find(|row| row.action.as_str() == "failed").unwrap();
    assert_eq!(logged.message.as_deref(), Some(message));
    let other = s.one_chunk(small("no nul")).await;
    let failed = s.apply(other.id, fail(None, "a\0b")).await.unwrap();
    assert_eq!(failed.error_message.as_deref(), Some("a\u{fffd}b"), "not every database can store a zero");
    assert_eq!(s.chunk(other.id).await, failed);
}

async fn the_service_stops_after_max_retries(s: &TestStore) {
    let fields = PolicyFields { max_retries: 2, backoff_initial_s: 0, ..PolicyFields::default() };
    let chunk = s.one_chunk(with_policy("twice", fields)).await;
    for n in 0..3 {
        let held = s.claim_one("worker").await;
        s.apply(held.id, fail(Some(held.attempt), "again")).await.unwrap();
        let retried = s.repository.retry_due(10).await.unwrap();
        assert_eq!(retried, u64::from(n < 2), "failure {n}");
    }
    let failed = s.chunk(chunk.id).await;
    assert_eq!((failed.status(), failed.retry_count, failed.attempt.get()), (JobChunkStatus::Failed, 2, 3));
}

async fn retries_come_in_the_order_they_are_due_and_no_more_than_asked(s: &TestStore) {
    let (job_id, _) = s.chunked("order", 20).await;
    let mut held = s.claim("worker", 4).await;
    held.reverse();
    for claimed in &held {
        s.apply(claimed.chunk.id, super::kit::heartbeat(claimed.chunk.attempt)).await.unwrap();
        s.apply(claimed.chunk.id, fail(Some(claimed.chunk.attempt), "fault")).await.unwrap();
    }
    let mut due: Vec<_> = Vec::new();
    for claimed in &held {
        due.push((retry_at(&s.chunk(claimed.chunk.id).await).unwrap(), claimed.chunk.id));
    }
    due.sort_unstable();
    s.pass_s(60).await;
    for (n, (_, chunk_id)) in due.iter().enumerate() {
        assert_eq!(s.repository.retry_due(1).await.unwrap(), 1);
        let same_time = due.iter().filter(|(at, _)| *at == due[n].0).count() > 1;
        assert!(same_time || s.chunk(*chunk_id).await.status() == JobChunkStatus::Pending, "retry {n}");
    }
    s.counts(job_id, [4, 0, 0, 0]).await;
    assert_eq!(s.get(job_id).await.gate, JobGate::Open);
}

async fn two_duties_at_once_retry_each_chunk_once(s: &TestStore) {
    let (job_id, chunks) = s.chunked("both", 100).await;
    for claimed in s.claim("worker", 20).await {
        s.apply(claimed.chunk.id, fail(Some(claimed.chunk.attempt), "fault")).await.unwrap();
    }
    s.pass_s(30).await;
    let other = s.hooks.another_handle().await;
    let mut duties = tokio::task::JoinSet::new();
    for repository in [s.repository.clone(), other.clone(), s.repository.clone(), other] {
        duties.spawn(async move {
            repository.retry_due(7).await.unwrap() + repository.retry_due(7).await.unwrap()
        });
    }
    assert_eq!(duties.join_all().await.into_iter().sum::<u64>(), 20);
    for chunk in &chunks {
        assert_eq!(s.chunk(chunk.id).await.retry_count, 1);
    }
    s.counts(job_id, [20, 0, 0, 0]).await;
}
