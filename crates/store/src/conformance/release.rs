//! Giving a chunk back unfinished costs no retry, and its attempt never goes back.

use super::TestStore;
use super::kit::{complete, refusal, small};
use ream_core::event::Event;
use ream_core::{Attempt, JobChunkStatus};

facts!($ release:
    a_released_chunk_waits_again_at_no_cost,
    a_release_may_be_repeated_until_the_next_start,
    only_the_holder_releases_and_an_operator_puts_back,
    a_released_chunk_keeps_its_place_in_the_queue,
);

async fn a_released_chunk_waits_again_at_no_cost(s: &TestStore) {
    let chunk = s.one_chunk(small("given back")).await;
    for n in 1..=5 {
        let held = s.claim_one(&format!("worker-{n}")).await;
        assert_eq!(held.attempt, Attempt::new(n));
        s.pass_s(2).await;
        let back = s.apply(chunk.id, Event::Release { attempt: held.attempt }).await.unwrap();
        assert_eq!((back.status(), back.lease(), &back.task_id), (JobChunkStatus::Pending, None, &None));
        assert_eq!((back.attempt, back.retry_count, back.policy_retries), (Attempt::new(n), 0, 0));
        assert!(back.updated_at > held.updated_at);
        assert_eq!(s.chunk(chunk.id).await, back);
        s.counts(chunk.job_id, [1, 0, 0, 0]).await;
    }
}

async fn a_release_may_be_repeated_until_the_next_start(s: &TestStore) {
    s.one_chunk(small("repeated")).await;
    let held = s.claim_one("worker").await;
    let release = Event::Release { attempt: held.attempt };
    let first = s.apply(held.id, release.clone()).await.unwrap();
    s.pass_s(100).await;
    assert_eq!(s.apply(held.id, release.clone()).await.unwrap(), first);
    assert_eq!(s.actions(held.id).await, ["claimed", "released"]);
    s.claim_one("worker").await;
    assert_eq!(refusal(s.apply(held.id, release).await), "lease_lost");
}

async fn only_the_holder_releases_and_an_operator_puts_back(s: &TestStore) {
    let chunk = s.one_chunk(small("by hand")).await;
    assert_eq!(refusal(s.apply(chunk.id, Event::Release { attempt: Attempt::NEVER }).await), "lease_lost");
    assert_eq!(refusal(s.apply(chunk.id, Event::PutBack).await), "wrong_status");
    let held = s.claim_one("worker").await;
    assert_eq!(refusal(s.apply(chunk.id, Event::Release { attempt: Attempt::NEVER }).await), "lease_lost");
    let back = s.apply(chunk.id, Event::PutBack).await.unwrap();
    assert_eq!((back.status(), back.retry_count), (JobChunkStatus::Pending, 0));
    assert_eq!(refusal(s.apply(chunk.id, Event::Release { attempt: held.attempt }).await), "lease_lost");
    s.apply(chunk.id, complete(None)).await.unwrap();
    assert_eq!(refusal(s.apply(chunk.id, Event::Release { attempt: held.attempt }).await), "lease_lost");
}

async fn a_released_chunk_keeps_its_place_in_the_queue(s: &TestStore) {
    s.chunked("place", 20).await;
    let held = s.claim("worker", 2).await;
    s.apply(held[0].chunk.id, Event::Release { attempt: held[0].chunk.attempt }).await.unwrap();
    assert_eq!(s.claim_one("worker").await.id, held[0].chunk.id, "before those that were never started");
}
