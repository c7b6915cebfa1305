//! Keyset pages: as fast at the end of millions of rows as at the beginning, and sound while rows change.

use ream_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Where the next page begins. Opaque to callers: hand it back as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(crate) i64);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after-{}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.strip_prefix("after-").and_then(|number| number.parse().ok()).map(Self).ok_or_else(|| {
            Error::invalid("cursor", format!("{text:?}"), "the `next` of the page before, as it came")
        })
    }
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    cursor: Option<Cursor>,
}

impl PageRequest {
    /// Rows per page where nothing is said.
    pub const DEFAULT_LIMIT: u32 = 100;
    /// The most rows of one page.
    pub const MAX_LIMIT: u32 = 1000;

    /// # Errors
    /// Validation: `limit` outside 1 to [`Self::MAX_LIMIT`].
    pub fn new(limit: i64, cursor: Option<Cursor>) -> Result<Self> {
        match u32::try_from(limit) {
            Ok(limit) if (1..=Self::MAX_LIMIT).contains(&limit) => Ok(Self { limit, cursor }),
            _ => Err(Error::invalid("limit", limit, format!("1 to {}", Self::MAX_LIMIT))),
        }
    }

    /// The first page of the largest size.
    pub const fn largest() -> Self {
        Self { limit: Self::MAX_LIMIT, cursor: None }
    }

    /// The page of the same size that begins at `cursor`.
    #[must_use]
    pub const fn at(self, cursor: Option<Cursor>) -> Self {
        Self { limit: self.limit, cursor }
    }

    /// Rows per page.
    pub const fn limit(self) -> u32 {
        self.limit
    }

    /// Where the page begins; `None` for the first.
    pub const fn cursor(self) -> Option<Cursor> {
        self.cursor
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self { limit: Self::DEFAULT_LIMIT, cursor: None }
    }
}

/// Some rows, and where the next ones begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// At most as many as asked for.
    pub items: Vec<T>,
    /// `None` after the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` rows: one more than asked for tells that there is a next page.
    pub(crate) fn cut(mut items: Vec<T>, page: PageRequest, key: impl Fn(&T) -> i64) -> Self {
        let limit = page.limit() as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(|last| Cursor(key(last))) } else { None };
        Self { items, next }
    }
}
