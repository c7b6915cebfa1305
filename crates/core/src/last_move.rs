//! How a chunk came to its status: lets a repeated call get the same answer again.

use serde::{Deserialize, Serialize};

/// The last change of a chunk's status, and on whose word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum LastMove {
    /// None yet.
    Created,
    /// By a claim or by `mark_chunk_processing`.
    Started,
    /// By who held the lease.
    CompletedByHolder,
    /// By an unfenced word.
    CompletedByOperator,
    /// By who held the lease.
    FailedByHolder,
    /// By an unfenced word.
    FailedByOperator,
    /// Lease or timeout over.
    Expired,
    /// By who held the lease.
    Released,
    /// By an unfenced word.
    ReleasedByOperator,
    /// By hand or by policy.
    Retried,
}

impl LastMove {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Created,
        Self::Started,
        Self::CompletedByHolder,
        Self::CompletedByOperator,
        Self::FailedByHolder,
        Self::FailedByOperator,
        Self::Expired,
        Self::Released,
        Self::ReleasedByOperator,
        Self::Retried,
    ];

    /// The word in SQL and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::CompletedByHolder => "completed_by_holder",
            Self::CompletedByOperator => "completed_by_operator",
            Self::FailedByHolder => "failed_by_holder",
            Self::FailedByOperator => "failed_by_operator",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::ReleasedByOperator => "released_by_operator",
            Self::Retried => "retried",
        }
    }

    /// Reads [`Self::as_str`] back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|last_move| last_move.as_str() == text)
    }
}
