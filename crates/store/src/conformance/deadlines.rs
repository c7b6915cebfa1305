//! Deadlines: a job that takes too long is cancelled with the reason, and only such a job.

use super::TestStore;
use super::kit::{complete, fail, small, with_policy};
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::policy::PolicyFields;
use ream_core::{CrawlJobStatus, Policy};

facts!($ deadlines:
    a_job_past_its_deadline_is_cancelled_with_the_reason,
    the_deadline_counts_from_the_creation_of_the_chunks,
    a_job_that_has_ended_is_left_alone,
    a_paused_job_has_a_deadline_too,
    a_paused_job_with_every_chunk_completed_keeps_nobody_from_their_deadlines,
    a_deadline_may_be_set_moved_and_taken_away_later,
);

fn fields(job_deadline_s: Option<u32>) -> PolicyFields {
    PolicyFields { job_deadline_s, ..PolicyFields::default() }
}

fn within(seconds: u32) -> NewCrawlJob {
    with_policy("deadline", fields(Some(seconds)))
}

fn changed(job_deadline_s: Option<u32>) -> JobChanges {
    JobChanges { policy: Some(Policy::new(fields(job_deadline_s)).unwrap().into()), ..JobChanges::default() }
}

async fn a_job_past_its_deadline_is_cancelled_with_the_reason(s: &TestStore) {
    let (job_id, _) = s.chunked_as(within(100), 10).await;
    let (other, _) = s.chunked_as(within(5000), 10).await;
    let (endless, _) = s.chunked("endless", 10).await;
    s.claim_one("worker").await;
    s.pass_s(40).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    s.pass_s(61).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 1);
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    assert_eq!(s.get(job_id).await.status(), CrawlJobStatus::Cancelled);
    let row = s.log(job_id).await.pop().unwrap();
    assert_eq!((row.action.as_str(), row.actor.as_str()), ("cancelled", "ream"));
    assert!(row.message.as_ref().unwrap().contains("100 s"), "{row:?}");
    for open in [other, endless] {
        assert_eq!(s.get(open).await.status(), CrawlJobStatus::Pending);
    }
}

async fn the_deadline_counts_from_the_creation_of_the_chunks(s: &TestStore) {
    let job = s.job(within(100)).await;
    assert_eq!(job.deadline_at, None);
    s.pass_s(1000).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    s.create(job.id, 10, None).await.unwrap();
    let created_at = s.chunks(job.id, None).await[0].created_at;
    assert_eq!(s.get(job.id).await.deadline_at, Some(created_at.plus_s(100)));
}

async fn a_job_that_has_ended_is_left_alone(s: &TestStore) {
    let (done, a) = s.chunked_as(within(100), 5).await;
    let (failed, b) = s.chunked_as(within(100), 5).await;
    s.apply(a[0].id, complete(None)).await.unwrap();
    s.apply(b[0].id, fail(None, "fault")).await.unwrap();
    s.pass_s(101).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0, "ended, though nobody announced it");
    s.repository.announce_ends().await.unwrap();
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    assert_eq!(s.get(done).await.status(), CrawlJobStatus::Completed);
    s.apply(b[0].id, Event::Retry).await.unwrap();
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 1, "open again, and too late");
    assert_eq!(s.get(failed).await.status(), CrawlJobStatus::Cancelled);
}

async fn a_paused_job_has_a_deadline_too(s: &TestStore) {
    let (job_id, _) = s.chunked_as(within(100), 5).await;
    s.act(job_id, JobEvent::Pause).await.unwrap();
    s.pass_s(101).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 1);
    assert_eq!(s.get(job_id).await.status(), CrawlJobStatus::Cancelled);
}

async fn a_paused_job_with_every_chunk_completed_keeps_nobody_from_their_deadlines(s: &TestStore) {
    let (done, a) = s.chunked_as(within(100), 5).await;
    let (open, _) = s.chunked_as(within(100), 5).await;
    s.act(done, JobEvent::Pause).await.unwrap();
    s.apply(a[0].id, complete(None)).await.unwrap();
    s.pass_s(101).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 1);
    assert_eq!(s.get(open).await.status(), CrawlJobStatus::Cancelled);
    assert_eq!(s.get(done).await.status(), CrawlJobStatus::Paused);
    s.act(done, JobEvent::Resume).await.unwrap();
    assert_eq!(s.get(done).await.status(), CrawlJobStatus::Completed);
}

async fn a_deadline_may_be_set_moved_and_taken_away_later(s: &TestStore) {
    let (job_id, chunks) = s.chunked_as(small("later"), 5).await;
    let created_at = chunks[0].created_at;
    s.pass_s(50).await;
    let set = s.update(job_id, changed(Some(100))).await.unwrap();
    assert_eq!(set.deadline_at, Some(created_at.plus_s(100)));
    let moved = s.update(job_id, changed(Some(200))).await.unwrap();
    assert_eq!(moved.deadline_at, Some(created_at.plus_s(200)));
    s.pass_s(101).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    assert_eq!(s.update(job_id, changed(None)).await.unwrap().deadline_at, None);
    s.pass_s(1000).await;
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 0);
    s.update(job_id, changed(Some(200))).await.unwrap();
    assert_eq!(s.repository.cancel_overdue_jobs().await.unwrap(), 1);
}
