//! The two services on a SQLite database of their own.
// Each test binary uses a part of it.
#![allow(dead_code)]

use ream::{
    ClaimRequest, ClaimedChunk, CrawlJobService, JobChunk, JobChunkRepository, JobChunkingService, JobId,
    NewCrawlJob, Result, SqliteOptions, SqliteStore, TaskId,
};
use std::fmt::Debug;
use std::sync::Arc;

pub(crate) struct Services {
    pub(crate) service: JobChunkingService,
    pub(crate) jobs: CrawlJobService,
    folder: tempfile::TempDir,
}

impl Services {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&SqliteOptions::new(folder.path().join("ream.db"))).unwrap();
        let repository: Arc<dyn JobChunkRepository> = Arc::new(store);
        let jobs = CrawlJobService::new(repository.clone());
        Self { service: JobChunkingService::new(repository), jobs, folder }
    }

    /// A job as the spec's callers have it: without a list, with the default chunk size.
    pub(crate) async fn job(&self) -> JobId {
        self.jobs.create_crawl_job(NewCrawlJob::named("job")).await.unwrap().id
    }

    /// A job with the chunks for so many images.
    pub(crate) async fn chunked(&self, max_images: i64) -> (JobId, Vec<JobChunk>) {
        let job_id = self.job().await;
        let chunks = self.service.create_chunks_for_job(job_id, max_images, None).await.unwrap();
        (job_id, chunks.to_vec().await.unwrap())
    }

    pub(crate) async fn claim(&self, worker: &str, limit: u32) -> Vec<ClaimedChunk> {
        self.service.claim(ClaimRequest::new(TaskId::new(worker).unwrap(), limit)).await.unwrap()
    }

    /// Lets seconds pass, for the database.
    pub(crate) fn pass_s(&self, seconds: i64) {
        let conn = rusqlite::Connection::open(self.folder.path().join("ream.db")).unwrap();
        conn.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
        conn.execute("UPDATE clock SET shift_ms = shift_ms + ?1 * 1000", [seconds]).unwrap();
    }

    /// What was done to a job, oldest first.
    pub(crate) async fn actions(&self, job_id: JobId) -> Vec<&'static str> {
        let filter = ream::ActivityFilter { job_id: Some(job_id), ..ream::ActivityFilter::default() };
        let rows = self.jobs.list_activity(filter, ream::PageRequest::largest()).await.unwrap().items;
        rows.iter().rev().map(|row| row.action.as_str()).collect()
    }
}

/// The code of a refusal.
#[track_caller]
pub(crate) fn refusal<T>(result: Result<T>) -> &'static str {
    match result {
        Ok(_) => panic!("should have been refused"),
        Err(error) => error.code(),
    }
}

/// The fields that a validation error names.
#[track_caller]
pub(crate) fn faults<T: Debug>(result: Result<T>) -> Vec<String> {
    match result {
        Err(ream::Error::Validation { errors }) => errors.into_iter().map(|error| error.field).collect(),
        other => panic!("no validation error: {other:?}"),
    }
}
