//! What all scenarios share: the cluster, sizes, and databases to copy.

use super::cluster::{Cluster, Database};
use super::statements;
use crate::{Result, machine};
use ream::{CHUNK_SIZE, CrawlJobService, JobChunkRepository, JobChunkingService, JobId, NewCrawlJob};
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Chunks of the largest job, those of 5.85 billion images.
const FULL_CHUNKS: u64 = 11_700_000;

/// The scene of all scenarios.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    pub(crate) runtime: Runtime,
    pub(crate) full: bool,
    pub(crate) statements: bool,
    /// How long a side should take where it takes as long as one likes.
    pub(crate) seconds: f64,
    runs: Option<u32>,
    at_most: Option<u64>,
    load_before: String,
}

/// What a scene is asked for.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    /// For the cluster, instead of the system's temporary folder.
    pub(crate) dir: Option<&'a Path>,
    pub(crate) full: bool,
    /// Whether the cluster counts what statements cost.
    pub(crate) statements: bool,
    pub(crate) seconds: f64,
    /// Rounds, instead of as many as is usual.
    pub(crate) runs: Option<u32>,
    /// Chunks at most.
    pub(crate) at_most: Option<u64>,
}

impl Scene {
    pub(crate) fn set(wishes: &Wishes<'_>) -> Result<Self> {
        let further: &[_] = if wishes.statements { &statements::SETTINGS } else { &[] };
        Ok(Self {
            load_before: machine::load(),
            cluster: Cluster::start(wishes.dir, further)?,
            runtime: Runtime::new()?,
            full: wishes.full,
            statements: wishes.statements,
            seconds: wishes.seconds,
            runs: wishes.runs,
            at_most: wishes.at_most,
        })
    }

    /// So many chunks, or fewer where the bench itself is tried.
    pub(crate) fn chunks(&self, usual: u64) -> u64 {
        self.at_most.map_or(usual, |at_most| at_most.min(usual))
    }

    /// Chunks of a job that is only looked at.
    pub(crate) fn large_job(&self, usual: u64) -> u64 {
        self.chunks(if self.full { FULL_CHUNKS } else { usual })
    }

    /// Rounds, where a scenario usually has so many.
    pub(crate) fn runs(&self, usual: u32) -> u32 {
        self.runs.unwrap_or(usual)
    }

    pub(crate) fn facts(&self) -> Result<Vec<String>> {
        let mut facts = vec![format!("before   load {}", self.load_before)];
        facts.extend(self.cluster.facts()?);
        Ok(facts)
    }

    /// An empty database with the schema.
    pub(crate) fn with_schema(&self) -> Result<Database<'_>> {
        let database = self.cluster.empty()?;
        drop(super::work::open(&self.runtime, &database.url(), 1)?);
        Ok(database)
    }

    /// A database to copy: `jobs` jobs of so many chunks each, with fresh statistics.
    pub(crate) fn template(&self, jobs: u64, chunks: u64) -> Result<(Database<'_>, Vec<JobId>)> {
        let database = self.cluster.empty()?;
        let store = super::work::open(&self.runtime, &database.url(), 1)?;
        let mut ids = Vec::new();
        for _ in 0..jobs {
            ids.push(self.runtime.block_on(new_job(store.clone(), chunks))?);
        }
        drop(store);
        database.sql("VACUUM (ANALYZE)")?;
        Ok((database, ids))
    }
}

/// Creates a job with so many chunks.
pub(crate) async fn new_job(repository: Arc<dyn JobChunkRepository>, chunks: u64) -> Result<JobId> {
    let job = CrawlJobService::new(repository.clone()).create_crawl_job(NewCrawlJob::named("bench")).await?;
    let images = i64::try_from(chunks * CHUNK_SIZE)?;
    JobChunkingService::new(repository).create_chunks_for_job(job.id, images, None).await?;
    Ok(job.id)
}
