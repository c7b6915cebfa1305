//! Jobs: the parents of chunks.

use crate::chunk_list::ChunkList;
use crate::job_chunking_service::JobChunkingService;
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::{Activity, CrawlJob, Error, JobChunkStatus, JobId, Result};
use ream_store::{
    ActivityFilter, Actor, Answered, JobChunkRepository, JobFilter, JobVerdict, Once, Page, PageRequest,
};
use std::sync::Arc;

/// Creates, starts, pauses, cancels and deletes crawl jobs. Cheap to clone; all clones share one database.
///
/// Every call may fail with [`Error::Database`]; further errors are named with it.
#[derive(Clone)]
pub struct CrawlJobService {
    repository: Arc<dyn JobChunkRepository>,
    actor: Actor,
}

impl CrawlJobService {
    /// A service on this database. What it is asked to do is logged as done by `operator`; see
    /// [`Self::acting_as`].
    pub fn new(repository: Arc<dyn JobChunkRepository>) -> Self {
        Self { repository, actor: Actor::operator() }
    }

    /// The same service on behalf of somebody else, for the activity log.
    #[must_use]
    pub fn acting_as(&self, actor: Actor) -> Self {
        Self { repository: self.repository.clone(), actor }
    }

    /// A new job, without chunks.
    ///
    /// # Errors
    /// Validation: as [`NewCrawlJob::validate`], and a dataset that another job has.
    pub async fn create_crawl_job(&self, new: NewCrawlJob) -> Result<CrawlJob> {
        new.validate()?;
        self.repository.create_job(new, &self.actor).await
    }

    /// The same, asked once: see [`JobChunkRepository::create_job_once`].
    ///
    /// # Errors
    /// As [`Self::create_crawl_job`]. Not found: the job of the first time has been deleted. Conflict: the key was used for
    /// another call.
    pub async fn create_crawl_job_once(
        &self,
        new: NewCrawlJob,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>> {
        new.validate()?;
        self.repository.create_job_once(new, &self.actor, once).await
    }

    /// One job, with its counters and the task ids at work.
    ///
    /// # Errors
    /// Not found.
    pub async fn get_crawl_job(&self, job_id: JobId) -> Result<CrawlJob> {
        self.repository.get_job(job_id).await
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// The database's only.
    pub async fn list_crawl_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
        self.repository.list_jobs(filter, page).await
    }

    /// Changes a job's name, images, priority or policy. A new priority decides between jobs at once; the chunks
    /// follow before this returns.
    ///
    /// # Errors
    /// Validation: a value out of range. Not found. Conflict: `max_images` of a job that has chunks or a list.
    pub async fn update(&self, job_id: JobId, changes: JobChanges) -> Result<CrawlJob> {
        let prioritised = changes.priority.is_some();
        let job = self.repository.apply_to_job(job_id, JobEvent::Update(changes), &self.actor).await?;
        if prioritised {
            while self.repository.propagate_priority_step().await? {}
        }
        Ok(job)
    }

    /// Notes that the job's image list was taken in: `images` accepted rows, whose parts lie at `image_list`. The same
    /// again: no change.
    ///
    /// # Errors
    /// Validation: a bad place or number. Not found. Conflict: another list, chunks already, or cancelled.
    pub async fn take_image_list(&self, job_id: JobId, image_list: String, images: u64) -> Result<CrawlJob> {
        let event = JobEvent::TakeImageList { image_list, images };
        self.repository.apply_to_job(job_id, event, &self.actor).await
    }

    /// Creates the job's chunks from its `max_images`; with chunks already, no change.
    ///
    /// # Errors
    /// Validation: `max_images` is not known. Not found. Conflict: the job is cancelled.
    pub async fn start(&self, job_id: JobId) -> Result<ChunkList> {
        let (job, _) = self.repository.glance_at_job(job_id).await?;
        let Some(max_images) = job.max_images else {
            return Err(Error::invalid("max_images", "missing", "a number of images, set before the start"));
        };
        let chunks = JobChunkingService::new(self.repository.clone()).acting_as(self.actor.clone());
        // A stored number of images is positive and fits.
        chunks.create_chunks_for_job(job_id, i64::try_from(max_images).unwrap_or(i64::MAX), None).await
    }

    /// After this has returned no chunk of the job starts; running ones may finish. Paused already: no change.
    ///
    /// # Errors
    /// Not found. Conflict: cancelled, or every chunk is completed.
    pub async fn pause(&self, job_id: JobId) -> Result<CrawlJob> {
        self.repository.apply_to_job(job_id, JobEvent::Pause, &self.actor).await
    }

    /// Chunks may start again. Not paused: no change.
    ///
    /// # Errors
    /// Not found. Conflict: cancelled.
    pub async fn resume(&self, job_id: JobId) -> Result<CrawlJob> {
        self.repository.apply_to_job(job_id, JobEvent::Resume, &self.actor).await
    }

    /// After this has returned no chunk of the job starts; running ones are released at their next heartbeat. Final.
    ///
    /// # Errors
    /// Not found. Conflict: completed.
    pub async fn cancel(&self, job_id: JobId) -> Result<CrawlJob> {
        self.cancel_because(job_id, None).await
    }

    /// [`Self::cancel`], with a reason for the activity log.
    ///
    /// # Errors
    /// Validation: a reason that is empty, longer than 1,000 characters or of several lines. Otherwise as [`Self::cancel`].
    pub async fn cancel_because(&self, job_id: JobId, reason: Option<String>) -> Result<CrawlJob> {
        self.repository.apply_to_job(job_id, JobEvent::Cancel { reason }, &self.actor).await
    }

    /// Hides the job at once, then removes its chunks. A crash in between loses nothing: the duties go on.
    /// Output stays.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete(&self, job_id: JobId) -> Result<()> {
        self.repository.delete_job(job_id, &self.actor).await?;
        while self.repository.purge_step().await? {}
        Ok(())
    }

    /// Puts every failed chunk of a job back to pending, each with a fresh retry budget. Answers how many.
    ///
    /// # Errors
    /// Not found.
    pub async fn retry(&self, job_id: JobId) -> Result<u64> {
        let mut retried = 0;
        loop {
            let failed = self
                .repository
                .list_chunks(job_id, Some(JobChunkStatus::Failed), PageRequest::largest())
                .await?;
            let events: Vec<_> = failed.items.iter().map(|chunk| (chunk.id, Event::Retry)).collect();
            let answers = self.repository.apply(events, &self.actor).await?;
            let put_back = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
            retried += put_back;
            // Chunks that others put back meanwhile are conflicts; a page of nothing else is the end.
            if failed.next.is_none() || put_back == 0 {
                return Ok(retried);
            }
        }
    }

    /// Checks that the job's chunks cover its images exactly, that leases fit, and that counters are true.
    ///
    /// # Errors
    /// Not found.
    pub async fn verify(&self, job_id: JobId) -> Result<JobVerdict> {
        self.repository.verify_job(job_id).await
    }

    /// Sets the job's counters to a fresh count of its chunks.
    ///
    /// # Errors
    /// Not found.
    pub async fn repair(&self, job_id: JobId) -> Result<CrawlJob> {
        self.repository.repair_counters(job_id, &self.actor).await
    }

    /// The audit trail, newest first.
    ///
    /// # Errors
    /// The database's only.
    pub async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
        self.repository.list_activity(filter, page).await
    }
}
