//! The work itself: process every chunk, publish every output.

use super::error::CrawlError;
use super::folder::CrawlFolder;
use super::options::CrawlOptions;
use super::prepare::paused;
use super::recipe::{Recipe, run_settings};
use super::summary::{CrawlSummary, RunRates};
use crate::chunk::ImageChunks;
use crate::claim::{Worker, WorkerConfig, WorkerEnd};
use crate::image::ImagePipeline;
use crate::shutdown::StopSignal;
use crate::tally::Tally;
use ream::{DatabaseUrl, Duties, JobChunkProgress, JobChunkingService, JobGate, JobId, TaskId};
use ream_dataset::sweep_staging;
use ream_fetch::{Fetcher, HostReports};
use ream_image_jobs::finish::publish_all;
use ream_image_jobs::summary::{DatasetSummary, Known, write_summary};
use ream_image_jobs::{Dataset, ImageList, ImageRecipe, Storage};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Hosts named at the end, of the worst and of the slowest each.
const NAMED_HOSTS: usize = 10;

/// What a crawl found of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Done already.
    pub completed_chunks: u64,
    /// Left processing by a process that is gone, put back.
    pub released_chunks: u64,
    /// Failed, retried.
    pub retried_chunks: u64,
    /// Not completed yet.
    pub left_chunks: u64,
}

impl Resumed {
    /// Of a crawl that others are at.
    pub(super) async fn joined(service: &JobChunkingService, job_id: JobId) -> Result<Self, CrawlError> {
        let mut resumed = Self::default();
        resumed.count(service, job_id).await?;
        Ok(resumed)
    }

    pub(super) async fn count(
        &mut self,
        service: &JobChunkingService,
        job_id: JobId,
    ) -> Result<(), CrawlError> {
        let (job, _) = service.repository().glance_at_job(job_id).await?;
        let (total, completed) = (job.counters.total_chunks, job.counters.completed_chunks);
        self.completed_chunks = completed.unsigned_abs();
        self.left_chunks = (total - completed).unsigned_abs();
        Ok(())
    }
}

/// A crawl that is ready to run.
pub struct CrawlSession {
    pub(super) options: CrawlOptions,
    pub(super) folder: CrawlFolder,
    pub(super) database: DatabaseUrl,
    pub(super) list: ImageList,
    pub(super) fetcher: Fetcher,
    pub(super) service: JobChunkingService,
    pub(super) task_id: TaskId,
    pub(super) job_id: JobId,
    pub(super) resumed: Option<Resumed>,
    pub(super) rejected_rows: u64,
    pub(super) passed_over: Vec<String>,
    pub(super) tally: Tally,
}

impl CrawlSession {
    /// What was found of an earlier run; `None` for a new crawl.
    pub const fn resumed(&self) -> Option<Resumed> {
        self.resumed
    }

    /// Rows of the list that take no part.
    pub const fn rejected_rows(&self) -> u64 {
        self.rejected_rows
    }

    /// What the list's folder holds besides lists, by name, if this process took it in.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// The dataset's folder.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    /// The job in the folder's database.
    pub const fn job_id(&self) -> JobId {
        self.job_id
    }

    /// Images of this run so far; may be asked while it runs.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What hosts have answered in this run so far; may be asked while it runs.
    pub fn hosts(&self) -> HostReports {
        self.fetcher.hosts(NAMED_HOSTS)
    }

    /// The job's chunks and images so far; may be asked while it runs.
    ///
    /// # Errors
    /// The database's.
    pub async fn progress(&self) -> Result<JobChunkProgress, CrawlError> {
        Ok(self.service.get_job_chunk_progress(self.job_id).await?)
    }

    /// Where the job is.
    pub const fn database(&self) -> &DatabaseUrl {
        &self.database
    }

    /// What the crawl waits for, if its job is paused and has chunks left; may be asked while it runs.
    ///
    /// # Errors
    /// The database's.
    pub async fn paused(&self) -> Result<Option<String>, CrawlError> {
        let (job, _) = self.service.repository().glance_at_job(self.job_id).await?;
        let waits = job.gate == JobGate::Paused && !job.is_done();
        Ok(waits.then(|| paused(self.job_id, &self.database)))
    }

    /// Works until every chunk has ended and every output has its final names, or until stop is said.
    ///
    /// # Errors
    /// [`CrawlError`]: what makes going on impossible. What was done stays; the same crawl again goes on.
    pub async fn run(&self, stop: StopSignal) -> Result<CrawlSummary, CrawlError> {
        let started = Instant::now();
        let repository = self.service.repository().clone();
        if self.publish_all().await? == 0 && self.options.database.is_none() {
            // The folder's lock says that nobody is at work in here: what is staged now belongs to attempts that were
            // killed. Kept until the end, many resumes of a large crawl would fill the disk with it.
            self.sweep();
        }
        let options = &self.options;
        let recipe = ImageRecipe::new(options.format, options.layout, &options.transform);
        let output = recipe.output(self.list.record());
        let images = ImageChunks {
            dataset: self.dataset(),
            list: self.list.clone(),
            pipeline: ImagePipeline::new(self.fetcher.clone(), options.transform.clone(), output.clone()),
            output,
            tally: self.tally.clone(),
            repository: repository.clone(),
        };
        let mut config = WorkerConfig::new(self.task_id.clone(), self.options.chunks_in_flight.max(1));
        config.job_id = Some(self.job_id);
        let duties = Duties::start(repository.clone());
        let ended = Worker::new(self.service.clone(), Arc::new(images), config).run(stop).await;
        duties.stop().await;
        if !self.list.is_there().await {
            // Whatever went wrong first, that is why.
            return Err(CrawlError::FolderGone { folder: self.folder.root().to_owned() });
        }
        let ended = ended?;
        if let WorkerEnd::Blocked(message) = ended {
            return Err(CrawlError::Blocked { message });
        }
        let unpublished = self.publish_all().await?;
        if let WorkerEnd::JobEnded(_) = ended {
            // Noted here as well, so that the end is announced before the process is gone.
            repository.announce_ends().await?;
            if unpublished == 0 {
                self.sweep();
            }
        }
        let known = Known {
            rejected_rows: self.rejected_rows,
            unpublished_chunks: unpublished,
            settings: Recipe::of(options).into_settings().chain(run_settings(options)).collect(),
        };
        let dataset = self.dataset();
        let (job, _) = repository.glance_at_job(self.job_id).await?;
        let summary = CrawlSummary {
            dataset: DatasetSummary::read(&self.service, &job, &dataset, known).await?,
            stopped: ended == WorkerEnd::Stopped,
            run: RunRates::new(started.elapsed(), &self.tally.snapshot()),
            hosts: self.hosts(),
        };
        // Of several that share the folder, the last to leave writes for all.
        if self.options.database.is_none() || self.folder.is_last() {
            let path = self.folder.root().join(self.options.layout.summary_name());
            write_summary(&summary, &self.service, self.job_id, &dataset, &path).await?;
        }
        Ok(summary)
    }

    async fn publish_all(&self) -> Result<u64, CrawlError> {
        Ok(publish_all(&self.dataset(), self.service.repository(), self.job_id).await?)
    }

    fn dataset(&self) -> Dataset {
        Dataset::new(Storage::folder(self.folder.root()), self.folder.root())
    }

    fn sweep(&self) {
        if let Err(error) = sweep_staging(self.folder.root()) {
            tracing::warn!(%error, "could not remove what attempts left behind");
        }
    }
}
