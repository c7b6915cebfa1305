//! What an operator may do to a job, as one pure function beside the chunks' [`crate::transition`].

use crate::activity::Action;
use crate::error::{ConflictCode, Error, Result, Validation};
use crate::id::check_text;
use crate::job::{CrawlJob, Executor, JobGate, MAX_NAME_CHARS};
use crate::plan::{CHUNK_SIZE, ChunkPlan, check_chunk_size};
use crate::policy::Policy;
use crate::priority::Priority;
use crate::timestamp::Timestamp;

/// What a job is made from. Checked by [`NewCrawlJob::validate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCrawlJob {
    /// For people; 1 to 255 characters.
    pub name: String,
    /// N, where it is known already.
    pub max_images: Option<u64>,
    /// Decides between jobs.
    pub priority: Priority,
    /// Images per chunk.
    pub chunk_size: u64,
    /// Who processes the chunks; `None`: `ream` with an image list, `external` without.
    pub executor: Option<Executor>,
    /// Where the parts of the image list lie.
    pub image_list: Option<String>,
    /// Time limits and retries.
    pub policy: Policy,
}

impl NewCrawlJob {
    /// A job with this name and the defaults.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            max_images: None,
            priority: Priority::DEFAULT,
            chunk_size: CHUNK_SIZE,
            executor: None,
            image_list: None,
            policy: Policy::default(),
        }
    }

    /// # Errors
    /// Validation: a bad name, a chunk size or number of images out of range, executor `ream` without a list.
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        v.take(check_text("name", &self.name, MAX_NAME_CHARS));
        v.take(check_chunk_size(self.chunk_size));
        if let Some(max_images) = self.max_images
            && check_chunk_size(self.chunk_size).is_ok()
        {
            v.take(ChunkPlan::new(max_images, self.chunk_size).and_then(ChunkPlan::check_storable));
        }
        if let Some(list) = &self.image_list {
            v.take(check_text("image_list", list, 4096));
            v.check(
                self.max_images.is_some(),
                "max_images",
                "missing",
                "the number of rows of the image list",
            );
        }
        v.check(
            self.executor != Some(Executor::Ream) || self.image_list.is_some(),
            "executor",
            Executor::Ream,
            "celery or external for a job without an image list",
        );
        v.finish()
    }

    /// The executor, with its default.
    pub fn executor(&self) -> Executor {
        let default = if self.image_list.is_some() { Executor::Ream } else { Executor::External };
        self.executor.unwrap_or(default)
    }
}

/// What to change of a job; `None` leaves a thing as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobChanges {
    /// For people; 1 to 255 characters.
    pub name: Option<String>,
    /// N; only before chunks are created, and not with an image list.
    pub max_images: Option<u64>,
    /// Another place among the jobs; its chunks follow.
    pub priority: Option<Priority>,
    /// Holds from the next start, heartbeat or failure on.
    pub policy: Option<Policy>,
}

/// What is asked of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// Change settings.
    Update(JobChanges),
    /// No chunk starts until `Resume`. Paused already: no change; every chunk completed: a conflict.
    Pause,
    /// Chunks may start again. Not paused: no change.
    Resume,
    /// Ends the job for good. Cancelled already: no change; completed: a conflict.
    Cancel {
        /// For the activity log.
        reason: Option<String>,
    },
}

impl JobEvent {
    /// # Errors
    /// Validation: a bad name or number of images. Whatever the job is, and before it is looked for.
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        if let Self::Cancel { reason: Some(reason) } = self {
            v.take(check_text("reason", reason, 1000));
        }
        let Self::Update(changes) = self else { return v.finish() };
        if let Some(name) = &changes.name {
            v.take(check_text("name", name, MAX_NAME_CHARS));
        }
        if let Some(max_images) = changes.max_images {
            // The chunk size is the job's to know.
            v.take(ChunkPlan::new(max_images, 1));
        }
        v.finish()
    }
}

/// A job after an event; `log` is `None` when nothing changed.
#[derive(Debug, Clone, PartialEq)]
pub struct JobTransition {
    /// The job, changed or not.
    pub job: CrawlJob,
    /// What to write to the activity log.
    pub log: Option<(Action, Option<String>)>,
    /// Chunks became startable.
    pub wakes_claimers: bool,
}

/// Applies one event to a job.
///
/// # Errors
/// Validation: a bad name or number. Conflict: [`ConflictCode::JobNotRunning`] when the job is cancelled,
/// [`ConflictCode::WrongStatus`] when a completed job is to be paused or cancelled, [`ConflictCode::AlreadyChunked`] when
/// `max_images` is to change after chunks were created or with an image list.
pub fn job_transition(mut job: CrawlJob, event: JobEvent, now: Timestamp) -> Result<JobTransition> {
    event.validate()?;
    let unchanged = |job| JobTransition { job, log: None, wakes_claimers: false };
    let log = match event {
        JobEvent::Update(changes) => {
            let priority = job.priority;
            let told = update(&mut job, changes)?;
            let only_priority = told.len() == 1 && job.priority != priority;
            match told.as_slice() {
                [] => return Ok(unchanged(job)),
                _ if only_priority => (Action::PrioritySet, Some(told.join(", "))),
                _ => (Action::JobUpdated, Some(told.join(", "))),
            }
        }
        JobEvent::Pause | JobEvent::Resume if job.gate == JobGate::Cancelled => {
            return Err(Error::conflict(
                ConflictCode::JobNotRunning,
                format!("job {} is cancelled, which is final; create a new job instead", job.id),
            ));
        }
        JobEvent::Pause if job.gate == JobGate::Paused => return Ok(unchanged(job)),
        JobEvent::Pause if job.is_done() => return Err(is_completed(&job, "paused")),
        JobEvent::Pause => {
            job.gate = JobGate::Paused;
            (Action::Paused, None)
        }
        JobEvent::Resume if job.gate == JobGate::Open => return Ok(unchanged(job)),
        JobEvent::Resume => {
            job.gate = JobGate::Open;
            (Action::Resumed, None)
        }
        JobEvent::Cancel { .. } if job.gate == JobGate::Cancelled => return Ok(unchanged(job)),
        JobEvent::Cancel { .. } if job.is_done() => return Err(is_completed(&job, "cancelled")),
        JobEvent::Cancel { reason } => {
            job.gate = JobGate::Cancelled;
            job.ended_at = Some(now);
            (Action::Cancelled, reason)
        }
    };
    job.updated_at = now;
    let wakes_claimers = log.0 == Action::Resumed;
    Ok(JobTransition { job, log: Some(log), wakes_claimers })
}

fn is_completed(job: &CrawlJob, refused: &str) -> Error {
    Error::conflict(ConflictCode::WrongStatus, format!("job {} is completed and cannot be {refused}", job.id))
}

fn update(job: &mut CrawlJob, changes: JobChanges) -> Result<Vec<String>> {
    let mut told = Vec::new();
    if let Some(name) = changes.name
        && job.name != name
    {
        told.push(format!("name {:?} to {name:?}", job.name));
        job.name = name;
    }
    if let Some(max_images) = changes.max_images
        && job.max_images != Some(max_images)
    {
        ChunkPlan::new(max_images, job.chunk_size)?.check_storable()?;
        if job.counters.total_chunks > 0 || job.image_list.is_some() {
            return Err(Error::conflict(
                ConflictCode::AlreadyChunked,
                format!("job {} has its images fixed by its chunks or its image list", job.id),
            ));
        }
        told.push(format!("max_images to {max_images}"));
        job.max_images = Some(max_images);
    }
    if let Some(priority) = changes.priority
        && job.priority != priority
    {
        told.push(format!("priority {} to {priority}", job.priority));
        job.priority = priority;
    }
    if let Some(policy) = changes.policy
        && job.policy != policy
    {
        told.push("policy".to_owned());
        job.policy = policy;
    }
    Ok(told)
}
