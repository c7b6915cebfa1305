//! Protects what the service does by itself, from end to end through its public names and by the database's clock:
//! expiry, retries, deadlines, ends, priorities, and what is left of deleted jobs.
#![allow(clippy::unwrap_used)]

mod kit;

use kit::Services;
use ream::{
    Advice, CrawlJobStatus, Duties, Heartbeat, JobChanges, JobChunkStatus, JobId, NewCrawlJob, Policy,
    PolicyFields, Priority,
};

/// Runs every duty once; answers those that had something to do.
async fn duties(s: &Services) -> Vec<(&'static str, u64)> {
    let done = Duties::run_once(s.service.repository().as_ref()).await.unwrap();
    assert_eq!(done.len(), 7, "every duty tells what it did");
    done.into_iter().filter(|(_, count)| *count > 0).collect()
}

async fn with_policy(s: &Services, fields: PolicyFields, images: i64) -> JobId {
    let new = NewCrawlJob { policy: Policy::new(fields).unwrap(), ..NewCrawlJob::named("job") };
    let job_id = s.jobs.create_crawl_job(new).await.unwrap().id;
    s.service.create_chunks_for_job(job_id, images, None).await.unwrap();
    job_id
}

#[tokio::test]
async fn a_worker_that_dies_costs_one_lease_and_no_chunk() {
    let s = Services::new();
    let job_id =
        with_policy(&s, PolicyFields { lease_duration_s: 600, ..PolicyFields::default() }, 1500).await;
    let dead = s.claim("dead", 2).await;
    let alive = s.claim("alive", 1).await.remove(0);
    s.pass_s(400);
    let beat = Heartbeat { chunk_id: alive.chunk.id, attempt: alive.chunk.attempt, progress: None };
    assert_eq!(s.service.heartbeat(beat).await.unwrap().action, Advice::Continue);
    assert_eq!(duties(&s).await, []);
    s.pass_s(200);
    assert_eq!(duties(&s).await, [("expiry", 2)]);
    let again = s.claim("alive", 10).await;
    assert_eq!(
        again.iter().map(|c| c.chunk.id).collect::<Vec<_>>(),
        dead.iter().map(|c| c.chunk.id).collect::<Vec<_>>()
    );
    for claimed in again.iter().chain([&alive]) {
        s.service.mark_chunk_completed(claimed).await.unwrap();
    }
    for claimed in &dead {
        assert!(s.service.mark_chunk_completed(claimed).await.unwrap_err().is_lease_lost());
    }
    assert!(s.service.check_job_completion(job_id).await.unwrap());
    assert_eq!(duties(&s).await, [("ends", 1)]);
    assert_eq!(s.jobs.get_crawl_job(job_id).await.unwrap().status(), CrawlJobStatus::Completed);
    assert!(s.jobs.verify(job_id).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_chunk_that_kills_every_worker_ends_as_failed_with_the_reason() {
    let s = Services::new();
    let job_id = with_policy(&s, PolicyFields { max_retries: 2, ..PolicyFields::default() }, 500).await;
    let mut rounds = 0;
    while let Some(claimed) = s.claim("victim", 1).await.pop() {
        rounds += 1;
        assert_eq!(claimed.chunk.attempt.get(), rounds, "counted at the start");
        s.pass_s(15);
        assert_eq!(duties(&s).await[0], ("expiry", 1));
        s.pass_s(3600);
        duties(&s).await;
    }
    assert_eq!(rounds, 3, "once, and two retries");
    let chunk = s.service.get_failed_chunks(job_id).await.unwrap().to_vec().await.unwrap().remove(0);
    let message = chunk.error_message.unwrap();
    assert!(
        message.contains("lease of 15 s") && message.contains("attempt 3") && message.contains("`victim`"),
        "{message}"
    );
    let job = s.jobs.get_crawl_job(job_id).await.unwrap();
    assert!(job.status() == CrawlJobStatus::Failed && job.ended_at.is_some());
    let actions = s.actions(job_id).await;
    assert_eq!(actions.iter().filter(|action| **action == "job_failed").count(), 1);
    assert_eq!(s.jobs.retry(job_id).await.unwrap(), 1, "a person may try again");
    assert_eq!(s.jobs.get_crawl_job(job_id).await.unwrap().status(), CrawlJobStatus::Running);
}

#[tokio::test]
async fn a_reported_failure_is_retried_after_its_back_off() {
    let s = Services::new();
    let (job_id, _) = s.chunked(500).await;
    let claimed = s.claim("worker", 1).await.remove(0);
    s.service.mark_chunk_failed(&claimed, Some("disk full")).await.unwrap();
    s.pass_s(4);
    assert_eq!(duties(&s).await, [], "the job has not ended: the service will try again");
    s.pass_s(27);
    assert_eq!(duties(&s).await, [("retry", 1)]);
    let chunk = s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap();
    assert_eq!((chunk.retry_count, chunk.error_message.as_deref()), (1, Some("disk full")));
}

#[tokio::test]
async fn a_caller_without_heartbeats_has_the_whole_chunk_timeout() {
    let s = Services::new();
    let (_, chunks) = s.chunked(500).await;
    s.service.mark_chunk_processing(chunks[0].id, Some("celery-1")).await.unwrap();
    s.pass_s(3000);
    assert_eq!(duties(&s).await, []);
    s.pass_s(600);
    assert_eq!(duties(&s).await, [("expiry", 1)]);
    let message = s.service.get_chunk_by_id(chunks[0].id).await.unwrap().error_message.unwrap();
    assert!(message.contains("chunk timeout of 3600 s") && message.contains("`celery-1`"), "{message}");
}

#[tokio::test]
async fn a_job_past_its_deadline_is_cancelled_and_its_worker_told() {
    let s = Services::new();
    let fields = PolicyFields { job_deadline_s: Some(60), lease_duration_s: 600, ..PolicyFields::default() };
    let job_id = with_policy(&s, fields, 1000).await;
    let claimed = s.claim("worker", 1).await.remove(0);
    s.pass_s(61);
    assert_eq!(duties(&s).await, [("deadlines", 1)]);
    let beat = Heartbeat { chunk_id: claimed.chunk.id, attempt: claimed.chunk.attempt, progress: None };
    let answer = s.service.heartbeat(beat).await.unwrap();
    assert_eq!((answer.action, answer.reason), (Advice::Stop, Some("the job is cancelled")));
    s.service.release(claimed.chunk.id, claimed.chunk.attempt).await.unwrap();
    assert!(s.claim("worker", 10).await.is_empty());
    assert_eq!(s.jobs.get_crawl_job(job_id).await.unwrap().status(), CrawlJobStatus::Cancelled);
    assert_eq!(duties(&s).await, []);
}

#[tokio::test]
async fn many_expired_chunks_are_done_in_steps_by_one_run() {
    let s = Services::new();
    let new = NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("many") };
    let job_id = s.jobs.create_crawl_job(new).await.unwrap().id;
    s.service.create_chunks_for_job(job_id, 1234, None).await.unwrap();
    assert_eq!(s.claim("dead", 1000).await.len() + s.claim("dead", 1000).await.len(), 1234);
    s.pass_s(15);
    assert_eq!(duties(&s).await, [("expiry", 1234)]);
    assert_eq!(s.service.get_chunk_statistics(job_id).await.unwrap().pending, 1234);
    assert!(s.jobs.verify(job_id).await.unwrap().is_sound());
}

#[tokio::test]
async fn what_a_crash_cut_off_is_finished_step_by_step() {
    let s = Services::new();
    let (deleted, _) = s.chunked(1000).await;
    let (urgent, _) = s.chunked(1000).await;
    // As a process leaves it that stops right after its first commit.
    let actor = ream::Actor::new("stopped").unwrap();
    let repository = s.service.repository();
    repository.delete_job(deleted, &actor).await.unwrap();
    let changes = JobChanges { priority: Some(Priority::MAX), ..JobChanges::default() };
    let event = ream_core::job_event::JobEvent::Update(changes);
    repository.apply_to_job(urgent, event, &actor).await.unwrap();
    let done = duties(&s).await;
    assert_eq!(done.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["priorities", "purge"]);
    let chunks = s.service.get_chunks_for_job(urgent).await.unwrap().to_vec().await.unwrap();
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.priority == Priority::MAX && chunk.status() == JobChunkStatus::Pending)
    );
    // One step a round: the chunks went in the first, the job goes in the second.
    assert_eq!(duties(&s).await, [("purge", 1)]);
    assert_eq!(duties(&s).await, []);
}

#[tokio::test]
async fn duties_run_until_they_are_stopped() {
    let s = Services::new();
    let (job_id, _) = s.chunked(500).await;
    let mut wake_ups = s.service.repository().wake_ups();
    wake_ups.mark_unchanged();
    s.claim("dead", 1).await;
    s.pass_s(15);
    let running = Duties::start(s.service.repository().clone());
    let minute = std::time::Duration::from_secs(60);
    tokio::time::timeout(minute, wake_ups.changed()).await.unwrap().unwrap();
    running.stop().await;
    let chunk = s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap();
    assert_eq!(chunk.retry_count, 1, "expired and retried at once");
}
