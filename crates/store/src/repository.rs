//! The contract of durable state: one domain operation each, with the states it moves between and its errors.

use crate::once::{Answered, Once};
use crate::page::{Page, PageRequest};
use async_trait::async_trait;
use ream_core::cover::CoverFault;
use ream_core::error::Validation;
use ream_core::event::Event;
use ream_core::id::check_text;
use ream_core::job::{Counters, Executor};
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{
    Action, Activity, ChunkId, CrawlJob, CrawlJobStatus, ImageRange, JobChunk, JobChunkStatus, JobGate,
    JobId, Policy, Priority, Result, TaskId, Timestamp,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Who acts, for the activity log. 1 to 255 characters, none of them a control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(Arc<str>);

impl Actor {
    /// # Errors
    /// Validation: empty, too long, or with control characters.
    pub fn new(name: &str) -> Result<Self> {
        check_text("actor", name, 255)?;
        Ok(Self(name.into()))
    }

    /// A person, where nobody is named.
    pub fn operator() -> Self {
        Self("operator".into())
    }

    /// What the service does by itself.
    pub fn service() -> Self {
        Self("ream".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&TaskId> for Actor {
    fn from(task_id: &TaskId) -> Self {
        Self(task_id.as_str().into())
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who wants how many chunks, and of which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The worker: its name and incarnation.
    pub worker: TaskId,
    /// Only chunks of this job.
    pub job_id: Option<JobId>,
    /// Only chunks of jobs with this executor.
    pub executor: Option<Executor>,
    /// At most so many, 1 to [`Self::MAX_LIMIT`].
    pub limit: u32,
    /// Who claims, for the activity log; `None`: the worker.
    pub actor: Option<Actor>,
    /// Asked again with the same key, a claim answers the chunks that it gave the first time and that are still held in that
    /// attempt, with leases that begin anew, and no others. A claim that gives nothing leaves its key free. The key is kept
    /// as long as the longest lease lasts without a heartbeat, and for a minute at least.
    pub once: Option<Once>,
    /// How long to wait for a chunk where there is none. A repository does not wait: the service above it does, and a
    /// client passes it on.
    pub wait: Duration,
}

impl ClaimRequest {
    /// The most chunks of one claim.
    pub const MAX_LIMIT: u32 = 1000;

    /// Up to `limit` chunks of any job.
    pub const fn new(worker: TaskId, limit: u32) -> Self {
        Self { worker, job_id: None, executor: None, limit, actor: None, once: None, wait: Duration::ZERO }
    }

    /// Who is logged as claiming.
    pub fn actor(&self) -> Actor {
        self.actor.clone().unwrap_or_else(|| Actor::from(&self.worker))
    }

    /// Only chunks of this job.
    #[must_use]
    pub const fn of_job(mut self, job_id: JobId) -> Self {
        self.job_id = Some(job_id);
        self
    }

    /// The longest [`Self::wait`].
    pub const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

    /// # Errors
    /// Validation: `limit` outside 1 to [`Self::MAX_LIMIT`], `wait` beyond [`Self::MAX_WAIT`].
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        let limits = 1..=Self::MAX_LIMIT;
        v.check(limits.contains(&self.limit), "limit", self.limit, format!("1 to {}", Self::MAX_LIMIT));
        let longest = Self::MAX_WAIT.as_secs();
        v.check(self.wait <= Self::MAX_WAIT, "wait", format!("{:?}", self.wait), format!("0 to {longest} s"));
        v.finish()
    }
}

/// A chunk that the caller now holds. Unlike a [`JobChunk`] that was looked at, it comes with what a holder needs.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedChunk {
    /// As it stands after the start.
    pub chunk: JobChunk,
    /// How long it is held without a heartbeat. Count locally from before the claim was sent.
    pub lease_duration_ms: i64,
    /// How often a heartbeat should come.
    pub heartbeat_interval_ms: i64,
    /// How long the attempt may take, however many heartbeats come.
    pub chunk_timeout_ms: i64,
}

impl ClaimedChunk {
    /// A chunk that was just started.
    pub(crate) fn started(chunk: JobChunk, policy: &Policy) -> Self {
        Self {
            chunk,
            lease_duration_ms: i64::from(policy.lease_duration_s) * 1000,
            heartbeat_interval_ms: i64::from(policy.heartbeat_interval_s) * 1000,
            chunk_timeout_ms: i64::from(policy.chunk_timeout_s) * 1000,
        }
    }

    /// A chunk that was started earlier and whose lease has just been extended.
    pub(crate) fn held(chunk: JobChunk, policy: &Policy, now: Timestamp) -> Self {
        let left = chunk.lease().map(|lease| lease.timeout_at.ms_since(now));
        let started = Self::started(chunk, policy);
        Self { chunk_timeout_ms: left.unwrap_or(started.chunk_timeout_ms), ..started }
    }
}

/// A chunk after an event, with what its holder should know of the job.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedChunk {
    /// As it stands now.
    pub chunk: JobChunk,
    /// Whether chunks of its job may start.
    pub gate: JobGate,
}

/// How far the creation of a job's chunks has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Creation {
    /// Chunks the job will have, or has.
    pub total_chunks: u64,
    /// Chunks stored so far.
    pub stored_chunks: u64,
    /// Whether the job has its chunks: from now on everybody sees all of them. Before, nobody sees any.
    pub done: bool,
    /// Whether this call did it; false when they were there before.
    pub created: bool,
}

impl Creation {
    /// Of a job whose chunks were created by an earlier call.
    pub(crate) const fn of(job: &CrawlJob) -> Self {
        let total_chunks = job.counters.total_chunks.unsigned_abs();
        Self { total_chunks, stored_chunks: total_chunks, done: true, created: false }
    }
}

/// One chunk for [`JobChunkRepository::bulk_create`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewChunk {
    /// Unique within the job.
    pub chunk_index: u64,
    /// The images it is about.
    pub image_range: ImageRange,
    /// The job's where nothing is said.
    pub priority: Option<Priority>,
}

/// Which jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// Only jobs that stand there.
    pub status: Option<CrawlJobStatus>,
}

/// Which rows of the activity log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActivityFilter {
    /// Only of this job.
    pub job_id: Option<JobId>,
    /// Only of this chunk.
    pub chunk_id: Option<ChunkId>,
    /// Only what this actor did.
    pub actor: Option<String>,
    /// Only this action.
    pub action: Option<Action>,
}

/// What a check of one job found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct JobVerdict {
    /// The job.
    pub job_id: JobId,
    /// Chunks looked at.
    pub chunks: u64,
    /// Rule 1: where the chunks do not partition the images.
    pub cover_faults: Vec<CoverFault>,
    /// Rule 2: chunks whose lease does not fit their status.
    pub lease_faults: Vec<String>,
    /// Rule 3: what the job's counters say.
    pub counters: Counters,
    /// Rule 3: what a count of its chunks says.
    pub counted: Counters,
    /// Chunks are being created, or their creation was cut off: nobody sees them yet.
    pub creation_unfinished: bool,
}

impl JobVerdict {
    /// Whether every rule holds.
    pub fn is_sound(&self) -> bool {
        self.cover_faults.is_empty() && self.lease_faults.is_empty() && self.counters == self.counted
    }
}

/// Tells that chunks became startable. A missed wake-up costs a delay, never a chunk: wait with a time-out.
pub type WakeUps = watch::Receiver<u64>;

/// Durable state of jobs and chunks.
///
/// Every operation is one transaction: all of it holds, or none. What was answered survives a kill of this process
/// and of the database. Each may fail with [`Error::Database`](ream_core::Error::Database); further errors are named with the operation.
/// Jobs that are deleted, and their chunks, are not found by any of them.
#[async_trait]
pub trait JobChunkRepository: Send + Sync {
    /// Stores a new job without chunks.
    ///
    /// # Errors
    /// Validation: as [`NewCrawlJob::validate`], and a dataset that another job has.
    async fn create_job(&self, new: NewCrawlJob, actor: &Actor) -> Result<CrawlJob> {
        Ok(self.create_job_once(new, actor, None).await?.answer)
    }

    /// The same, and with `once` at most one job however often it is asked: asked again within a day, by the database's
    /// clock, the job of the first time as it stands now. Of two who ask at once with the same key one creates it. What was
    /// refused leaves its key free.
    ///
    /// # Errors
    /// As [`Self::create_job`]. Not found: the job has been deleted since. Conflict: the key was used for another call.
    async fn create_job_once(
        &self,
        new: NewCrawlJob,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>>;

    /// One job with its counters and the task ids at work: two indexed reads however many chunks it has.
    ///
    /// # Errors
    /// Not found.
    async fn get_job(&self, job_id: JobId) -> Result<CrawlJob>;

    /// One job with its counters, without task ids, and the database's time at the same moment: one indexed read
    /// however many chunks it has or are at work.
    ///
    /// # Errors
    /// Not found.
    async fn glance_at_job(&self, job_id: JobId) -> Result<(CrawlJob, Timestamp)>;

    /// Jobs, newest first, without task ids.
    async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>>;

    /// Applies an operator's act to a job, as [`ream_core::job_event::job_transition`] says, and logs it. After a
    /// pause or cancel has returned, no chunk of the job starts. After a change of priority,
    /// [`Self::propagate_priority_step`] has work.
    ///
    /// # Errors
    /// Not found; validation and conflicts of `job_transition`.
    async fn apply_to_job(&self, job_id: JobId, event: JobEvent, actor: &Actor) -> Result<CrawlJob>;

    /// Hides the job and its chunks at once; [`Self::purge_step`] removes them.
    ///
    /// # Errors
    /// Not found.
    async fn delete_job(&self, job_id: JobId, actor: &Actor) -> Result<()>;

    /// Stores some more of a job's chunks, as [`ream_core::ChunkPlan`] lays them out, and shows all of them with the
    /// last step: call it until `done`. A crash or a second caller in between does no harm, because each step goes
    /// on where the stored chunks end. No step holds up other writers for long. With `priority`, the job takes it too.
    ///
    /// # Errors
    /// Not found. Validation: `max_images` out of range. Conflict: already chunked (or begun) with another
    /// `max_images` or priority, or not the number of the job's image list; job cancelled.
    async fn create_chunks_step(
        &self,
        job_id: JobId,
        max_images: u64,
        priority: Option<Priority>,
        actor: &Actor,
    ) -> Result<Creation>;

    /// Stores exactly these chunks for a job that has none, in one transaction.
    ///
    /// # Errors
    /// Not found. Validation: no chunks, an index twice, or no exact cover of the images from 0. Conflict: the job
    /// has chunks, or a number of images that the chunks do not have; job cancelled.
    async fn bulk_create(&self, job_id: JobId, chunks: Vec<NewChunk>, actor: &Actor) -> Result<Creation> {
        Ok(self.bulk_create_once(job_id, chunks, actor, None).await?.answer)
    }

    /// The same, asked once as in [`Self::create_job_once`]; asked again, the number of chunks that the job has now.
    ///
    /// # Errors
    /// As [`Self::bulk_create`]. Conflict: the key was used for another call.
    async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Creation>>;

    /// One chunk.
    ///
    /// # Errors
    /// Not found.
    async fn get_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk>;

    /// A job's chunks, all or of one status, in the order of their images.
    ///
    /// # Errors
    /// Not found: no such job.
    async fn list_chunks(
        &self,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        page: PageRequest,
    ) -> Result<Page<JobChunk>>;

    /// The chunk that the next claim of this job would take, without taking it; `None` when there is none or the
    /// job is paused or cancelled. However long the queue, a fixed number of indexed reads.
    ///
    /// # Errors
    /// Not found: no such job.
    async fn next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>>;

    /// pending → processing for the next due chunks: jobs by priority, then age; within a job by the chunks'
    /// priority, then index. Empty when there is nothing to do. Concurrent claims never get the same chunk.
    ///
    /// # Errors
    /// Validation: `limit` out of range. Not found: no job of the id asked for. Conflict: the key was used for another call.
    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>>;

    /// Applies one event to each chunk, as [`ream_core::transition::transition`] says: each is judged alone, and the
    /// answers come in the order of the events. A refused event changes nothing.
    ///
    /// # Errors
    /// Per chunk: not found; validation and conflicts of `transition`. For the whole call: the database's.
    async fn apply(&self, events: Vec<(ChunkId, Event)>, actor: &Actor) -> Result<Vec<Result<MovedChunk>>>;

    /// Splits a pending or failed chunk into `parts`: it keeps the first, each other part is a new pending chunk.
    /// Answers all of them in the order of their images.
    ///
    /// # Errors
    /// Not found; validation and conflict of [`ream_core::split::split_ranges`].
    async fn split_chunk(&self, chunk_id: ChunkId, parts: u64, actor: &Actor) -> Result<Vec<JobChunk>> {
        Ok(self.split_chunk_once(chunk_id, parts, actor, None).await?.answer)
    }

    /// The same, asked once as in [`Self::create_job_once`]; asked again, those chunks as they stand now.
    ///
    /// # Errors
    /// As [`Self::split_chunk`]. Conflict: the key was used for another call.
    async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>>;

    /// processing → failed for chunks whose lease or timeout is over, at most `limit`; those that may be retried at
    /// once go on to pending in the same transaction. Answers how many expired.
    async fn expire_due(&self, limit: u32) -> Result<u64>;

    /// failed → pending for chunks whose back-off is over, at most `limit`. Answers how many.
    async fn retry_due(&self, limit: u32) -> Result<u64>;

    /// Cancels some jobs that are past their deadline and have not ended. Answers how many; 0 when none is left.
    async fn cancel_overdue_jobs(&self) -> Result<u64>;

    /// Notes the end of some jobs that are completed or failed, each end once. Answers those jobs; none when none is
    /// left.
    async fn announce_ends(&self) -> Result<Vec<JobId>>;

    /// Gives some more chunks that are not completed the priority that their job was given. Answers whether there
    /// may be more to do.
    async fn propagate_priority_step(&self) -> Result<bool>;

    /// Removes some more chunks of deleted jobs, at last the job. Answers whether there may be more to do.
    async fn purge_step(&self) -> Result<bool>;

    /// What this backend itself needs from time to time, such as room in the activity log, and one step of removing
    /// idempotency keys that have expired. May be asked as often as one likes. Answers how much was done.
    async fn upkeep(&self) -> Result<u64>;

    /// Completed chunks of a job whose staged output still waits for its final names, in the order of their images.
    ///
    /// # Errors
    /// Not found: no such job.
    async fn list_unpublished(&self, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>>;

    /// Notes that a completed chunk's output has its final names. A chunk that was published already, or is no
    /// longer completed in that attempt, is left as it is.
    ///
    /// # Errors
    /// Not found.
    async fn mark_published(&self, chunk: &JobChunk) -> Result<()>;

    /// Jobs of Ream's workers with a dataset that somebody has to finish, by their ids, at most `limit` of those behind `after`: completed chunks have output that has waited for its
    /// final names for `waiting_for` at least, or the job has ended and its dataset's summary does not tell of that end and of all completed chunks. Where
    /// somebody else does this, there is never one.
    async fn list_unfinished_datasets(
        &self,
        waiting_for: Duration,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<JobId>> {
        let _ = (waiting_for, after, limit);
        Ok(Vec::new())
    }

    /// Notes that a dataset's summary tells of `job` as it is given: its end, and so many completed chunks. Answers whether it
    /// still has that end: if not, there is another summary to be written.
    ///
    /// # Errors
    /// Not found.
    async fn mark_dataset_finished(&self, job: &CrawlJob) -> Result<bool> {
        let _ = job;
        Ok(true)
    }

    /// Checks rules 1 to 3 on one job by reading every chunk, in one snapshot and constant memory.
    ///
    /// # Errors
    /// Not found.
    async fn verify_job(&self, job_id: JobId) -> Result<JobVerdict>;

    /// Sets a job's counters to a fresh count of its chunks and logs what changed. Answers the job.
    ///
    /// # Errors
    /// Not found.
    async fn repair_counters(&self, job_id: JobId, actor: &Actor) -> Result<CrawlJob>;

    /// What the schema lacks of the tables, constraints and indexes it should have; empty when sound.
    async fn verify_schema(&self) -> Result<Vec<String>>;

    /// The activity log, newest first.
    async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>>;

    /// The database's time.
    async fn now(&self) -> Result<Timestamp>;

    /// Tells when chunks became startable through this very repository.
    fn wake_ups(&self) -> WakeUps;
}
