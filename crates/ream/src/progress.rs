//! How far a job has come, from its counters alone.

use ream_core::job::Counters;
use ream_core::{CrawlJob, CrawlJobStatus, JobId, Timestamp};

/// A job's chunks by status.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobChunkStatistics {
    /// The job.
    pub job_id: JobId,
    /// All chunks.
    pub total: i64,
    /// Waiting to be started.
    pub pending: i64,
    /// Being worked on.
    pub processing: i64,
    /// Done.
    pub completed: i64,
    /// Given up.
    pub failed: i64,
    /// Completed of all, 0 to 100; 0 without chunks.
    pub completion_percentage: f64,
    /// Completed of completed and failed, 0 to 100; 0 while there is neither.
    pub success_rate: f64,
}

impl From<&CrawlJob> for JobChunkStatistics {
    fn from(job: &CrawlJob) -> Self {
        let c = &job.counters;
        Self {
            job_id: job.id,
            total: c.total_chunks,
            pending: c.pending_chunks(),
            processing: c.active_chunks,
            completed: c.completed_chunks,
            failed: c.failed_chunks,
            completion_percentage: percentage(c.completed_chunks, c.total_chunks),
            success_rate: success_rate(c),
        }
    }
}

/// How far a job has come and how fast it goes.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobChunkProgress {
    /// The job.
    pub job_id: JobId,
    /// All chunks.
    pub total_chunks: i64,
    /// Waiting to be started.
    pub pending_chunks: i64,
    /// Being worked on.
    pub processing_chunks: i64,
    /// Done.
    pub completed_chunks: i64,
    /// Given up.
    pub failed_chunks: i64,
    /// Completed of all, 0 to 100; 0 without chunks.
    pub completion_percentage: f64,
    /// Whether every chunk is completed; false without chunks.
    pub is_complete: bool,
    /// When this was read, by the database's clock.
    pub timestamp: Timestamp,
    /// Completed of completed and failed, 0 to 100; 0 while there is neither.
    pub success_rate: f64,
    /// Images of completed chunks per second over the last one to two minutes; `None` before the first.
    pub images_per_second: Option<f64>,
    /// When the last image will be done at this rate; `None` when there is no telling
    /// or the job is not running.
    pub eta: Option<Timestamp>,
}

impl JobChunkProgress {
    /// Of a job as it was read at `now`, by the database's clock.
    pub fn new(job: &CrawlJob, now: Timestamp) -> Self {
        let c = &job.counters;
        let is_complete = is_complete(c);
        let images_per_second = job.throughput.images_per_second(now);
        let eta = match (images_per_second, job.max_images) {
            (Some(rate), Some(images)) if rate > 0.0 && job.status() == CrawlJobStatus::Running => {
                let left = images.saturating_sub(c.completed_images.unsigned_abs());
                // A float beyond the range becomes the largest integer, which is what is meant.
                Some(now.plus_ms((left as f64 / rate * 1000.0) as i64))
            }
            _ => None,
        };
        Self {
            job_id: job.id,
            total_chunks: c.total_chunks,
            pending_chunks: c.pending_chunks(),
            processing_chunks: c.active_chunks,
            completed_chunks: c.completed_chunks,
            failed_chunks: c.failed_chunks,
            completion_percentage: percentage(c.completed_chunks, c.total_chunks),
            is_complete,
            timestamp: now,
            success_rate: success_rate(c),
            images_per_second,
            eta,
        }
    }
}

pub(crate) const fn is_complete(counters: &Counters) -> bool {
    counters.total_chunks > 0 && counters.completed_chunks == counters.total_chunks
}

fn success_rate(counters: &Counters) -> f64 {
    percentage(counters.completed_chunks, counters.completed_chunks + counters.failed_chunks)
}

fn percentage(part: i64, whole: i64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}
