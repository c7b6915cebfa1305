//! The claim loop over a real database, with work that is only pretended: slots, stops, failures, cancellation.
#![allow(clippy::unwrap_used)]

use futures::future::BoxFuture;
use ream::{
    Actor, ClaimedChunk, CrawlJobService, CrawlJobStatus, JobChunk, JobChunkStatus, JobChunkingService,
    JobId, NewCrawlJob, Outcome, Policy, PolicyFields, TaskId,
};
use ream_worker::ProcessError;
use ream_worker::claim::{ChunkProcessor, Worker, WorkerConfig, WorkerEnd};
use ream_worker::progress::ProgressCell;
use ream_worker::shutdown::Shutdown;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Ends a chunk when it gets a permit; notes everything that happens to it.
struct Pretended {
    permits: Semaphore,
    fail_first_attempts: bool,
    /// The machine cannot go on after the first permit.
    machine_fails: bool,
    started: Semaphore,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    in_flight: usize,
    most_in_flight: usize,
    completed: BTreeSet<u64>,
    discarded: Vec<u64>,
}

impl Pretended {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Semaphore::new(permits),
            fail_first_attempts: false,
            machine_fails: false,
            started: Semaphore::new(0),
            seen: Mutex::default(),
        })
    }
}

struct InFlight<'a>(&'a Pretended);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.seen.lock().unwrap().in_flight -= 1;
    }
}

impl ChunkProcessor for Pretended {
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, ProcessError>> {
        Box::pin(async move {
            {
                let mut seen = self.seen.lock().unwrap();
                seen.in_flight += 1;
                seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
            }
            let _in_flight = InFlight(self);
            progress.set_begun();
            self.started.add_permits(1);
            self.permits.acquire().await.unwrap().forget();
            progress.image_done(10);
            if self.machine_fails {
                return Err(ProcessError::Machine("disk full".to_owned()));
            }
            if self.fail_first_attempts && claimed.chunk.attempt.get() == 1 {
                return Err(ProcessError::Chunk("no such rows".to_owned()));
            }
            Ok(Outcome { images_ok: claimed.chunk.image_range.images(), ..Outcome::default() })
        })
    }

    fn discard(&self, claimed: &ClaimedChunk) {
        self.seen.lock().unwrap().discarded.push(claimed.chunk.chunk_index);
    }

    fn completed<'a>(&'a self, chunk: &'a JobChunk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.seen.lock().unwrap().completed.insert(chunk.chunk_index);
        })
    }
}

struct Bed {
    _folder: tempfile::TempDir,
    jobs: CrawlJobService,
    service: JobChunkingService,
    job_id: JobId,
}

async fn bed(chunks: i64, policy: PolicyFields) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let repository =
        ream::open(&format!("sqlite:{}", folder.path().join("ream.db").display())).await.unwrap();
    let jobs = CrawlJobService::new(repository.clone());
    let service = JobChunkingService::new(repository).acting_as(Actor::new("worker-1").unwrap());
    let mut new = NewCrawlJob::named("pretended");
    new.max_images = Some(chunks.unsigned_abs() * 500);
    new.image_list = Some("nowhere".to_owned());
    new.policy = Policy::new(policy).unwrap();
    let job_id = jobs.create_crawl_job(new).await.unwrap().id;
    jobs.start(job_id).await.unwrap();
    Bed { _folder: folder, jobs, service, job_id }
}

fn config(chunks_in_flight: u32) -> WorkerConfig {
    WorkerConfig::new(TaskId::new("worker-1").unwrap(), chunks_in_flight)
}

fn worker(bed: &Bed, processor: &Arc<Pretended>, chunks_in_flight: u32) -> Worker {
    let config = WorkerConfig { job_id: Some(bed.job_id), ..config(chunks_in_flight) };
    Worker::new(bed.service.clone(), processor.clone(), config)
}

#[tokio::test]
async fn every_chunk_is_completed_once_and_never_more_than_the_slots_are_in_flight() {
    let bed = bed(10, PolicyFields::default()).await;
    let processor = Pretended::new(10);
    let (_shutdown, stop) = Shutdown::new();
    let end = worker(&bed, &processor, 3).run(stop).await.unwrap();
    assert_eq!(end, WorkerEnd::JobEnded(CrawlJobStatus::Completed));
    let seen = processor.seen.lock().unwrap();
    assert_eq!(seen.completed, (0..10).collect());
    assert!(seen.most_in_flight <= 3, "{} were in flight", seen.most_in_flight);
    assert_eq!(seen.discarded, Vec::<u64>::new());
}

#[tokio::test]
async fn a_stopped_worker_gives_back_what_it_holds_at_no_cost() {
    let bed = bed(4, PolicyFields::default()).await;
    let processor = Pretended::new(0);
    let (shutdown, stop) = Shutdown::new();
    let running = worker(&bed, &processor, 2);
    let task = tokio::spawn(async move { running.run(stop).await });
    processor.started.acquire_many(2).await.unwrap().forget();
    shutdown.stop();
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::Stopped);
    let chunks = bed.service.get_chunks_for_job(bed.job_id).await.unwrap().to_vec().await.unwrap();
    for chunk in &chunks {
        assert_eq!((chunk.status(), chunk.retry_count), (JobChunkStatus::Pending, 0));
    }
    assert_eq!(chunks.iter().map(|chunk| chunk.attempt.get()).sum::<i64>(), 2);
    assert_eq!(processor.seen.lock().unwrap().discarded.len(), 2);
}

#[tokio::test]
async fn a_machine_that_cannot_go_on_ends_the_worker_and_every_chunk_is_given_back_at_no_cost() {
    let bed = bed(4, PolicyFields::default()).await;
    let processor = Arc::new(Pretended {
        permits: Semaphore::new(0),
        fail_first_attempts: false,
        machine_fails: true,
        started: Semaphore::new(0),
        seen: Mutex::default(),
    });
    let (_shutdown, stop) = Shutdown::new();
    let running = worker(&bed, &processor, 2);
    let task = tokio::spawn(async move { running.run(stop).await });
    processor.started.acquire_many(2).await.unwrap().forget();
    processor.permits.add_permits(1);
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::Blocked("disk full".to_owned()));
    let chunks = bed.service.get_chunks_for_job(bed.job_id).await.unwrap().to_vec().await.unwrap();
    for chunk in &chunks {
        assert_eq!((chunk.status(), chunk.retry_count), (JobChunkStatus::Pending, 0));
    }
    assert_eq!(processor.seen.lock().unwrap().discarded.len(), 2);
}

#[tokio::test]
async fn a_chunk_that_could_not_be_worked_on_is_failed_and_retried_by_policy() {
    let policy = PolicyFields { backoff_initial_s: 0, ..PolicyFields::default() };
    let bed = bed(2, policy).await;
    let processor = Arc::new(Pretended {
        permits: Semaphore::new(4),
        fail_first_attempts: true,
        machine_fails: false,
        started: Semaphore::new(0),
        seen: Mutex::default(),
    });
    let duties = ream::Duties::start(bed.service.repository().clone());
    let (_shutdown, stop) = Shutdown::new();
    let end = worker(&bed, &processor, 1).run(stop).await.unwrap();
    duties.stop().await;
    assert_eq!(end, WorkerEnd::JobEnded(CrawlJobStatus::Completed));
    let chunks = bed.service.get_chunks_for_job(bed.job_id).await.unwrap().to_vec().await.unwrap();
    for chunk in &chunks {
        assert_eq!((chunk.attempt.get(), chunk.retry_count), (2, 1));
    }
    assert_eq!(processor.seen.lock().unwrap().discarded.len(), 2);
}

#[tokio::test]
async fn chunks_of_a_cancelled_job_are_released_at_the_next_heartbeat() {
    let policy = PolicyFields { heartbeat_interval_s: 1, ..PolicyFields::default() };
    let bed = bed(3, policy).await;
    let processor = Pretended::new(0);
    let (_shutdown, stop) = Shutdown::new();
    let running = worker(&bed, &processor, 2);
    let task = tokio::spawn(async move { running.run(stop).await });
    processor.started.acquire_many(2).await.unwrap().forget();
    bed.jobs.cancel(bed.job_id).await.unwrap();
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::JobEnded(CrawlJobStatus::Cancelled));
    assert_eq!(bed.service.get_chunk_statistics(bed.job_id).await.unwrap().pending, 3);
}

#[tokio::test]
async fn a_worker_whose_chunk_was_ended_by_an_operator_drops_it_and_goes_on() {
    let policy = PolicyFields { heartbeat_interval_s: 1, ..PolicyFields::default() };
    let bed = bed(2, policy).await;
    let processor = Pretended::new(0);
    let (_shutdown, stop) = Shutdown::new();
    let running = worker(&bed, &processor, 1);
    let task = tokio::spawn(async move { running.run(stop).await });
    processor.started.acquire().await.unwrap().forget();
    let held = bed.service.get_processing_chunks(bed.job_id).await.unwrap().to_vec().await.unwrap();
    bed.service.mark_chunk_completed(held[0].id).await.unwrap();
    // The second chunk starts only once the worker has heard that the first is lost.
    processor.started.acquire().await.unwrap().forget();
    processor.permits.add_permits(1);
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::JobEnded(CrawlJobStatus::Completed));
    assert_eq!(processor.seen.lock().unwrap().discarded, [held[0].chunk_index]);
}

async fn statuses(bed: &Bed) -> Vec<JobChunkStatus> {
    let chunks = bed.service.get_chunks_for_job(bed.job_id).await.unwrap().to_vec().await.unwrap();
    chunks.iter().map(JobChunk::status).collect()
}

#[tokio::test]
async fn chunks_in_flight_may_end_after_a_stop_and_no_other_is_begun() {
    let bed = bed(4, PolicyFields::default()).await;
    let processor = Pretended::new(0);
    let (shutdown, stop) = Shutdown::new();
    let config = WorkerConfig { drain: Duration::from_secs(600), ..config(2) };
    let worker = Worker::new(bed.service.clone(), processor.clone(), config);
    let task = tokio::spawn(async move { worker.run(stop).await });
    processor.started.acquire_many(2).await.unwrap().forget();
    shutdown.stop();
    processor.permits.add_permits(4);
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::Stopped);
    let (completed, pending) = (JobChunkStatus::Completed, JobChunkStatus::Pending);
    assert_eq!(statuses(&bed).await, [completed, completed, pending, pending]);
}

#[tokio::test]
async fn what_has_not_ended_when_draining_is_over_is_given_back() {
    let bed = bed(2, PolicyFields::default()).await;
    let processor = Pretended::new(0);
    let (shutdown, stop) = Shutdown::new();
    let config = WorkerConfig { drain: Duration::from_millis(20), ..config(2) };
    let worker = Worker::new(bed.service.clone(), processor.clone(), config);
    let task = tokio::spawn(async move { worker.run(stop).await });
    processor.started.acquire_many(2).await.unwrap().forget();
    shutdown.stop();
    assert_eq!(task.await.unwrap().unwrap(), WorkerEnd::Stopped);
    assert_eq!(statuses(&bed).await, [JobChunkStatus::Pending; 2]);
}

#[tokio::test]
async fn a_worker_for_any_job_ends_when_nothing_came_for_as_long_as_it_was_to_wait() {
    let bed = bed(3, PolicyFields::default()).await;
    let processor = Pretended::new(3);
    let (_shutdown, stop) = Shutdown::new();
    let exit_when_idle = Some(Duration::from_millis(20));
    let config = WorkerConfig { exit_when_idle, claim_wait: Duration::from_secs(20), ..config(1) };
    let worker = Worker::new(bed.service.clone(), processor.clone(), config);
    assert_eq!(worker.run(stop).await.unwrap(), WorkerEnd::Idle);
    assert_eq!(statuses(&bed).await, [JobChunkStatus::Completed; 3]);
}
