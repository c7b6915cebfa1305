//! Expiry: what is held too long fails with a reason, and is retried by policy.

use super::TestStore;
use super::kit::{complete, fail, heartbeat, refusal, small, start, tester, with_policy};
use ream_core::job_event::JobEvent;
use ream_core::policy::PolicyFields;
use ream_core::{Attempt, ChunkState, JobChunk, JobChunkStatus};

facts!($ expiry:
    a_first_expiry_and_its_retry_are_one_commit_and_two_rows,
    a_second_expiry_waits_before_its_retry,
    without_retries_left_an_expired_chunk_stays_failed,
    only_leases_that_are_over_expire_the_oldest_first,
    a_heartbeat_keeps_a_chunk_from_expiring,
    a_cancelled_jobs_chunks_expire_without_retry,
    chunks_of_deleted_jobs_keep_no_others_from_expiring,
    two_duties_at_once_expire_each_chunk_once,
);

fn retry_wait_ms(chunk: &JobChunk) -> Option<i64> {
    let ChunkState::Failed { retry_at } = chunk.state else { panic!("{chunk:?}") };
    retry_at.map(|at| at.ms_since(chunk.finished_at.unwrap()))
}

async fn a_first_expiry_and_its_retry_are_one_commit_and_two_rows(s: &TestStore) {
    s.chunked("first", 5).await;
    let held = s.claim_one("worker-1").await;
    s.pass_s(15).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    let chunk = s.chunk(held.id).await;
    assert_eq!(
        (chunk.status(), chunk.attempt, chunk.retry_count),
        (JobChunkStatus::Pending, Attempt::new(1), 1)
    );
    assert_eq!((chunk.expiry_count, chunk.policy_retries, &chunk.task_id), (1, 1, &None));
    let message = chunk.error_message.unwrap();
    assert!(message.contains("lease of 15 s") && message.contains("`worker-1`"), "{message}");
    assert_eq!(s.actions(held.id).await, ["claimed", "expired", "retried_by_policy"]);
    let log = s.log(held.job_id).await;
    let last: Vec<_> =
        log[log.len() - 2..].iter().map(|row| (row.created_at, row.actor.as_str(), row.unfenced)).collect();
    assert_eq!(last[0], (chunk.updated_at, "ream", false));
    assert_eq!(last[0], last[1]);
    assert_eq!(log[log.len() - 2].message.as_ref(), Some(&message));
    s.counts(held.job_id, [1, 0, 0, 0]).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 0);
}

async fn a_second_expiry_waits_before_its_retry(s: &TestStore) {
    s.chunked("second", 5).await;
    for _ in 0..2 {
        s.claim_one("worker").await;
        s.pass_s(15).await;
        assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    }
    let chunk = s.chunks(s.jobs(Default::default()).await[0], None).await.remove(0);
    let wait_ms = retry_wait_ms(&chunk).unwrap();
    assert!((15_000..=3_600_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!((chunk.expiry_count, chunk.retry_count), (2, 1));
    s.counts(chunk.job_id, [0, 0, 0, 1]).await;
    assert_eq!(s.get(chunk.job_id).await.counters.awaiting_retry_chunks, 1);
    s.hooks.shift_clock(wait_ms + 1).await;
    assert_eq!(s.repository.retry_due(10).await.unwrap(), 1);
    assert_eq!(s.chunk(chunk.id).await.retry_count, 2);
}

async fn without_retries_left_an_expired_chunk_stays_failed(s: &TestStore) {
    let fields = PolicyFields { max_retries: 0, ..PolicyFields::default() };
    let chunk = s.one_chunk(with_policy("once", fields)).await;
    s.claim_one("worker").await;
    s.pass_s(15).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    let failed = s.chunk(chunk.id).await;
    assert_eq!(retry_wait_ms(&failed), None);
    s.pass_s(1_000_000).await;
    assert_eq!(s.repository.retry_due(10).await.unwrap(), 0);
    s.counts(chunk.job_id, [0, 0, 0, 1]).await;
}

async fn only_leases_that_are_over_expire_the_oldest_first(s: &TestStore) {
    let fields = PolicyFields { max_retries: 0, lease_duration_s: 600, ..PolicyFields::default() };
    let (job_id, _) = s.chunked_as(with_policy("staggered", fields), 25).await;
    let mut held = Vec::new();
    for n in 0..5 {
        held.push(s.claim_one(&format!("worker-{n}")).await);
        s.pass_s(160).await;
    }
    // 800 s after the first claim: the leases of the first and the second are over.
    assert_eq!(s.repository.expire_due(1).await.unwrap(), 1);
    assert_eq!(s.chunk(held[0].id).await.status(), JobChunkStatus::Failed, "the oldest first");
    assert_eq!(s.chunk(held[1].id).await.status(), JobChunkStatus::Processing);
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    s.counts(job_id, [0, 3, 0, 2]).await;
}

async fn a_heartbeat_keeps_a_chunk_from_expiring(s: &TestStore) {
    let fields = PolicyFields { lease_duration_s: 600, ..PolicyFields::default() };
    s.chunked_as(with_policy("kept", fields), 10).await;
    let (beating, silent) = (s.claim_one("beating").await, s.claim_one("silent").await);
    for _ in 0..5 {
        s.pass_s(400).await;
        s.apply(beating.id, heartbeat(beating.attempt)).await.unwrap();
    }
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    assert_eq!(s.chunk(silent.id).await.status(), JobChunkStatus::Pending);
    s.apply(beating.id, complete(Some(beating.attempt))).await.unwrap();
    s.counts(beating.job_id, [1, 0, 1, 0]).await;
}

async fn a_cancelled_jobs_chunks_expire_without_retry(s: &TestStore) {
    let (job_id, chunks) = s.chunked("cancelled", 10).await;
    s.claim_one("worker").await;
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    s.pass_s(15).await;
    assert_eq!(s.repository.expire_due(10).await.unwrap(), 1);
    assert_eq!(retry_wait_ms(&s.chunk(chunks[0].id).await), None);
    s.counts(job_id, [1, 0, 0, 1]).await;
}

async fn chunks_of_deleted_jobs_keep_no_others_from_expiring(s: &TestStore) {
    let (deleted, chunks) = s.chunked("deleted", 30).await;
    for (n, chunk) in chunks.iter().enumerate() {
        let held = s.apply(chunk.id, start(None)).await.unwrap();
        s.apply(chunk.id, heartbeat(held.attempt)).await.unwrap();
        if n % 2 == 0 {
            s.apply(chunk.id, fail(Some(held.attempt), "to be retried")).await.unwrap();
        }
    }
    s.pass_s(1).await;
    s.chunked("alive", 10).await;
    let (held, failed) = (s.claim_one("worker").await, s.claim_one("worker").await);
    s.apply(failed.id, fail(Some(failed.attempt), "to be retried")).await.unwrap();
    s.repository.delete_job(deleted, &tester()).await.unwrap();
    s.pass_s(7200).await;
    assert_eq!(s.repository.expire_due(1).await.unwrap(), 1);
    assert_eq!(s.repository.retry_due(1).await.unwrap(), 1);
    assert_eq!(s.chunk(held.id).await.status(), JobChunkStatus::Pending);
    assert_eq!(s.chunk(failed.id).await.status(), JobChunkStatus::Pending);
    assert_eq!((s.repository.expire_due(1).await.unwrap(), s.repository.retry_due(1).await.unwrap()), (0, 0));
}

async fn two_duties_at_once_expire_each_chunk_once(s: &TestStore) {
    let (job_id, chunks) = s.chunked("both", 100).await;
    assert_eq!(s.claim("worker", 100).await.len(), 20);
    s.pass_s(15).await;
    let other = s.hooks.another_handle().await;
    let mut duties = tokio::task::JoinSet::new();
    for repository in [s.repository.clone(), other.clone(), s.repository.clone(), other] {
        duties.spawn(async move {
            repository.expire_due(7).await.unwrap() + repository.expire_due(7).await.unwrap()
        });
    }
    assert_eq!(duties.join_all().await.into_iter().sum::<u64>(), 20);
    for chunk in &chunks {
        assert_eq!(s.chunk(chunk.id).await.retry_count, 1);
    }
    s.counts(job_id, [20, 0, 0, 0]).await;
    let late = s.apply(chunks[0].id, complete(Some(Attempt::new(1)))).await;
    assert_eq!(refusal(late), "lease_lost");
    assert_eq!(s.one_chunk(small("untouched")).await.retry_count, 0);
}
