//! What is kept of a token, and may be seen.

use crate::id::TokenId;
use crate::role::Role;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// A token as anybody may see it: nothing of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Given by the database, never again.
    pub id: TokenId,
    /// What its bearer is called in the activity log. No other token ever has it.
    pub name: String,
    /// What it may be used for.
    pub role: Role,
    /// Set once.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// From here on it is worth nothing; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// Since when it is worth nothing because somebody said so.
    pub revoked_at: Option<Timestamp>,
    /// By whom.
    pub revoked_by: Option<String>,
}

impl Token {
    /// Whether it is worth something at this moment, by the database's clock.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}
