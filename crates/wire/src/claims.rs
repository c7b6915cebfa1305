//! Taking chunks, and telling of several at once.

use crate::problem::Problem;
use ream_core::chunk_document::ChunkDocument;
use ream_core::outcome::ChunkProgress;
use ream_core::{Advice, Attempt, ChunkId, JobGate, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

/// Who wants how many chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Claim {
    /// The worker's name and incarnation: the task id of the chunks it is given.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub worker: String,
    /// Only chunks of this job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<i64>,
    /// Only chunks of jobs with this executor: `ream`, `celery` or `external`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ream_core::Executor>))]
    pub executor: Option<String>,
    /// At most so many.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1000, default = 1))]
    pub limit: i64,
    /// How long to wait for a chunk where there is none, in seconds.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 60, default = 0))]
    pub wait_s: f64,
}

impl Claim {
    /// The longest `wait_s`.
    pub const MAX_WAIT_S: f64 = 60.0;
}

const fn one() -> i64 {
    1
}

/// A chunk that the caller now holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClaimedChunk {
    /// As it stands after the start.
    #[serde(flatten)]
    pub chunk: ChunkDocument,
    /// How long it is held without a heartbeat, in milliseconds. Count from before the claim was sent.
    pub lease_duration_ms: i64,
    /// How often a heartbeat should come, in milliseconds.
    pub heartbeat_interval_ms: i64,
    /// How long the attempt may take, however many heartbeats come, in milliseconds.
    pub chunk_timeout_ms: i64,
    /// Where its images are told, if its job has an image list.
    pub images: String,
}

/// A chunk is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompletionItem {
    /// Which.
    pub chunk_id: ChunkId,
    /// The holder's; without one the word is an operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// The holder still works on a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatItem {
    /// Which.
    pub chunk_id: ChunkId,
    /// The holder's.
    pub attempt: Attempt,
    /// How far it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ChunkProgress>,
}

/// The answer about one chunk of several: as it stands now, or what is the matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CompletionAnswer {
    /// Which.
    pub chunk_id: ChunkId,
    /// As it stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<ChunkDocument>,
    /// Why nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// What a holder hears back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeartbeatAnswer {
    /// How long the lease holds now, by the database's clock.
    pub lease_expires_at: Timestamp,
    /// Whether to go on.
    pub action: Advice,
    /// Why to stop, or what else to know.
    pub reason: Option<String>,
    /// The image before which to stop, where the rest of the chunk is wanted elsewhere.
    pub stop_before: Option<u64>,
    /// Whether chunks of the job may start.
    pub gate: JobGate,
    /// As it stands now.
    pub chunk: ChunkDocument,
}

/// The answer about one heartbeat of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatAnswerItem {
    /// Which.
    pub chunk_id: ChunkId,
    /// What the holder hears.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<HeartbeatAnswer>,
    /// Why nothing was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// The two forms of a [`HeartbeatAnswerItem`], as the OpenAPI document has them.
#[cfg(feature = "openapi")]
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
#[schema(as = HeartbeatAnswerItem)]
pub enum HeartbeatAnswerForm {
    /// The lease is kept.
    Kept(Box<HeartbeatKept>),
    /// Nothing was done.
    Refused(HeartbeatRefused),
}

/// What a holder hears about one chunk of several.
#[cfg(feature = "openapi")]
#[derive(Serialize, utoipa::ToSchema)]
pub struct HeartbeatKept {
    /// Which.
    pub chunk_id: ChunkId,
    /// What the holder hears.
    #[serde(flatten)]
    pub answer: HeartbeatAnswer,
}

/// Why a lease was not kept.
#[cfg(feature = "openapi")]
#[derive(Serialize, utoipa::ToSchema)]
pub struct HeartbeatRefused {
    /// Which.
    pub chunk_id: ChunkId,
    /// Why nothing was done.
    pub error: Problem,
}
