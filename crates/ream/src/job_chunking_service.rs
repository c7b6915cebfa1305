//! The service of the specification, by its names.

use crate::calls::{ChunkRef, Completion, Heartbeat, HeartbeatAnswer};
use crate::chunk_list::ChunkList;
use crate::claim_line::ClaimLines;
use crate::explanation::{Explained, explain};
use crate::progress::{JobChunkProgress, JobChunkStatistics, is_complete};
use ream_core::error::Validation;
use ream_core::event::Event;
use ream_core::plan::MAX_CHUNKS_PER_JOB;
use ream_core::{
    Attempt, ChunkId, CrawlJob, Error, JobChunk, JobChunkStatus, JobId, Priority, Result, TaskId,
};
use ream_store::{
    ActivityFilter, Actor, Answered, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, MovedChunk,
    NewChunk, Once, PageRequest,
};
use std::sync::Arc;

/// Rows of the activity log that come with an explanation.
const EXPLAINED_ACTIVITY_ROWS: i64 = 5;

/// The most items of one call that takes several.
pub const MAX_CALL_ITEMS: usize = 1000;

/// Creates, starts, ends and counts the chunks of crawl jobs. Cheap to clone; all clones share one database.
///
/// Every call may fail with [`Error::Database`]; further errors are named with it. Checks run in the order
/// validation, not found, conflict.
#[derive(Clone)]
pub struct JobChunkingService {
    repository: Arc<dyn JobChunkRepository>,
    actor: Actor,
    lines: Arc<ClaimLines>,
}

impl JobChunkingService {
    /// A service on this database. What it is asked to do is logged as done by `operator`; see
    /// [`Self::acting_as`].
    pub fn new(repository: Arc<dyn JobChunkRepository>) -> Self {
        Self { repository, actor: Actor::operator(), lines: Arc::default() }
    }

    /// The same service on behalf of somebody else, for the activity log.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { repository: self.repository.clone(), actor, lines: self.lines.clone() }
    }

    /// The database behind this service.
    pub fn repository(&self) -> &Arc<dyn JobChunkRepository> {
        &self.repository
    }

    /// Creates the chunks of a job: `max_images` images in runs of the job's chunk size, with `priority` or the job's.
    /// Called again with the same numbers, the present chunks come back. Stores any number of chunks in constant
    /// memory; they are seen all at once, when the last is stored.
    ///
    /// # Errors
    /// Validation: `max_images` < 1 or too large, `priority` outside 0 to 10. Not found. Conflict: chunks exist with
    /// other numbers; the job is cancelled.
    pub async fn create_chunks_for_job(
        &self,
        job_id: JobId,
        max_images: i64,
        priority: Option<i64>,
    ) -> Result<ChunkList> {
        let mut v = Validation::default();
        v.check(max_images >= 1, "max_images", max_images, format!("1 to {}", ream_core::plan::MAX_IMAGES));
        let priority = priority.and_then(|priority| v.take(Priority::new(priority)));
        v.finish()?;
        let max_images = max_images.unsigned_abs();
        loop {
            let step = self.repository.create_chunks_step(job_id, max_images, priority, &self.actor).await?;
            if step.done {
                return Ok(ChunkList::new(self.repository.clone(), job_id, None, step.total_chunks));
            }
        }
    }

    /// Stores exactly these chunks for a job that has none.
    ///
    /// # Errors
    /// Validation: no chunks, an index twice, or no exact cover of the images from 0. Not found. Conflict: the job has
    /// chunks or another number of images; it is cancelled.
    pub async fn bulk_create(&self, job_id: JobId, chunks: Vec<NewChunk>) -> Result<ChunkList> {
        Ok(self.bulk_create_once(job_id, chunks, None).await?.answer)
    }

    /// The same, asked once: see [`JobChunkRepository::bulk_create_once`].
    ///
    /// # Errors
    /// As [`Self::bulk_create`]. Conflict: the key was used for another call.
    pub async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        once: Option<&Once>,
    ) -> Result<Answered<ChunkList>> {
        let done = self.repository.bulk_create_once(job_id, chunks, &self.actor, once).await?;
        let list = |done: Creation| ChunkList::new(self.repository.clone(), job_id, None, done.total_chunks);
        Ok(done.map(list))
    }

    /// One chunk.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_chunk_by_id(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        self.repository.get_chunk(chunk_id).await
    }

    /// Why a chunk stands where it stands, and what was done to it last.
    ///
    /// # Errors
    /// Not found.
    pub async fn explain_chunk(&self, chunk_id: ChunkId) -> Result<Explained> {
        let chunk = self.repository.get_chunk(chunk_id).await?;
        let (job, now) = self.repository.glance_at_job(chunk.job_id).await?;
        let next = self.repository.next_pending_chunk(job.id).await?;
        let filter = ActivityFilter { chunk_id: Some(chunk_id), ..ActivityFilter::default() };
        let page = PageRequest::new(EXPLAINED_ACTIVITY_ROWS, None)?;
        let activity = self.repository.list_activity(filter, page).await?.items;
        let explanation = explain(&chunk, &job, next.map(|chunk| chunk.id), now);
        Ok(Explained { explanation, chunk, activity })
    }

    /// pending → processing for a named chunk. The lease lasts the job's chunk timeout; the first heartbeat makes it
    /// a normal one.
    ///
    /// # Errors
    /// Validation: a bad `task_id`. Not found. Conflict: not pending, dispatched to another task, or the job is paused
    /// or cancelled.
    pub async fn mark_chunk_processing(&self, chunk_id: ChunkId, task_id: Option<&str>) -> Result<JobChunk> {
        let task_id = task_id.map(TaskId::new).transpose()?;
        self.apply(chunk_id, Event::Start { task_id }).await
    }

    /// processing → completed by the holder, or from any status by an operator. Completed already by the same
    /// attempt, or asked without one: no change.
    ///
    /// # Errors
    /// Validation: an outcome out of its ranges. Not found. Conflict: the lease is lost.
    pub async fn mark_chunk_completed(&self, completion: impl Into<Completion>) -> Result<JobChunk> {
        let Completion { chunk, outcome } = completion.into();
        self.apply(chunk.chunk_id, Event::Complete { attempt: chunk.attempt, outcome }).await
    }

    /// processing → failed by the holder, or from pending as well by an operator. A failure reported by the holder
    /// is retried by policy; an operator's waits for [`Self::retry_chunk`].
    ///
    /// # Errors
    /// Not found. Conflict: the chunk is completed, or the lease is lost.
    pub async fn mark_chunk_failed(
        &self,
        chunk: impl Into<ChunkRef>,
        error_message: Option<&str>,
    ) -> Result<JobChunk> {
        let ChunkRef { chunk_id, attempt } = chunk.into();
        let message = error_message.map(str::to_owned);
        self.apply(chunk_id, Event::Fail { attempt, message }).await
    }

    /// failed → pending, with a fresh retry budget.
    ///
    /// # Errors
    /// Not found. Conflict: not failed.
    pub async fn retry_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        self.apply(chunk_id, Event::Retry).await
    }

    /// The call that `status` names: `pending` retries a failed or releases a processing chunk.
    ///
    /// # Errors
    /// Validation: an unknown status, a bad `task_id`. Otherwise as that call.
    pub async fn update_chunk_status(
        &self,
        chunk_id: ChunkId,
        status: &str,
        error_message: Option<&str>,
        task_id: Option<&str>,
    ) -> Result<JobChunk> {
        let mut v = Validation::default();
        let status = v.take(status.parse::<JobChunkStatus>());
        let task_id = task_id.and_then(|task_id| v.take(TaskId::new(task_id)));
        v.finish()?;
        let event = match status {
            Some(JobChunkStatus::Processing) => Event::Start { task_id },
            Some(JobChunkStatus::Completed) => Event::Complete { attempt: None, outcome: None },
            Some(JobChunkStatus::Failed) => {
                Event::Fail { attempt: None, message: error_message.map(str::to_owned) }
            }
            Some(JobChunkStatus::Pending) | None => Event::PutBack,
        };
        self.apply(chunk_id, event).await
    }

    /// All chunks of a job, in the order of their images.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_chunks_for_job(&self, job_id: JobId) -> Result<ChunkList> {
        self.list(job_id, None).await
    }

    /// A job's chunks that wait.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_pending_chunks(&self, job_id: JobId) -> Result<ChunkList> {
        self.list(job_id, Some(JobChunkStatus::Pending)).await
    }

    /// A job's chunks that are worked on.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_processing_chunks(&self, job_id: JobId) -> Result<ChunkList> {
        self.list(job_id, Some(JobChunkStatus::Processing)).await
    }

    /// A job's chunks that are done.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_completed_chunks(&self, job_id: JobId) -> Result<ChunkList> {
        self.list(job_id, Some(JobChunkStatus::Completed)).await
    }

    /// A job's chunks that were given up.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_failed_chunks(&self, job_id: JobId) -> Result<ChunkList> {
        self.list(job_id, Some(JobChunkStatus::Failed)).await
    }

    /// The chunk that the next claim of this job would take; looks, takes nothing. `None` when there is none, or the
    /// job is paused or cancelled.
    ///
    /// # Errors
    /// Not found: no such job.
    pub async fn get_next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>> {
        self.repository.next_pending_chunk(job_id).await
    }

    /// A job's chunks by status.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_chunk_statistics(&self, job_id: JobId) -> Result<JobChunkStatistics> {
        Ok(JobChunkStatistics::from(&self.repository.glance_at_job(job_id).await?.0))
    }

    /// How far a job has come and how fast it goes.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_job_chunk_progress(&self, job_id: JobId) -> Result<JobChunkProgress> {
        let (job, now) = self.repository.glance_at_job(job_id).await?;
        Ok(JobChunkProgress::new(&job, now))
    }

    /// Whether every chunk is completed; false without chunks.
    ///
    /// # Errors
    /// Not found.
    pub async fn check_job_completion(&self, job_id: JobId) -> Result<bool> {
        Ok(is_complete(&self.repository.glance_at_job(job_id).await?.0.counters))
    }

    /// The job with its counters. They follow every transition by themselves, so a delta that repeats what a
    /// transition counted changes nothing; to recount, see [`crate::CrawlJobService::repair`].
    ///
    /// # Errors
    /// Validation: a delta larger than any job. Not found.
    pub async fn update_job_chunk_tracking(
        &self,
        job_id: JobId,
        active_delta: i64,
        completed_delta: i64,
        failed_delta: i64,
    ) -> Result<CrawlJob> {
        let mut v = Validation::default();
        for (field, delta) in [
            ("active_delta", active_delta),
            ("completed_delta", completed_delta),
            ("failed_delta", failed_delta),
        ] {
            let allowed = format!("-{MAX_CHUNKS_PER_JOB} to {MAX_CHUNKS_PER_JOB}");
            v.check(delta.unsigned_abs() <= MAX_CHUNKS_PER_JOB, field, delta, allowed);
        }
        v.finish()?;
        self.repository.get_job(job_id).await
    }

    /// Takes the next due chunks under a lease. Where there is none it waits for one as long as the request says, in a line
    /// with others that want the same; empty when there is nothing to do.
    ///
    /// # Errors
    /// Validation: `limit` outside 1 to 1,000. Not found: no job of the id asked for. Conflict: the request's key was used
    /// for another call.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>> {
        self.claim_until(request, std::future::pending()).await
    }

    /// [`Self::claim`] that waits no longer once `stop` is said.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn claim_until(
        &self,
        request: ClaimRequest,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Vec<ClaimedChunk>> {
        request.validate()?;
        self.lines.claim(&*self.repository, request, stop).await
    }

    /// Extends a lease, may report progress, and tells whether to go on.
    ///
    /// # Errors
    /// Validation: progress out of range. Not found. Conflict: the lease is lost.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatAnswer> {
        one(self.heartbeat_many(vec![heartbeat]).await?)
    }

    /// [`Self::heartbeat`] for several chunks, each judged alone; answers in their order.
    ///
    /// # Errors
    /// Validation: more than [`MAX_CALL_ITEMS`].
    pub async fn heartbeat_many(&self, heartbeats: Vec<Heartbeat>) -> Result<Vec<Result<HeartbeatAnswer>>> {
        let events = heartbeats.into_iter().map(|Heartbeat { chunk_id, attempt, progress }| {
            (chunk_id, Event::Heartbeat { attempt, progress })
        });
        let answers = self.apply_many(events.collect()).await?;
        let told = |moved: MovedChunk| HeartbeatAnswer::new(&moved.chunk, moved.gate);
        Ok(answers.into_iter().map(|answer| answer.map(told)).collect())
    }

    /// processing → pending: gives a chunk back unfinished, at no cost in retries.
    ///
    /// # Errors
    /// Not found. Conflict: the lease is lost.
    pub async fn release(&self, chunk_id: ChunkId, attempt: Attempt) -> Result<JobChunk> {
        self.apply(chunk_id, Event::Release { attempt }).await
    }

    /// [`Self::mark_chunk_completed`] for several chunks, each judged alone; answers in their order.
    ///
    /// # Errors
    /// Validation: more than [`MAX_CALL_ITEMS`].
    pub async fn complete_many(&self, completions: Vec<Completion>) -> Result<Vec<Result<JobChunk>>> {
        let events = completions.into_iter().map(|Completion { chunk, outcome }| {
            (chunk.chunk_id, Event::Complete { attempt: chunk.attempt, outcome })
        });
        let answers = self.apply_many(events.collect()).await?;
        Ok(answers.into_iter().map(|answer| answer.map(|moved| moved.chunk)).collect())
    }

    /// Splits a pending or failed chunk into `parts` of nearly equal size: it keeps the first, each other part
    /// becomes a new pending chunk. Answers all of them in the order of their images.
    ///
    /// # Errors
    /// Validation: `parts` outside 2 to 1,000, or more than the chunk's images. Not found. Conflict: processing or
    /// completed.
    pub async fn split_chunk(&self, chunk_id: ChunkId, parts: u64) -> Result<Vec<JobChunk>> {
        self.repository.split_chunk(chunk_id, parts, &self.actor).await
    }

    /// The same, asked once: see [`JobChunkRepository::split_chunk_once`].
    ///
    /// # Errors
    /// As [`Self::split_chunk`]. Conflict: the key was used for another call.
    pub async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>> {
        self.repository.split_chunk_once(chunk_id, parts, &self.actor, once).await
    }

    /// Gives one chunk another place in its job's queue. A job's priority is changed with
    /// [`crate::CrawlJobService::update`], and its chunks follow.
    ///
    /// # Errors
    /// Validation: outside 0 to 10. Not found.
    pub async fn set_priority(&self, chunk_id: ChunkId, priority: i64) -> Result<JobChunk> {
        let priority = Priority::new(priority)?;
        self.apply(chunk_id, Event::SetPriority(priority)).await
    }

    /// Hands a pending chunk to a task queue: it stays pending, and others pass over it until the policy's
    /// `redispatch_after_s` is over. Call it before publishing the task.
    ///
    /// # Errors
    /// Validation: a bad `task_id`. Not found. Conflict: not pending, dispatched already, or the job is paused or
    /// cancelled.
    pub async fn dispatch(&self, chunk_id: ChunkId, task_id: &str) -> Result<JobChunk> {
        let task_id = TaskId::new(task_id)?;
        self.apply(chunk_id, Event::Dispatch { task_id }).await
    }

    async fn apply(&self, chunk_id: ChunkId, event: Event) -> Result<JobChunk> {
        one(self.apply_many(vec![(chunk_id, event)]).await?).map(|moved| moved.chunk)
    }

    async fn apply_many(&self, events: Vec<(ChunkId, Event)>) -> Result<Vec<Result<MovedChunk>>> {
        if events.len() > MAX_CALL_ITEMS {
            let allowed = format!("at most {MAX_CALL_ITEMS} items");
            return Err(Error::invalid("items", format!("{} items", events.len()), allowed));
        }
        self.repository.apply(events, &self.actor).await
    }

    async fn list(&self, job_id: JobId, status: Option<JobChunkStatus>) -> Result<ChunkList> {
        let counters = self.repository.glance_at_job(job_id).await?.0.counters;
        let len = match status {
            None => counters.total_chunks,
            Some(JobChunkStatus::Pending) => counters.pending_chunks(),
            Some(JobChunkStatus::Processing) => counters.active_chunks,
            Some(JobChunkStatus::Completed) => counters.completed_chunks,
            Some(JobChunkStatus::Failed) => counters.failed_chunks,
        };
        Ok(ChunkList::new(self.repository.clone(), job_id, status, len.unsigned_abs()))
    }
}

/// The answer to the one item of a call.
fn one<T>(answers: Vec<Result<T>>) -> Result<T> {
    answers.into_iter().next().unwrap_or_else(|| {
        Err(Error::Database {
            fault: ream_core::DatabaseFault::Constraint,
            message: "the database gave no answer".to_owned(),
        })
    })
}
