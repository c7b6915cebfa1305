//! What an operator may do to a job, as one pure function beside the chunks' [`crate::transition`].

use crate::activity::Action;
use crate::error::{ConflictCode, Error, Result, Validation};
use crate::id::check_text;
use crate::job::{CrawlJob, Executor, JobGate, MAX_DATASET_CHARS, MAX_NAME_CHARS, MAX_RECIPE_BYTES};
use crate::plan::{CHUNK_SIZE, ChunkPlan, check_chunk_size};
use crate::policy::{Policy, PolicyFields};
use crate::policy_patch::PolicyPatch;
use crate::priority::Priority;
use crate::timestamp::Timestamp;
use serde_json::Value;

/// The longest place of an image list, in characters.
const MAX_IMAGE_LIST_CHARS: usize = 4096;

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
    /// Who processes the chunks; `None`: `ream` with an image list or a dataset, `external` without.
    pub executor: Option<Executor>,
    /// Where the parts of the image list lie.
    pub image_list: Option<String>,
    /// Where the output goes: a URL or path of 1 to 4,096 characters, which no other job has.
    pub dataset: Option<String>,
    /// What is made of the images: a JSON object of at most 16 KiB, kept as it is.
    pub recipe: Option<Value>,
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
            dataset: None,
            recipe: None,
            policy: Policy::default(),
        }
    }

    /// # Errors
    /// Validation: a bad name, dataset or recipe, a chunk size or number of images out of range, executor `ream` without a
    /// list or dataset.
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
            v.take(check_text("image_list", list, MAX_IMAGE_LIST_CHARS));
            v.check(
                self.max_images.is_some(),
                "max_images",
                "missing",
                "the number of rows of the image list",
            );
        }
        if let Some(dataset) = &self.dataset {
            v.take(check_text("dataset", dataset, MAX_DATASET_CHARS));
        }
        if let Some(recipe) = &self.recipe {
            v.take(check_recipe(recipe));
        }
        v.check(
            self.executor != Some(Executor::Ream) || self.is_reams(),
            "executor",
            Executor::Ream,
            "celery or external for a job without an image list or a dataset",
        );
        v.finish()
    }

    /// Whether Ream's workers know what to fetch or where to put it.
    const fn is_reams(&self) -> bool {
        self.image_list.is_some() || self.dataset.is_some()
    }

    /// The executor, with its default.
    pub fn executor(&self) -> Executor {
        let default = if self.is_reams() { Executor::Ream } else { Executor::External };
        self.executor.unwrap_or(default)
    }
}

fn check_recipe(recipe: &Value) -> Result<()> {
    if !recipe.is_object() {
        return Err(Error::invalid("recipe", recipe_kind(recipe), "a JSON object"));
    }
    let text = recipe.to_string();
    if text.len() > MAX_RECIPE_BYTES {
        let allowed = format!("at most {MAX_RECIPE_BYTES} bytes");
        return Err(Error::invalid("recipe", format!("{} bytes of JSON", text.len()), allowed));
    }
    if serde_json::from_str::<Value>(&text).is_err() {
        // Whoever reads it back would refuse it.
        return Err(Error::invalid("recipe", "nested too deeply", "nested at most 127 deep"));
    }
    Ok(())
}

const fn recipe_kind(recipe: &Value) -> &'static str {
    match recipe {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
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
    pub policy: Option<PolicyPatch>,
}

/// What is asked of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEvent {
    /// Change settings.
    Update(JobChanges),
    /// An image list was taken in: sets the list and the number of images of a job that has neither list nor chunks, which
    /// makes it one of Ream's unless its executor was chosen. `external` was chosen by a job that has a dataset. The same
    /// list and number again: no change; another list, or chunks: a conflict.
    TakeImageList {
        /// Where its parts lie; 1 to 4,096 characters.
        image_list: String,
        /// Its accepted rows; 1 or more.
        images: u64,
    },
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
    /// Validation: a bad name, list or number of images. Whatever the job is, and before it is looked for.
    pub fn validate(&self) -> Result<()> {
        let mut v = Validation::default();
        match self {
            Self::Update(changes) => {
                if let Some(name) = &changes.name {
                    v.take(check_text("name", name, MAX_NAME_CHARS));
                }
                if let Some(max_images) = changes.max_images {
                    // The chunk size is the job's to know.
                    v.take(ChunkPlan::new(max_images, 1));
                }
                if let Some(patch) = &changes.policy {
                    // How they fit together is told by the job that they are of.
                    v.take(patch.clone().apply(PolicyFields::default()).check_ranges());
                }
            }
            Self::TakeImageList { image_list, images } => {
                v.take(check_text("image_list", image_list, MAX_IMAGE_LIST_CHARS));
                v.take(ChunkPlan::new(*images, 1));
            }
            Self::Cancel { reason: Some(reason) } => {
                v.take(check_text("reason", reason, 1000));
            }
            Self::Cancel { reason: None } | Self::Pause | Self::Resume => {}
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
/// `max_images` is to change after chunks were created or with an image list, or a list comes after chunks or another list.
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
        JobEvent::TakeImageList { image_list, images } => {
            match take_image_list(&mut job, image_list, images)? {
                Some(told) => (Action::ListTaken, Some(told)),
                None => return Ok(unchanged(job)),
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

/// What to log; `None` when the job has the list already.
fn take_image_list(job: &mut CrawlJob, image_list: String, images: u64) -> Result<Option<String>> {
    if job.image_list.as_ref() == Some(&image_list) && job.max_images == Some(images) {
        return Ok(None);
    }
    ChunkPlan::new(images, job.chunk_size)?.check_storable()?;
    let taken = |what| Err(Error::conflict(ConflictCode::AlreadyChunked, format!("job {} {what}", job.id)));
    if let Some(list) = &job.image_list {
        let rows = job.max_images.unwrap_or(0);
        return taken(format!("has the image list {list:?} of {rows} images; create a new job for another"));
    }
    if job.counters.total_chunks > 0 {
        return taken("has its chunks, made without an image list; create a new job for the list".to_owned());
    }
    if job.gate == JobGate::Cancelled {
        return Err(Error::conflict(
            ConflictCode::JobNotRunning,
            format!("job {} is cancelled, it takes no image list", job.id),
        ));
    }
    // With a dataset `ream` was the default, so that `external` was chosen.
    if job.executor == Executor::External && job.dataset.is_none() {
        job.executor = Executor::Ream;
    }
    let told = format!("{images} images in {image_list:?}");
    job.image_list = Some(image_list);
    job.max_images = Some(images);
    Ok(Some(told))
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
    if let Some(patch) = changes.policy {
        let policy = Policy::new(patch.apply(*job.policy))?;
        if job.policy != policy {
            told.push("policy".to_owned());
            job.policy = policy;
        }
    }
    Ok(told)
}
