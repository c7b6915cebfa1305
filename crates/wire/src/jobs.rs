//! What is asked of jobs.

use ream_core::PolicyPatch;
use ream_core::Timestamp;
use ream_core::job_document::JobDocument;
use ream_core::policy::PolicyFields;
use serde::{Deserialize, Serialize};

/// `create_crawl_job`. What is left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewJob {
    /// For people; need not be unique.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub name: String,
    /// How many images it has, where there is no image list to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub max_images: Option<i64>,
    /// 0 to 10, higher is more urgent. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 10))]
    pub priority: Option<i64>,
    /// Images per chunk. Default 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000))]
    pub chunk_size: Option<i64>,
    /// Who processes the chunks: `ream`, `celery` or `external`. Default: `ream` with a dataset, `external` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ream_core::Executor>))]
    pub executor: Option<String>,
    /// Where images go: a name below the server's storage, or a URL that lies there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub dataset: Option<String>,
    /// What is made of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub recipe: Option<serde_json::Value>,
    /// Time limits and retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyFields>,
}

/// A job, and when it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobRead {
    /// As it stood then.
    #[serde(flatten)]
    pub job: JobDocument,
    /// By the database's clock.
    pub read_at: Timestamp,
}

/// `update`: what is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobPatch {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub name: Option<String>,
    /// Only before chunks are created, and not with an image list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub max_images: Option<i64>,
    /// 0 to 10; the chunks follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 10))]
    pub priority: Option<i64>,
    /// What to change of the policy; the rest stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyPatch>,
}

/// `create_chunks_for_job`, or with `chunks` `bulk_create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewChunks {
    /// How many images the job has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub max_images: Option<i64>,
    /// 0 to 10: becomes the job's and its chunks'. Without one, the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 10))]
    pub priority: Option<i64>,
    /// Exactly these chunks instead: an exact cover of the images from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Vec<NewChunk>>,
}

/// One chunk of `bulk_create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewChunk {
    /// Unique within the job.
    pub chunk_index: u64,
    /// The images it is about.
    pub image_range: ream_core::ImageRange,
    /// The job's where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 10))]
    pub priority: Option<i64>,
}

/// The chunks of a job, after they were created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedChunks {
    /// The job.
    pub job_id: i64,
    /// How many there are; read them by page.
    pub total_chunks: u64,
    /// Whether this call created them.
    pub created: bool,
}

/// `update_job_chunk_tracking`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tracking {
    /// Counted already by the transition that it is about.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = -600_000_000, maximum = 600_000_000))]
    pub active_delta: i64,
    /// Likewise.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = -600_000_000, maximum = 600_000_000))]
    pub completed_delta: i64,
    /// Likewise.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = -600_000_000, maximum = 600_000_000))]
    pub failed_delta: i64,
}

/// Puts failed chunks back: `{}` every one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retry {}

/// How many chunks were put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Retried {
    /// Failed chunks that are pending now.
    pub retried_chunks: u64,
}

/// `check_job_completion`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Completion {
    /// The job.
    pub job_id: i64,
    /// Whether every chunk is completed; false without chunks.
    pub is_complete: bool,
}

/// What a list that was sent in held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListTaken {
    /// The job.
    pub job_id: i64,
    /// Rows that became images.
    pub accepted: u64,
    /// Rows without an image number; the dataset's `_ream/list/rejects.jsonl` says why.
    pub rejected: u64,
    /// Of the list as it came.
    pub sha256: String,
}

/// `cancel`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancel {
    /// Why, for the activity log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 1000, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub reason: Option<String>,
}

/// One image of a job's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Image {
    /// Its number within the job, from 0.
    pub number: u64,
    /// As the list has it.
    pub url: String,
    /// Where the list has one.
    pub caption: Option<String>,
    /// That the file must have, in hexadecimal.
    pub sha256: Option<String>,
    /// The list's file.
    pub source_file: String,
    /// The row's line there, from 1.
    pub source_line: u64,
    /// The columns that go through to the output.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub columns: serde_json::Map<String, serde_json::Value>,
}
