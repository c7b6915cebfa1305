//! Chunks of whatever job they belong to.

use crate::chunk::ImageChunks;
use crate::claim::ChunkProcessor;
use crate::image::ImagePipeline;
use crate::process_error::ProcessError;
use crate::progress::ProgressCell;
use crate::tally::Tally;
use futures::future::BoxFuture;
use lru::LruCache;
use ream::{ClaimedChunk, CrawlJob, JobChunk, JobChunkRepository, JobId, Outcome, Policy};
use ream_dataset::OutputFormat;
use ream_fetch::{Fetcher, HostReports};
use ream_image_jobs::finish::publish_chunk;
use ream_image_jobs::storage::Access;
use ream_image_jobs::{Dataset, ImageList, ImageRecipe, ScratchFolder, Storage, check_owner, claim_dataset};
use ream_transform::TransformSettings;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Jobs whose set-up is remembered. Those with chunks in flight keep theirs in any case.
const REMEMBERED_JOBS: usize = 64;

/// Works on the chunks of any job that has a dataset and a list. All jobs share hosts, memory and processors.
#[derive(Clone)]
pub struct JobChunks(Arc<Inner>);

struct Inner {
    repository: Arc<dyn JobChunkRepository>,
    fetcher: Fetcher,
    /// Its processors are everybody's.
    pipeline: ImagePipeline,
    access: Access,
    scratch: ScratchFolder,
    tally: Tally,
    jobs: Mutex<LruCache<JobId, Arc<Job>>>,
}

/// What a job is worked on with.
struct Job {
    basis: Basis,
    dataset: Dataset,
    images: OnceCell<Arc<ImageChunks>>,
}

/// What the set-up depends on, of which the policy may change.
#[derive(Debug, PartialEq)]
struct Basis {
    dataset: Option<String>,
    recipe: Option<serde_json::Value>,
    max_images: Option<u64>,
    policy: Policy,
}

impl Basis {
    fn of(job: &CrawlJob) -> Self {
        let CrawlJob { dataset, recipe, max_images, policy, .. } = job.clone();
        Self { dataset, recipe, max_images, policy }
    }
}

impl JobChunks {
    /// Fetches with `fetcher`, reaches datasets with `access`, and packs in `scratch` what does not go to a folder.
    pub fn new(
        repository: Arc<dyn JobChunkRepository>,
        fetcher: Fetcher,
        access: Access,
        scratch: ScratchFolder,
    ) -> Self {
        let output = OutputFormat::default().into();
        let pipeline = ImagePipeline::new(fetcher.clone(), TransformSettings::default(), output);
        let size = NonZeroUsize::new(REMEMBERED_JOBS).unwrap_or(NonZeroUsize::MIN);
        let jobs = Mutex::new(LruCache::new(size));
        let tally = Tally::default();
        Self(Arc::new(Inner { repository, fetcher, pipeline, access, scratch, tally, jobs }))
    }

    /// Images of all jobs so far.
    pub fn tally(&self) -> &Tally {
        &self.0.tally
    }

    /// What hosts have answered so far: at most `most` of the worst and of the slowest each.
    pub fn hosts(&self, most: usize) -> HostReports {
        self.0.fetcher.hosts(most)
    }
}

impl Inner {
    /// The job as it is now, with what is remembered of it.
    async fn job(&self, job_id: JobId) -> Result<(CrawlJob, Arc<Job>), String> {
        let (job, _) = self.repository.glance_at_job(job_id).await.map_err(|error| error.to_string())?;
        let basis = Basis::of(&job);
        if let Some(known) = self.remembered().get(&job_id)
            && known.basis == basis
        {
            return Ok((job, Arc::clone(known)));
        }
        let Some(place) = &job.dataset else {
            return Err("it has no dataset; only whoever created it can work on it".to_owned());
        };
        let storage =
            Storage::parse_with("dataset", place, &self.access).map_err(|error| error.to_string())?;
        let dataset = Dataset::new(storage, self.scratch.path());
        let known = Arc::new(Job { basis, dataset, images: OnceCell::new() });
        self.remembered().put(job_id, Arc::clone(&known));
        Ok((job, known))
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, LruCache<JobId, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn images(&self, job_id: JobId) -> Result<Arc<ImageChunks>, ProcessError> {
        let cannot = |why| ProcessError::Chunk(format!("cannot work on job {job_id}: {why}"));
        let (job, known) = self.job(job_id).await.map_err(cannot)?;
        // One at a time; what failed is tried again by the next.
        let images = known.images.get_or_try_init(|| self.set_up(&job, known.dataset.clone())).await;
        images.cloned().map_err(cannot)
    }

    async fn discard(&self, chunk: &JobChunk) -> Result<(), String> {
        let (job, known) = self.job(chunk.job_id).await?;
        // Of another job, a chunk and an attempt may have the same numbers.
        let owned = check_owner(known.dataset.storage(), Some(&job)).await;
        owned.map_err(|error| error.to_string())?;
        known.dataset.discard(chunk.id, chunk.attempt).await.map_err(|error| error.to_string())
    }

    async fn set_up(&self, job: &CrawlJob, dataset: Dataset) -> Result<Arc<ImageChunks>, String> {
        let recipe = ImageRecipe::of_job(job).map_err(|error| error.to_string())?;
        let list = ImageList::open(dataset.storage()).await.map_err(|error| error.to_string())?;
        let record = list.record();
        let accepted = record.ingested.accepted;
        if job.max_images != Some(accepted) || job.chunk_size != record.chunk_size {
            return Err(format!(
                "it has {} images in chunks of {}, the list in {} has {accepted} in chunks of {}",
                job.max_images.unwrap_or(0),
                job.chunk_size,
                dataset.storage(),
                record.chunk_size
            ));
        }
        let claimed = claim_dataset(dataset.storage(), job).await;
        claimed.map_err(|error| error.to_string())?;
        let output = recipe.output(record);
        let fetcher = self.fetcher.within(&job.policy);
        Ok(Arc::new(ImageChunks {
            dataset,
            list,
            pipeline: self.pipeline.for_job(fetcher, recipe.transform(), output.clone()),
            output,
            tally: self.tally.clone(),
            repository: Arc::clone(&self.repository),
        }))
    }
}

impl ChunkProcessor for JobChunks {
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, ProcessError>> {
        Box::pin(async move {
            let images = self.0.images(claimed.chunk.job_id).await?;
            let in_folder = images.dataset.storage().as_folder().is_some();
            let worked = images.work(claimed, progress).await;
            // Packed in the dataset itself, and not in the scratch folder that all jobs need.
            worked.map_err(|error| if in_folder { error.of_one_job() } else { error })
        })
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.pipeline.room())
    }

    fn discard(&self, claimed: &ClaimedChunk) {
        let (inner, chunk) = (Arc::clone(&self.0), claimed.chunk.clone());
        // Nobody waits for it: a lease is not kept for a slow store.
        tokio::spawn(async move {
            if let Err(error) = inner.discard(&chunk).await {
                tracing::debug!(chunk_id = %chunk.id, error, "could not remove what an attempt left behind");
            }
        });
    }

    fn completed<'a>(&'a self, chunk: &'a JobChunk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let published = match self.0.job(chunk.job_id).await {
                Ok((_, job)) => publish_chunk(&job.dataset, &self.0.repository, chunk)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error),
            };
            if let Err(error) = published {
                tracing::warn!(chunk_id = %chunk.id, error, "output waits to be published");
            }
        })
    }
}
