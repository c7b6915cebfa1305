//! What is left to be done after the chunks: publishing what dead workers left, the summary, the sweep.
//!
//! Any number of processes may be at it, and die at any point: publishing is done as often as need be, a summary is
//! replaced whole, and only what no attempt can need any more is swept.

use crate::dataset::Dataset;
use crate::list::ListRecord;
use crate::recipe::ImageRecipe;
use crate::storage::{Access, Storage};
use crate::summary::{DatasetSettings, DatasetSummary, Known, write_summary};
use crate::{Error, Result};
use futures::StreamExt as _;
use ream::{
    Attempt, ChunkState, CrawlJob, JobChunk, JobChunkRepository, JobChunkStatus, JobChunkingService, JobId,
};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Jobs looked at at a time.
const JOBS: u32 = 100;
/// Chunks published per look at one job.
const CHUNKS: u32 = 1000;
/// Chunks of one job published at the same time.
const PUBLISHED_AT_ONCE: usize = 4;
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
    /// Jobs whose trouble was told: it may be that another machine has their folder.
    told: Arc<Mutex<BTreeSet<JobId>>>,
}

impl DatasetFinisher {
    /// Writes summaries in the folder `scratch`, which is there, before they go to their datasets.
    pub fn new(service: JobChunkingService, access: Access, scratch: PathBuf) -> Self {
        Self { service, access, scratch, told: Arc::default() }
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
    /// how many datasets needed something; what could not be done is logged, and done another time.
    ///
    /// # Errors
    /// The database's.
    pub async fn look(&self, left_for: Duration) -> ream_core::Result<u64> {
        let repository = self.service.repository();
        let found = repository.list_unfinished_datasets(left_for, JOBS).await?;
        for job_id in &found {
            if let Err(error) = self.finish(*job_id).await {
                self.tell(*job_id, &error);
            }
        }
        Ok(found.len() as u64)
    }

    fn tell(&self, job_id: JobId, error: &Error) {
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(job_id) {
            tracing::warn!(%job_id, %error, "cannot finish a dataset, will go on trying");
        } else {
            tracing::debug!(%job_id, %error, "cannot finish a dataset, will go on trying");
        }
    }

    async fn finish(&self, job_id: JobId) -> Result<()> {
        let repository = self.service.repository();
        let (job, _) = repository.glance_at_job(job_id).await?;
        let Some(place) = &job.dataset else { return Ok(()) };
        let storage = Storage::parse_with("dataset", place, &self.access)?;
        let dataset = Dataset::new(storage, &self.scratch);
        if publish_all(&dataset, repository, job_id).await? > 0 {
            // The summary would not tell of them; they are said again at the next look.
            return Ok(());
        }
        for _ in 0..SUMMARIES {
            let (job, _) = repository.glance_at_job(job_id).await?;
            if job.ended_at.is_none() || job.counters.active_chunks > 0 {
                return Ok(());
            }
            // One that was cancelled before it began may have no list, and has nothing to tell of.
            if job.counters.total_chunks > 0 {
                self.write_summary(&job, &dataset).await?;
            }
            if repository.mark_dataset_finished(&job).await? {
                sweep(&dataset, repository, job_id).await?;
                dataset.tidy().await;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn write_summary(&self, job: &CrawlJob, dataset: &Dataset) -> Result<()> {
        let storage = dataset.storage();
        let list = ListRecord::read(storage).await?;
        let list = list.ok_or_else(|| Error::NoList { dataset: storage.to_string() })?;
        let recipe = ImageRecipe::of_job(job)?;
        let known = Known {
            rejected_rows: list.ingested.rejected,
            unpublished_chunks: 0,
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

/// Gives a completed chunk's staged output its final names and notes it; does nothing for any other chunk. May be
/// done again by anybody, as often as need be.
///
/// # Errors
/// The storage's and the database's; the output stays staged.
pub async fn publish_chunk(
    dataset: &Dataset,
    repository: &Arc<dyn JobChunkRepository>,
    chunk: &JobChunk,
) -> Result<()> {
    let (ChunkState::Completed { unpublished: true }, Some(outcome)) = (&chunk.state, &chunk.outcome) else {
        return Ok(());
    };
    dataset.publish(&outcome.outputs).await?;
    Ok(repository.mark_published(chunk).await?)
}

/// Publishes what completed chunks still have staged. Answers how many could not be published: one lost output must not
/// keep all other chunks from their places.
///
/// # Errors
/// The database's.
pub async fn publish_all(
    dataset: &Dataset,
    repository: &Arc<dyn JobChunkRepository>,
    job_id: JobId,
) -> ream_core::Result<u64> {
    loop {
        let unpublished = repository.list_unpublished(job_id, CHUNKS).await?;
        let all = unpublished.len() as u64;
        let publishing = unpublished.into_iter().map(|chunk| async move {
            let published = publish_chunk(dataset, repository, &chunk).await;
            if let Err(error) = &published {
                tracing::warn!(chunk_id = %chunk.id, %error, "the output of a completed chunk cannot be published");
            }
            u64::from(published.is_err())
        });
        let publishing = futures::stream::iter(publishing).buffer_unordered(PUBLISHED_AT_ONCE);
        let failed = publishing.fold(0, |sum, failed| async move { sum + failed }).await;
        if all < u64::from(CHUNKS) || failed == all {
            return Ok(failed);
        }
    }
}

/// Removes what attempts that are over have left staged. All output of the job is published.
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

/// Whether an attempt can neither complete its chunk any more nor has completed it with output that is still staged.
fn is_over(chunk: &JobChunk, attempt: Attempt) -> bool {
    let unpublished = matches!(chunk.state, ChunkState::Completed { unpublished: true });
    attempt < chunk.attempt
        || (attempt == chunk.attempt && chunk.status() != JobChunkStatus::Processing && !unpublished)
}
