//! The same chunk, attempt and verb give the same answer again: a caller that lost an answer asks once more.

use super::TestStore;
use super::kit::{complete, fail, refusal, small, start};
use ream_core::event::Event;
use ream_core::outcome::Outcome;
use ream_core::{Attempt, ErrorClass, JobChunk};

facts!($ idempotency:
    a_repeated_completion_answers_the_same_and_counts_once,
    a_repeated_failure_answers_the_same_and_counts_once,
    a_repeated_start_is_a_conflict,
    a_completion_after_an_operators_is_lost,
    an_operator_may_repeat_every_word,
);

async fn twice(s: &TestStore, chunk: &JobChunk, event: Event) -> JobChunk {
    let first = s.apply(chunk.id, event.clone()).await.unwrap();
    let before = (s.get(chunk.job_id).await, s.log(chunk.job_id).await);
    s.pass_s(7200).await;
    assert_eq!(s.apply(chunk.id, event).await.unwrap(), first);
    assert_eq!((s.get(chunk.job_id).await, s.log(chunk.job_id).await), before);
    first
}

async fn a_repeated_completion_answers_the_same_and_counts_once(s: &TestStore) {
    s.chunked("completed", 10).await;
    let held = s.claim_one("worker").await;
    let outcome = Outcome {
        images_ok: 3,
        images_failed: [(ErrorClass::Http4xx, 1), (ErrorClass::Dns, 1)].into(),
        bytes: 5_000_000_000,
        duration_ms: 1234,
        outputs: vec!["_staging/1-1/00000.tar".to_owned()],
    };
    let event = Event::Complete { attempt: Some(held.attempt), outcome: Some(outcome.clone()) };
    let done = twice(s, &held, event).await;
    assert_eq!(done.outcome, Some(outcome));
    assert_eq!(s.chunk(held.id).await, done, "another outcome does not replace the first");
    s.apply(held.id, complete(Some(held.attempt))).await.unwrap();
    s.apply(held.id, complete(None)).await.unwrap();
    assert_eq!(s.chunk(held.id).await, done);
    assert_eq!(refusal(s.apply(held.id, complete(Some(Attempt::new(2)))).await), "lease_lost");
    s.counts(held.job_id, [1, 0, 1, 0]).await;
}

async fn a_repeated_failure_answers_the_same_and_counts_once(s: &TestStore) {
    s.chunked("failed", 10).await;
    let held = s.claim_one("worker").await;
    let failed = twice(s, &held, fail(Some(held.attempt), "first")).await;
    s.apply(held.id, fail(Some(held.attempt), "second")).await.unwrap();
    s.apply(held.id, fail(None, "third")).await.unwrap();
    assert_eq!(s.chunk(held.id).await, failed);
    assert_eq!(refusal(s.apply(held.id, fail(Some(Attempt::new(2)), "other")).await), "lease_lost");
    s.counts(held.job_id, [1, 0, 0, 1]).await;
}

async fn a_repeated_start_is_a_conflict(s: &TestStore) {
    let chunk = s.one_chunk(small("started")).await;
    let started = s.apply(chunk.id, start(Some("celery-1"))).await.unwrap();
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-1"))).await), "wrong_status");
    assert_eq!(s.chunk(chunk.id).await, started);
}

async fn a_completion_after_an_operators_is_lost(s: &TestStore) {
    let chunk = s.one_chunk(small("overruled")).await;
    let held = s.claim_one("worker").await;
    s.apply(chunk.id, complete(None)).await.unwrap();
    assert_eq!(refusal(s.apply(chunk.id, complete(Some(held.attempt))).await), "lease_lost");
}

async fn an_operator_may_repeat_every_word(s: &TestStore) {
    let (job_id, chunks) = s.chunked("words", 10).await;
    twice(s, &chunks[0], complete(None)).await;
    twice(s, &chunks[1], fail(None, "fault")).await;
    s.counts(job_id, [0, 0, 1, 1]).await;
}
