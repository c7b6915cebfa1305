//! What is asked of tokens.

use serde::{Deserialize, Serialize};

/// A token to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// The actor of what is done with it: letters, digits, `.`, `_` and `-`. No other token may have or have had it.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9._-]+$"))]
    pub name: String,
    /// viewer, worker, operator or admin.
    #[cfg_attr(feature = "openapi", schema(value_type = ream_core::Role))]
    pub role: String,
    /// How long it is good, in seconds; null for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 3_153_600_000_i64))]
    pub expires_in_s: Option<i64>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken<T> {
    /// What is kept of it.
    #[serde(flatten)]
    pub stored: T,
    /// The token itself, for `Authorization: Bearer`. Shown once.
    pub token: String,
}
