//! What is asked of one chunk.

use ream_core::outcome::ChunkProgress;
use ream_core::{Attempt, Outcome};
use serde::{Deserialize, Serialize};

/// `mark_chunk_processing`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Processing {
    /// The task that works on it.
    #[serde(default)]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub task_id: Option<String>,
}

/// `heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Heartbeat {
    /// The holder's.
    pub attempt: Attempt,
    /// How far it has come.
    #[serde(default)]
    pub progress: Option<ChunkProgress>,
}

/// `mark_chunk_completed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Completed {
    /// The holder's; without one the word is an operator's.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// What came out.
    #[serde(default)]
    pub outcome: Option<Outcome>,
}

/// `mark_chunk_failed`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Failed {
    /// The holder's; without one the word is an operator's.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// Why.
    #[serde(default)]
    pub error_message: Option<String>,
}

/// `release`, and noting that output has its final names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OfAttempt {
    /// The holder's.
    pub attempt: Attempt,
}

/// `split_chunk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Split {
    /// Into how many parts, 2 or more and no more than the chunk has images.
    #[cfg_attr(feature = "openapi", schema(minimum = 2, maximum = 1000))]
    pub parts: i64,
}

/// `update_chunk_status`, `set_priority`, or both in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChunkPatch {
    /// pending, processing, completed or failed: the call of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ream_core::JobChunkStatus>))]
    pub status: Option<String>,
    /// With `failed`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// With `processing`: the task that works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")
    )]
    pub task_id: Option<String>,
    /// 0 to 10: the chunk's place within its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 10))]
    pub priority: Option<i64>,
}
