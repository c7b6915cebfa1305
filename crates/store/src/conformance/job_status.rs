//! A job's status follows from its chunks when it is read, and each of its ends is announced once.

use super::TestStore;
use super::kit::{complete, fail, small, start, tester, with_policy};
use crate::repository::JobFilter;
use ream_core::event::Event;
use ream_core::job_event::JobEvent;
use ream_core::policy::PolicyFields;
use ream_core::{CrawlJobStatus, JobId};

facts!($ job_status:
    a_job_is_pending_until_something_starts,
    a_job_that_was_started_never_looks_untouched_again,
    a_job_runs_while_a_failed_chunk_awaits_its_retry,
    a_job_is_completed_when_every_chunk_is,
    pause_and_cancel_count_before_the_chunks,
    each_end_is_announced_once,
    an_end_that_was_taken_back_is_announced_anew,
    a_failed_job_that_becomes_completed_is_announced_again,
    a_job_that_ends_while_paused_is_announced_after_its_resume,
    a_cancelled_job_has_ended_whatever_becomes_of_its_chunks,
);

async fn is(s: &TestStore, job_id: JobId, wanted: CrawlJobStatus) {
    assert_eq!(s.get(job_id).await.status(), wanted);
    assert_eq!(
        s.jobs(JobFilter { status: Some(wanted) }).await,
        [job_id],
        "the stored copy for filtering agrees"
    );
}

async fn ends(s: &TestStore, job_id: JobId) -> Vec<&'static str> {
    let ends = ["job_completed", "job_failed", "cancelled"];
    s.log(job_id).await.iter().map(|row| row.action.as_str()).filter(|action| ends.contains(action)).collect()
}

async fn a_job_is_pending_until_something_starts(s: &TestStore) {
    let job_id = s.job(small("job")).await.id;
    is(s, job_id, CrawlJobStatus::Pending).await;
    s.create(job_id, 10, None).await.unwrap();
    is(s, job_id, CrawlJobStatus::Pending).await;
    let held = s.claim_one("worker").await;
    is(s, job_id, CrawlJobStatus::Running).await;
    assert_eq!(s.get(job_id).await.started_at, held.started_at);
}

async fn a_job_that_was_started_never_looks_untouched_again(s: &TestStore) {
    let chunk = s.one_chunk(small("job")).await;
    let held = s.claim_one("worker").await;
    s.pass_s(3).await;
    s.apply(chunk.id, Event::Release { attempt: held.attempt }).await.unwrap();
    is(s, chunk.job_id, CrawlJobStatus::Running).await;
    s.pass_s(3).await;
    s.claim_one("worker").await;
    assert_eq!(s.get(chunk.job_id).await.started_at, held.started_at, "the first start");
}

async fn a_job_runs_while_a_failed_chunk_awaits_its_retry(s: &TestStore) {
    let fields = PolicyFields { max_retries: 1, ..PolicyFields::default() };
    let chunk = s.one_chunk(with_policy("job", fields)).await;
    let held = s.claim_one("worker").await;
    s.apply(chunk.id, fail(Some(held.attempt), "fault")).await.unwrap();
    is(s, chunk.job_id, CrawlJobStatus::Running).await;
    assert_eq!(s.repository.announce_ends().await.unwrap(), []);
    s.pass_s(30).await;
    s.repository.retry_due(1).await.unwrap();
    is(s, chunk.job_id, CrawlJobStatus::Running).await;
    let held = s.claim_one("worker").await;
    s.apply(chunk.id, fail(Some(held.attempt), "fault")).await.unwrap();
    is(s, chunk.job_id, CrawlJobStatus::Failed).await;
    s.apply(chunk.id, Event::Retry).await.unwrap();
    is(s, chunk.job_id, CrawlJobStatus::Running).await;
}

async fn a_job_is_completed_when_every_chunk_is(s: &TestStore) {
    let (job_id, chunks) = s.chunked("job", 10).await;
    s.apply(chunks[0].id, complete(None)).await.unwrap();
    is(s, job_id, CrawlJobStatus::Running).await;
    s.apply(chunks[1].id, fail(None, "fault")).await.unwrap();
    is(s, job_id, CrawlJobStatus::Failed).await;
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    is(s, job_id, CrawlJobStatus::Completed).await;
}

async fn pause_and_cancel_count_before_the_chunks(s: &TestStore) {
    let (job_id, chunks) = s.chunked("job", 10).await;
    s.act(job_id, JobEvent::Pause).await.unwrap();
    is(s, job_id, CrawlJobStatus::Paused).await;
    s.apply(chunks[0].id, complete(None)).await.unwrap();
    is(s, job_id, CrawlJobStatus::Paused).await;
    s.act(job_id, JobEvent::Resume).await.unwrap();
    is(s, job_id, CrawlJobStatus::Running).await;
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    is(s, job_id, CrawlJobStatus::Cancelled).await;
}

async fn each_end_is_announced_once(s: &TestStore) {
    let (done, chunks) = s.chunked("done", 10).await;
    let (failed, more) = s.chunked("failed", 5).await;
    s.chunked("open", 5).await;
    for chunk in &chunks {
        s.apply(chunk.id, complete(None)).await.unwrap();
    }
    s.apply(more[0].id, fail(None, "fault")).await.unwrap();
    s.pass_s(9).await;
    let mut announced = s.repository.announce_ends().await.unwrap();
    announced.sort_unstable();
    assert_eq!(announced, [done, failed]);
    assert_eq!(s.repository.announce_ends().await.unwrap(), []);
    assert_eq!((ends(s, done).await, ends(s, failed).await), (vec!["job_completed"], vec!["job_failed"]));
    let job = s.get(done).await;
    assert_eq!(job.ended_at, Some(job.updated_at));
}

async fn an_end_that_was_taken_back_is_announced_anew(s: &TestStore) {
    let chunk = s.one_chunk(small("job")).await;
    s.apply(chunk.id, fail(None, "fault")).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    s.apply(chunk.id, Event::Retry).await.unwrap();
    assert_eq!(s.get(chunk.job_id).await.ended_at, None);
    s.apply(chunk.id, start(None)).await.unwrap();
    s.apply(chunk.id, complete(None)).await.unwrap();
    assert_eq!(s.repository.announce_ends().await.unwrap(), [chunk.job_id]);
    assert_eq!(ends(s, chunk.job_id).await, ["job_failed", "job_completed"]);
}

async fn a_failed_job_that_becomes_completed_is_announced_again(s: &TestStore) {
    let chunk = s.one_chunk(small("job")).await;
    s.apply(chunk.id, fail(None, "fault")).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    s.pass_s(100).await;
    s.apply(chunk.id, complete(None)).await.unwrap();
    assert_eq!(s.repository.announce_ends().await.unwrap(), [chunk.job_id]);
    assert_eq!(ends(s, chunk.job_id).await, ["job_failed", "job_completed"]);
    let job = s.get(chunk.job_id).await;
    assert_eq!(job.ended_at, Some(job.updated_at), "the time of the end that holds");
    assert_eq!(s.repository.announce_ends().await.unwrap(), []);
}

async fn a_cancelled_job_has_ended_whatever_becomes_of_its_chunks(s: &TestStore) {
    let (job_id, chunks) = s.chunked("job", 10).await;
    s.apply(chunks[0].id, fail(None, "fault")).await.unwrap();
    let ended_at = s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap().ended_at;
    assert!(ended_at.is_some());
    s.pass_s(3).await;
    s.apply(chunks[0].id, Event::Retry).await.unwrap();
    s.repository.split_chunk(chunks[1].id, 2, &tester()).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    assert_eq!(s.get(job_id).await.ended_at, ended_at);
}

async fn a_job_that_ends_while_paused_is_announced_after_its_resume(s: &TestStore) {
    let chunk = s.one_chunk(small("job")).await;
    s.act(chunk.job_id, JobEvent::Pause).await.unwrap();
    s.apply(chunk.id, complete(None)).await.unwrap();
    assert_eq!(s.repository.announce_ends().await.unwrap(), []);
    s.act(chunk.job_id, JobEvent::Resume).await.unwrap();
    assert_eq!(s.repository.announce_ends().await.unwrap(), [chunk.job_id]);
    let deleted = s.one_chunk(small("deleted")).await;
    s.apply(deleted.id, complete(None)).await.unwrap();
    s.repository.delete_job(deleted.job_id, &tester()).await.unwrap();
    assert_eq!(s.repository.announce_ends().await.unwrap(), [], "a deleted job is not there for anybody");
}
