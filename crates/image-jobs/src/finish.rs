//! What is left to be done after the chunks: publishing what dead workers left, the summary, the sweep.
//!
//! Any number of processes may be at it, and die at any point: publishing is done as often as need be, a summary is
//! replaced whole, and only what no attempt can need any more is swept.

use crate::dataset::Dataset;
use crate::list::{LIST_DIR, ListRecord};
use crate::owner::check_owner;
use crate::recipe::ImageRecipe;
use crate::storage::{Access, Storage};
use crate::summary::{DatasetSettings, DatasetSummary, Known, write_summary};
use crate::{Error, Result};
use futures::future::join_all;
use publishing::publish_waiting;
use ream::{
    Attempt, ChunkState, CrawlJob, JobChunk, JobChunkRepository, JobChunkStatus, JobChunkingService, JobId,
};
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use troubles::{Told, Troubles};

mod publishing;
mod troubles;

pub use publishing::{publish_all, publish_chunk};

/// Jobs asked for at a time.
const JOBS: u32 = 100;
/// Jobs finished at the same time.
const JOBS_AT_ONCE: usize = 16;
/// How long one job is worked on: more than the summary of a very large one takes.
const JOB_LIMIT: Duration = Duration::from_secs(3600);
/// How long its place may take to answer at all. A folder of a machine that is gone never does.
const PLACE_LIMIT: Duration = Duration::from_secs(90);
/// How long a look waits for its jobs. Those that take longer go on beside the next look.
const LOOK_LIMIT: Duration = Duration::from_secs(60);
/// Output that waits for so long was left by a worker that is gone: those that are there publish at once.
const LEFT_FOR: Duration = Duration::from_secs(60);
/// How long to wait between two looks: between half and whole, so that many processes seldom look together.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How often a summary is written anew because the job went on meanwhile, before that is left to the next look.
const SUMMARIES: u32 = 3;

/// Finishes the datasets of a service's jobs.
#[derive(Clone)]
pub struct DatasetFinisher {
    service: JobChunkingService,
    access: Access,
    scratch: PathBuf,
    troubles: Arc<Troubles>,
    turns: Arc<Semaphore>,
}

impl DatasetFinisher {
    /// Writes summaries in the folder `scratch`, which is there, before they go to their datasets.
    pub fn new(service: JobChunkingService, access: Access, scratch: PathBuf) -> Self {
        let turns = Arc::new(Semaphore::new(JOBS_AT_ONCE));
        Self { service, access, scratch, troubles: Arc::default(), turns }
    }

    /// Looks after datasets for ever.
    pub async fn run(&self) {
        loop {
            if let Err(error) = self.look(LEFT_FOR).await {
                tracing::warn!(%error, "cannot look for datasets to be finished, will try again");
            }
            tokio::time::sleep(LOOK_EVERY.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
    }

    /// Looks once: publishes output that has waited for `left_for`, and writes the summaries of jobs that have ended. Answers
    /// how many datasets needed something; what could not be done is logged, and done another time: a job's next look is the
    /// later the more often it was in vain.
    ///
    /// # Errors
    /// The database's.
    pub async fn look(&self, left_for: Duration) -> ream_core::Result<u64> {
        let repository = self.service.repository();
        let mut seen = BTreeSet::new();
        loop {
            let after = seen.last().copied();
            let found = repository.list_unfinished_datasets(left_for, after, JOBS).await?;
            let last = found.len() < JOBS as usize;
            seen.extend(found.iter().copied());
            let due = found.into_iter().filter_map(|job_id| self.troubles.begin(job_id));
            let finishing = due.map(|begun| {
                let finisher = self.clone();
                tokio::spawn(async move {
                    finisher.finish_job(begun.job_id).await;
                    drop(begun);
                })
            });
            let _ = tokio::time::timeout(LOOK_LIMIT, join_all(finishing)).await;
            if last {
                self.troubles.keep_only(&seen);
                return Ok(seen.len() as u64);
            }
        }
    }

    /// Does for one job what [`Self::look`] does for all, however often it was in vain, and waits for it.
    ///
    /// # Errors
    /// The database's.
    pub async fn look_at(&self, job_id: JobId, left_for: Duration) -> ream_core::Result<()> {
        let before = JobId::new(job_id.get() - 1);
        let found = self.service.repository().list_unfinished_datasets(left_for, Some(before), 1).await?;
        if found.first() == Some(&job_id) {
            self.finish_job(job_id).await;
        }
        Ok(())
    }

    async fn finish_job(&self, job_id: JobId) {
        // Never closed.
        let _turn = self.turns.acquire().await;
        match tokio::time::timeout(JOB_LIMIT, self.finish(job_id)).await {
            Ok(Ok(true)) => self.troubles.are_over(job_id),
            Ok(Ok(false)) => self.troubles.look_later(job_id),
            Ok(Err(error)) => self.troubles.tell(job_id, &error),
            Err(elapsed) => self.troubles.tell(job_id, &elapsed),
        }
    }

    /// Answers whether all was done that there is to do.
    async fn finish(&self, job_id: JobId) -> Result<bool> {
        let repository = self.service.repository();
        let (job, _) = repository.glance_at_job(job_id).await?;
        let Some(place) = &job.dataset else { return Ok(true) };
        let storage = Storage::parse_with("dataset", place, &self.access)?;
        let asked = tokio::time::timeout(PLACE_LIMIT, check_owner(&storage, Some(&job))).await;
        asked.map_err(io::Error::from).map_err(Error::io("reach", storage.to_string()))??;
        let dataset = Dataset::new(storage, &self.scratch);
        for _ in 0..SUMMARIES {
            // Before its chunks: what was completed by now is published next, or known not to be.
            let (job, _) = repository.glance_at_job(job_id).await?;
            let tell = |chunk_id, error: &Error| self.troubles.tell_of_chunk(job_id, chunk_id, error);
            let waiting = publish_waiting(&dataset, repository, job_id, tell).await?;
            if !waiting.whole {
                return Ok(false);
            }
            if job.ended_at.is_none() || job.counters.active_chunks > 0 {
                return Ok(waiting.failed == 0);
            }
            if self.tell_of(job, &dataset, waiting.failed).await? {
                sweep(&dataset, repository, job_id).await?;
                sweep_lists(dataset.storage()).await?;
                dataset.tidy().await;
                return Ok(waiting.failed == 0);
            }
        }
        Ok(true)
    }

    /// Writes and notes the summary of a job that has ended. Answers whether it is still that end.
    async fn tell_of(&self, mut job: CrawlJob, dataset: &Dataset, unpublished: u64) -> Result<bool> {
        let told = Told::of(&job, unpublished);
        // One that was cancelled before it began may have no list, and has nothing to tell of.
        if job.counters.total_chunks > 0 && !self.troubles.were_told(job.id, &told) {
            self.write_summary(&job, dataset, unpublished).await?;
        }
        // Once the others are published, there is more to tell.
        let others = i64::try_from(unpublished).unwrap_or(i64::MAX);
        job.counters.completed_chunks = (job.counters.completed_chunks - others).max(0);
        let marked = self.service.repository().mark_dataset_finished(&job).await?;
        if marked && unpublished > 0 {
            self.troubles.note_told(job.id, told);
        }
        Ok(marked)
    }

    async fn write_summary(&self, job: &CrawlJob, dataset: &Dataset, unpublished: u64) -> Result<()> {
        let storage = dataset.storage();
        let list = ListRecord::read(storage).await?;
        let list = list.ok_or_else(|| Error::NoList { dataset: storage.to_string() })?;
        let recipe = ImageRecipe::of_job(job)?;
        let known = Known {
            rejected_rows: list.ingested.rejected,
            unpublished_chunks: unpublished,
            settings: DatasetSettings::told(&recipe, &list.columns, list.chunk_size, job.policy.robots),
        };
        let summary = DatasetSummary::read(&self.service, job, dataset, known).await?;
        let folder = tempfile::tempdir_in(&self.scratch);
        let folder = folder.map_err(Error::io("create a folder in", self.scratch.display().to_string()))?;
        let path = folder.path().join("dataset.json");
        write_summary(&summary, &self.service, job.id, dataset, &path).await?;
        storage.put_file(&recipe.layout().summary_name(), &path).await
    }
}

/// Removes what attempts that are over have left staged and no publishing needs.
async fn sweep(dataset: &Dataset, repository: &Arc<dyn JobChunkRepository>, job_id: JobId) -> Result<()> {
    for (chunk_id, attempt) in dataset.staged_attempts().await? {
        match repository.get_chunk(chunk_id).await {
            Ok(chunk) if chunk.job_id == job_id && is_over(&chunk, attempt) => {
                dataset.discard(chunk_id, attempt).await?;
            }
            // Not ours to judge.
            Ok(_) | Err(ream_core::Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Removes what killed intakes left. Where there is a list, no other can be taken in any more.
async fn sweep_lists(storage: &Storage) -> Result<()> {
    let Some(list) = ListRecord::read(storage).await? else { return Ok(()) };
    for parts in storage.folders(LIST_DIR).await? {
        if !list.is_of(&parts) {
            storage.delete_folder(&format!("{LIST_DIR}/{parts}")).await?;
        }
    }
    Ok(())
}

/// Whether an attempt can neither complete its chunk any more nor has completed it with output that is still staged.
fn is_over(chunk: &JobChunk, attempt: Attempt) -> bool {
    let unpublished = matches!(chunk.state, ChunkState::Completed { unpublished: true });
    attempt < chunk.attempt
        || (attempt == chunk.attempt && chunk.status() != JobChunkStatus::Processing && !unpublished)
}
