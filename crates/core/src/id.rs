//! Identifiers: 64-bit from the API to the column.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number as it stands in the database or the API.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The bare number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A crawl job. Given by the database, never reused. A number without a job is not found, not invalid.
    JobId
}
id! {
    /// A chunk. Given by the database, never reused: an old id can never name a new chunk.
    ChunkId
}

id! {
    /// A token. Given by the database, never reused.
    TokenId
}

/// How often a chunk was started: the fencing token. Grows by one at each start and never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attempt(i64);

impl Attempt {
    /// The attempt of a chunk that was never started.
    pub const NEVER: Self = Self(0);

    /// Wraps a number as it stands in the database or the API.
    pub const fn new(attempt: i64) -> Self {
        Self(attempt)
    }

    /// The bare number.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The attempt of the next start.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl From<i64> for Attempt {
    fn from(attempt: i64) -> Self {
        Self(attempt)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who works on a chunk: a Celery task id, or a worker's name and incarnation. 1 to 255 characters, none of
/// them a control character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"))]
pub struct TaskId(String);

impl TaskId {
    /// The width of the column `task_id`.
    pub const MAX_CHARS: usize = 255;

    /// # Errors
    /// Validation: empty, longer than 255 characters, or with control characters.
    pub fn new(task_id: impl Into<String>) -> Result<Self> {
        let task_id = task_id.into();
        check_text("task_id", &task_id, Self::MAX_CHARS)?;
        Ok(Self(task_id))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A short text of a single line: not empty, at most `max_chars` characters, no control characters.
///
/// # Errors
/// Validation, naming `field`.
pub fn check_text(field: &str, text: &str, max_chars: usize) -> Result<()> {
    let chars = text.chars().count();
    if chars == 0 || chars > max_chars {
        return Err(Error::invalid(
            field,
            format!("{chars} characters long"),
            format!("1 to {max_chars} characters"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, format!("{text:?}"), "text without control characters"));
    }
    Ok(())
}

impl TryFrom<String> for TaskId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<TaskId> for String {
    fn from(task_id: TaskId) -> Self {
        task_id.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
