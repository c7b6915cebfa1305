//! The form of a job in JSON: all of a job, so that one that was read from afar is the one that was stored.

use crate::error::Error;
use crate::id::{JobId, TaskId};
use crate::job::{Counters, CrawlJob, CrawlJobStatus, Executor, JobGate};
use crate::policy::Policy;
use crate::priority::Priority;
use crate::throughput::Throughput;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A job, column by column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CrawlJob))]
pub struct JobDocument {
    /// Given by the database.
    pub id: JobId,
    /// For people; need not be unique.
    pub name: String,
    /// Where it stands.
    pub status: CrawlJobStatus,
    /// 0 to 10, higher is more urgent.
    pub priority: Priority,
    /// How many images it has; null until it is known.
    pub max_images: Option<u64>,
    /// Images per chunk.
    pub chunk_size: u64,
    /// Who processes its chunks.
    pub executor: Executor,
    /// Where the parts of its image list lie, where it has one.
    pub image_list: Option<String>,
    /// Where its images go.
    pub dataset: Option<String>,
    /// What is made of its images.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub recipe: Option<Value>,
    /// Time limits and retries.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::policy::PolicyFields))]
    pub policy: Policy,
    /// All chunks; 0 before they are created.
    pub total_chunks: i64,
    /// Waiting to be started.
    pub pending_chunks: i64,
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
    /// How fast it goes.
    pub throughput: Throughput,
    /// Task ids of the chunks processing now, at most 1,000. Empty in lists of jobs.
    pub task_ids: Vec<TaskId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the job itself was last written.
    pub updated_at: Timestamp,
    /// When the first chunk was started.
    pub started_at: Option<Timestamp>,
    /// When the end was noticed and announced.
    pub ended_at: Option<Timestamp>,
    /// When it is cancelled if it has not ended.
    pub deadline_at: Option<Timestamp>,
}

impl From<CrawlJob> for JobDocument {
    fn from(job: CrawlJob) -> Self {
        Self {
            status: job.status(),
            pending_chunks: job.counters.pending_chunks(),
            id: job.id,
            name: job.name,
            priority: job.priority,
            max_images: job.max_images,
            chunk_size: job.chunk_size,
            executor: job.executor,
            image_list: job.image_list,
            dataset: job.dataset,
            recipe: job.recipe,
            policy: job.policy,
            total_chunks: job.counters.total_chunks,
            active_chunks: job.counters.active_chunks,
            completed_chunks: job.counters.completed_chunks,
            failed_chunks: job.counters.failed_chunks,
            awaiting_retry_chunks: job.counters.awaiting_retry_chunks,
            completed_images: job.counters.completed_images,
            throughput: job.throughput,
            task_ids: job.task_ids,
            created_at: job.created_at,
            updated_at: job.updated_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            deadline_at: job.deadline_at,
        }
    }
}

impl TryFrom<JobDocument> for CrawlJob {
    type Error = Error;

    fn try_from(document: JobDocument) -> Result<Self, Error> {
        // The status of a gate that is not open is the gate's.
        let gate = match document.status {
            CrawlJobStatus::Paused => JobGate::Paused,
            CrawlJobStatus::Cancelled => JobGate::Cancelled,
            _ => JobGate::Open,
        };
        Ok(Self {
            id: document.id,
            name: document.name,
            gate,
            priority: document.priority,
            max_images: document.max_images,
            chunk_size: document.chunk_size,
            executor: document.executor,
            image_list: document.image_list,
            dataset: document.dataset,
            recipe: document.recipe,
            policy: document.policy,
            counters: Counters {
                total_chunks: document.total_chunks,
                active_chunks: document.active_chunks,
                completed_chunks: document.completed_chunks,
                failed_chunks: document.failed_chunks,
                awaiting_retry_chunks: document.awaiting_retry_chunks,
                completed_images: document.completed_images,
            },
            throughput: document.throughput,
            task_ids: document.task_ids,
            created_at: document.created_at,
            updated_at: document.updated_at,
            started_at: document.started_at,
            ended_at: document.ended_at,
            deadline_at: document.deadline_at,
        })
    }
}
