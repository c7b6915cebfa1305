//! What a crawl job is, and how its status follows from its counters.

use crate::id::{JobId, TaskId};
use crate::job_document::JobDocument;
use crate::policy::Policy;
use crate::priority::Priority;
use crate::throughput::Throughput;
use crate::timestamp::Timestamp;
use crate::words::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest name of a job, in characters.
pub const MAX_NAME_CHARS: usize = 255;

/// The longest dataset of a job, in characters.
pub const MAX_DATASET_CHARS: usize = 4096;

/// The largest recipe of a job, in bytes of its JSON.
pub const MAX_RECIPE_BYTES: usize = 16 * 1024;

/// The most task ids that [`CrawlJob::task_ids`] lists.
pub const MAX_TASK_IDS: usize = 1000;

words! {
    /// Where a job stands; computed when read.
    CrawlJobStatus, "status" {
        /// Nothing was ever started.
        Pending = "pending",
        /// Chunks run, wait, or will be retried by the service.
        Running = "running",
        /// No chunk starts until it is resumed; running ones may finish.
        Paused = "paused",
        /// Every chunk is completed.
        Completed = "completed",
        /// Nothing runs or waits, and some chunks failed for good.
        Failed = "failed",
        /// Ended by an operator or by its deadline; final.
        Cancelled = "cancelled",
    }
}

words! {
    /// Who processes a job's chunks.
    Executor, "executor" {
        /// Ream's own workers: the job has an image list, or a dataset that a list will be uploaded to.
        Ream = "ream",
        /// Celery workers, through a broker.
        Celery = "celery",
        /// Whoever calls the service.
        External = "external",
    }
}

/// Whether chunks of a job may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum JobGate {
    /// They may.
    Open,
    /// Not now; running ones may finish.
    Paused,
    /// Never again; running ones should be released.
    Cancelled,
}

impl JobGate {
    /// The word in SQL and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Paused, Self::Cancelled].into_iter().find(|gate| gate.as_str() == text)
    }
}

/// A job's chunks by status, true at every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counters {
    /// All chunks; 0 before they are created.
    pub total_chunks: i64,
    /// Processing now.
    pub active_chunks: i64,
    /// Completed.
    pub completed_chunks: i64,
    /// Failed.
    pub failed_chunks: i64,
    /// Of the failed ones, those that the service will put back by itself.
    pub awaiting_retry_chunks: i64,
    /// Images of the completed chunks.
    pub completed_images: i64,
}

impl Counters {
    /// Waiting to be started.
    pub const fn pending_chunks(&self) -> i64 {
        self.total_chunks - self.active_chunks - self.completed_chunks - self.failed_chunks
    }

    /// Those that have not ended: pending, processing, or failed and to be put back by the service.
    pub const fn unfinished_chunks(&self) -> i64 {
        self.total_chunks - self.completed_chunks - self.failed_chunks + self.awaiting_retry_chunks
    }

    /// Every counter with its column's name.
    pub const fn named(&self) -> [(&'static str, i64); 6] {
        [
            ("total_chunks", self.total_chunks),
            ("active_chunks", self.active_chunks),
            ("completed_chunks", self.completed_chunks),
            ("failed_chunks", self.failed_chunks),
            ("awaiting_retry_chunks", self.awaiting_retry_chunks),
            ("completed_images", self.completed_images),
        ]
    }

    /// The counters before `delta`.
    #[must_use]
    pub const fn minus(self, delta: Self) -> Self {
        self.plus(Self {
            total_chunks: -delta.total_chunks,
            active_chunks: -delta.active_chunks,
            completed_chunks: -delta.completed_chunks,
            failed_chunks: -delta.failed_chunks,
            awaiting_retry_chunks: -delta.awaiting_retry_chunks,
            completed_images: -delta.completed_images,
        })
    }

    /// The counters after `delta`.
    #[must_use]
    pub const fn plus(self, delta: Self) -> Self {
        Self {
            total_chunks: self.total_chunks + delta.total_chunks,
            active_chunks: self.active_chunks + delta.active_chunks,
            completed_chunks: self.completed_chunks + delta.completed_chunks,
            failed_chunks: self.failed_chunks + delta.failed_chunks,
            awaiting_retry_chunks: self.awaiting_retry_chunks + delta.awaiting_retry_chunks,
            completed_images: self.completed_images + delta.completed_images,
        }
    }
}

/// The one rule for a job's status.
pub const fn job_status(gate: JobGate, ever_started: bool, counters: &Counters) -> CrawlJobStatus {
    let open = counters.pending_chunks() + counters.active_chunks;
    match gate {
        JobGate::Cancelled => CrawlJobStatus::Cancelled,
        JobGate::Paused => CrawlJobStatus::Paused,
        JobGate::Open if counters.total_chunks > 0 && counters.completed_chunks == counters.total_chunks => {
            CrawlJobStatus::Completed
        }
        JobGate::Open if open == 0 && counters.failed_chunks > 0 && counters.awaiting_retry_chunks == 0 => {
            CrawlJobStatus::Failed
        }
        JobGate::Open if !ever_started && counters.completed_chunks + counters.failed_chunks == 0 => {
            CrawlJobStatus::Pending
        }
        JobGate::Open => CrawlJobStatus::Running,
    }
}

/// N images to fetch, numbered 0 to N−1, with a priority and a policy. In JSON it is a [`JobDocument`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "JobDocument", try_from = "JobDocument")]
pub struct CrawlJob {
    /// Given by the database.
    pub id: JobId,
    /// For people; need not be unique.
    pub name: String,
    /// Whether its chunks may start.
    pub gate: JobGate,
    /// Decides between jobs.
    pub priority: Priority,
    /// N; `None` until it is known.
    pub max_images: Option<u64>,
    /// Images per chunk.
    pub chunk_size: u64,
    /// Who processes its chunks.
    pub executor: Executor,
    /// Where the parts of its image list lie, where it has one.
    pub image_list: Option<String>,
    /// Where its output goes: a URL or path that no other job has.
    pub dataset: Option<String>,
    /// What is made of its images, a JSON object; nothing below the workers looks inside.
    pub recipe: Option<Value>,
    /// Time limits and retries.
    pub policy: Policy,
    /// Its chunks by status.
    pub counters: Counters,
    /// How fast it goes.
    pub throughput: Throughput,
    /// Task ids of the chunks processing now, at most [`MAX_TASK_IDS`], in the order of their images. Empty in
    /// lists of jobs.
    pub task_ids: Vec<TaskId>,
    /// Set once.
    pub created_at: Timestamp,
    /// Set by every write to the job's own row.
    pub updated_at: Timestamp,
    /// When the first chunk was started.
    pub started_at: Option<Timestamp>,
    /// When the end was noticed and announced; taken back when a chunk is retried.
    pub ended_at: Option<Timestamp>,
    /// When the job is cancelled if it has not ended.
    pub deadline_at: Option<Timestamp>,
}

impl CrawlJob {
    /// Whether every chunk is completed, be it paused or cancelled.
    pub const fn is_done(&self) -> bool {
        self.counters.total_chunks > 0 && self.counters.completed_chunks == self.counters.total_chunks
    }

    /// Where the job stands.
    pub const fn status(&self) -> CrawlJobStatus {
        job_status(self.gate, self.started_at.is_some(), &self.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(total: i64, active: i64, completed: i64, failed: i64, awaiting: i64) -> CrawlJobStatus {
        let counters = Counters {
            total_chunks: total,
            active_chunks: active,
            completed_chunks: completed,
            failed_chunks: failed,
            awaiting_retry_chunks: awaiting,
            completed_images: 0,
        };
        job_status(JobGate::Open, true, &counters)
    }

    #[test]
    fn a_job_is_running_while_anything_can_still_happen() {
        assert_eq!(status(5, 0, 4, 0, 0), CrawlJobStatus::Running);
        assert_eq!(status(5, 1, 4, 0, 0), CrawlJobStatus::Running);
        assert_eq!(status(5, 0, 4, 1, 1), CrawlJobStatus::Running);
        assert_eq!(status(5, 0, 4, 1, 0), CrawlJobStatus::Failed);
        assert_eq!(status(5, 0, 5, 0, 0), CrawlJobStatus::Completed);
    }

    #[test]
    fn a_job_without_chunks_is_pending_not_completed() {
        assert_eq!(job_status(JobGate::Open, false, &Counters::default()), CrawlJobStatus::Pending);
    }

    #[test]
    fn cancelled_counts_before_paused_and_both_before_the_counters() {
        let done = Counters { total_chunks: 1, completed_chunks: 1, ..Counters::default() };
        assert_eq!(job_status(JobGate::Cancelled, true, &done), CrawlJobStatus::Cancelled);
        assert_eq!(job_status(JobGate::Paused, true, &done), CrawlJobStatus::Paused);
        assert_eq!(job_status(JobGate::Open, true, &done), CrawlJobStatus::Completed);
    }
}
