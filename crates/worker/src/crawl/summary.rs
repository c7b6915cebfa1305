//! What came of a crawl, from what the chunks reported.

use super::error::CrawlError;
use super::folder::write_json;
use crate::claim::WorkerEnd;
use futures::TryStreamExt;
use ream::{CrawlJobStatus, ErrorClass, JobChunkStatus, JobChunkingService, JobId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The most failed chunks that a summary names.
const MAX_NAMED_FAILURES: usize = 20;

/// What a run knows that the database does not.
pub(super) struct Found {
    pub(super) rejected_rows: u64,
    pub(super) unpublished_chunks: u64,
    pub(super) ended: WorkerEnd,
}

/// A crawl's state at the end of a run; also the file `dataset.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrawlSummary {
    /// The job's status.
    pub status: CrawlJobStatus,
    /// Whether the run was stopped before the job ended.
    #[serde(skip)]
    pub stopped: bool,
    /// Images of the list.
    pub images: u64,
    /// Images stored.
    pub images_ok: u64,
    /// Images of completed chunks that failed, by class.
    pub images_failed: BTreeMap<ErrorClass, u64>,
    /// Rows of the list that were not taken.
    pub rejected_rows: u64,
    /// Bytes of the images stored.
    pub bytes: u64,
    /// All chunks.
    pub total_chunks: u64,
    /// Chunks completed.
    pub completed_chunks: u64,
    /// Of these, chunks whose output could not be given its final names.
    pub unpublished_chunks: u64,
    /// Chunks that failed.
    pub failed_chunks: u64,
    /// The first failed chunks with their errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedChunk>,
}

/// A chunk that could not be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedChunk {
    /// Which, within the job.
    pub chunk_index: u64,
    /// The last error.
    pub error: String,
}

impl CrawlSummary {
    pub(super) async fn read(
        service: &JobChunkingService,
        job_id: JobId,
        found: Found,
    ) -> Result<Self, CrawlError> {
        let (job, _) = service.repository().glance_at_job(job_id).await?;
        let mut summary = Self {
            status: job.status(),
            stopped: found.ended == WorkerEnd::Stopped,
            images: job.max_images.unwrap_or(0),
            images_ok: 0,
            images_failed: BTreeMap::new(),
            rejected_rows: found.rejected_rows,
            bytes: 0,
            total_chunks: job.counters.total_chunks.unsigned_abs(),
            completed_chunks: job.counters.completed_chunks.unsigned_abs(),
            unpublished_chunks: found.unpublished_chunks,
            failed_chunks: job.counters.failed_chunks.unsigned_abs(),
            failures: Vec::new(),
        };
        let mut chunks = std::pin::pin!(service.get_chunks_for_job(job_id).await?.stream());
        while let Some(chunk) = chunks.try_next().await? {
            if chunk.status() == JobChunkStatus::Failed && summary.failures.len() < MAX_NAMED_FAILURES {
                let error = chunk.error_message.unwrap_or_else(|| "no reason given".to_owned());
                summary.failures.push(FailedChunk { chunk_index: chunk.chunk_index, error });
            }
            let Some(outcome) = chunk.outcome else { continue };
            summary.images_ok += outcome.images_ok;
            summary.bytes += outcome.bytes;
            for (class, count) in outcome.images_failed {
                *summary.images_failed.entry(class).or_default() += count;
            }
        }
        Ok(summary)
    }

    /// Images that failed, all classes together.
    pub fn images_failed_total(&self) -> u64 {
        self.images_failed.values().sum()
    }

    /// Whether every chunk is completed and its output published.
    pub fn is_complete(&self) -> bool {
        self.status == CrawlJobStatus::Completed && self.unpublished_chunks == 0
    }

    pub(super) fn write(&self, dataset: &Path) -> Result<(), CrawlError> {
        write_json(&dataset.join("dataset.json"), self)
    }
}
