//! Lists, a page at a time.

use serde::{Deserialize, Serialize};

/// Some of a list. Ask again with `next` as `cursor` for what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; null at the end.
    #[serde(default)]
    pub next: Option<String>,
}

/// Several things at once, asked or answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Items<T> {
    /// At most 1,000.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub items: Vec<T>,
}
