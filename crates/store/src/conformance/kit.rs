//! Short words for what the facts do over and over.

use super::TestStore;
use crate::page::PageRequest;
use crate::repository::{
    ActivityFilter, Actor, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter,
};
use ream_core::event::Event;
use ream_core::job::Counters;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::policy::PolicyFields;
use ream_core::{
    Activity, Attempt, ChunkId, CrawlJob, JobChunk, JobChunkStatus, JobId, Policy, Priority, Result, TaskId,
    Timestamp,
};
use std::fmt::Debug;
use std::sync::Arc;

/// Who acts in the facts where nobody else is named.
pub(super) fn tester() -> Actor {
    Actor::new("tester").unwrap()
}

/// A task id.
pub(super) fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// A priority within its range.
pub(super) fn priority(number: i64) -> Priority {
    Priority::new(number).unwrap()
}

/// The code of a refusal.
#[track_caller]
pub(super) fn refusal<T: Debug>(result: Result<T>) -> &'static str {
    result.expect_err("should have been refused").code()
}

/// First and last image of each chunk.
pub(super) fn ranges(chunks: &[JobChunk]) -> Vec<(u64, u64)> {
    chunks.iter().map(|chunk| (chunk.image_range.start(), chunk.image_range.end())).collect()
}

/// The names of chunks within their job.
pub(super) fn indexes<'c>(chunks: impl IntoIterator<Item = &'c JobChunk>) -> Vec<u64> {
    chunks.into_iter().map(|chunk| chunk.chunk_index).collect()
}

/// The ids of chunks, sorted.
pub(super) fn ids<'c>(chunks: impl IntoIterator<Item = &'c JobChunk>) -> Vec<i64> {
    let mut ids: Vec<i64> = chunks.into_iter().map(|chunk| chunk.id.get()).collect();
    ids.sort_unstable();
    ids
}

/// `start`: a chunk that its caller names.
pub(super) fn start(task_id: Option<&str>) -> Event {
    Event::Start { task_id: task_id.map(task) }
}

/// `complete` without an outcome.
pub(super) fn complete(attempt: Option<Attempt>) -> Event {
    Event::Complete { attempt, outcome: None }
}

/// `fail` with a message.
pub(super) fn fail(attempt: Option<Attempt>, message: &str) -> Event {
    Event::Fail { attempt, message: Some(message.to_owned()) }
}

/// `heartbeat` without progress.
pub(super) fn heartbeat(attempt: Attempt) -> Event {
    Event::Heartbeat { attempt, progress: None }
}

/// A new job of five images a chunk.
pub(super) fn small(name: &str) -> NewCrawlJob {
    NewCrawlJob { chunk_size: 5, ..NewCrawlJob::named(name) }
}

/// A new job with this policy.
pub(super) fn with_policy(name: &str, fields: PolicyFields) -> NewCrawlJob {
    NewCrawlJob { policy: Policy::new(fields).unwrap(), ..small(name) }
}

impl TestStore {
    /// Stores a job, a moment after all before it.
    pub(super) async fn job(&self, new: NewCrawlJob) -> CrawlJob {
        self.hooks.shift_clock(7).await;
        self.repository.create_job(new, &tester()).await.unwrap()
    }

    /// Creates a job's chunks, step by step.
    pub(super) async fn create(&self, job_id: JobId, images: u64, priority: Option<i64>) -> Result<Creation> {
        loop {
            let priority = priority.map(self::priority);
            let step = self.repository.create_chunks_step(job_id, images, priority, &tester()).await?;
            if step.done {
                return Ok(step);
            }
        }
    }

    /// A job of five images a chunk with its chunks.
    pub(super) async fn chunked(&self, name: &str, images: u64) -> (JobId, Vec<JobChunk>) {
        self.chunked_as(small(name), images).await
    }

    /// A job with its chunks.
    pub(super) async fn chunked_as(&self, new: NewCrawlJob, images: u64) -> (JobId, Vec<JobChunk>) {
        let job_id = self.job(new).await.id;
        self.hooks.shift_clock(11).await;
        self.create(job_id, images, None).await.unwrap();
        (job_id, self.chunks(job_id, None).await)
    }

    /// A job's chunks, read by small pages.
    pub(super) async fn chunks(&self, job_id: JobId, status: Option<JobChunkStatus>) -> Vec<JobChunk> {
        let mut request = PageRequest::new(3, None).unwrap();
        let mut all = Vec::new();
        loop {
            let page = self.repository.list_chunks(job_id, status, request).await.unwrap();
            all.extend(page.items);
            match page.next {
                Some(next) => request = request.at(Some(next)),
                None => return all,
            }
        }
    }

    /// The only chunk of a new job.
    pub(super) async fn one_chunk(&self, new: NewCrawlJob) -> JobChunk {
        self.chunked_as(new, 5).await.1.remove(0)
    }

    /// Claims up to `limit` chunks of any job.
    pub(super) async fn claim(&self, worker: &str, limit: u32) -> Vec<ClaimedChunk> {
        self.repository.claim(ClaimRequest::new(task(worker), limit)).await.unwrap()
    }

    /// Claims the one chunk there is.
    pub(super) async fn claim_one(&self, worker: &str) -> JobChunk {
        let mut claimed = self.claim(worker, 1).await;
        assert_eq!(claimed.len(), 1, "a chunk for `{worker}`");
        claimed.remove(0).chunk
    }

    /// Applies one event.
    pub(super) async fn apply(&self, chunk_id: ChunkId, event: Event) -> Result<JobChunk> {
        apply_to(&self.repository, chunk_id, event).await
    }

    /// One chunk as it is stored.
    pub(super) async fn chunk(&self, chunk_id: ChunkId) -> JobChunk {
        self.repository.get_chunk(chunk_id).await.unwrap()
    }

    /// One job as it is stored.
    pub(super) async fn get(&self, job_id: JobId) -> CrawlJob {
        self.repository.get_job(job_id).await.unwrap()
    }

    /// Applies an act to a job.
    pub(super) async fn act(&self, job_id: JobId, event: JobEvent) -> Result<CrawlJob> {
        self.repository.apply_to_job(job_id, event, &tester()).await
    }

    /// Changes a job.
    pub(super) async fn update(&self, job_id: JobId, changes: JobChanges) -> Result<CrawlJob> {
        self.act(job_id, JobEvent::Update(changes)).await
    }

    /// All jobs as lists show them.
    pub(super) async fn jobs(&self, filter: JobFilter) -> Vec<JobId> {
        let page = self.repository.list_jobs(filter, PageRequest::largest()).await.unwrap();
        page.items.iter().map(|job| job.id).collect()
    }

    /// The database's time.
    pub(super) async fn now(&self) -> Timestamp {
        self.repository.now().await.unwrap()
    }

    /// Lets seconds pass, for the database.
    pub(super) async fn pass_s(&self, seconds: i64) {
        self.hooks.shift_clock(seconds * 1000).await;
    }

    /// What the activity log says of a job, oldest first.
    pub(super) async fn log(&self, job_id: JobId) -> Vec<Activity> {
        let filter = ActivityFilter { job_id: Some(job_id), ..ActivityFilter::default() };
        let mut rows = self.repository.list_activity(filter, PageRequest::largest()).await.unwrap().items;
        rows.reverse();
        rows
    }

    /// What was done to a chunk, oldest first.
    pub(super) async fn actions(&self, chunk_id: ChunkId) -> Vec<&'static str> {
        let filter = ActivityFilter { chunk_id: Some(chunk_id), ..ActivityFilter::default() };
        let rows = self.repository.list_activity(filter, PageRequest::largest()).await.unwrap().items;
        rows.iter().rev().map(|row| row.action.as_str()).collect()
    }

    /// Fails unless rules 1 to 3 hold for the job.
    pub(super) async fn sound(&self, job_id: JobId) {
        let verdict = self.repository.verify_job(job_id).await.unwrap();
        assert!(verdict.is_sound(), "{verdict:?}");
        assert_eq!(verdict.counters, self.get(job_id).await.counters);
    }

    /// Fails unless the job's counters are these: pending, processing, completed, failed.
    #[track_caller]
    pub(super) fn counts(&self, job_id: JobId, wanted: [i64; 4]) -> impl Future<Output = ()> {
        let at = std::panic::Location::caller();
        async move {
            let counters: Counters = self.get(job_id).await.counters;
            let c = &counters;
            let found = [c.pending_chunks(), c.active_chunks, c.completed_chunks, c.failed_chunks];
            assert_eq!(found, wanted, "pending, processing, completed, failed at {at}");
            self.sound(job_id).await;
        }
    }
}

/// Applies one event through a given handle.
pub(super) async fn apply_to(
    repository: &Arc<dyn JobChunkRepository>,
    chunk_id: ChunkId,
    event: Event,
) -> Result<JobChunk> {
    let mut answers = repository.apply(vec![(chunk_id, event)], &tester()).await?;
    assert_eq!(answers.len(), 1, "one answer for one event");
    answers.remove(0).map(|moved| moved.chunk)
}
