//! How urgent a job or chunk is.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// 0 to 10, higher is more urgent, 5 where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = i64, minimum = 0, maximum = 10))]
pub struct Priority(u8);

impl Priority {
    /// The most urgent priority. Together with zero, the one home of the range.
    pub const MAX: Self = Self(10);
    /// What a job has where nothing is said.
    pub const DEFAULT: Self = Self(5);

    /// # Errors
    /// Validation: outside 0 to 10.
    pub fn new(priority: i64) -> Result<Self> {
        match u8::try_from(priority) {
            Ok(p) if p <= Self::MAX.0 => Ok(Self(p)),
            _ => Err(Error::invalid("priority", priority, format!("0 to {}", Self::MAX))),
        }
    }

    /// The bare number.
    pub const fn get(self) -> i64 {
        self.0 as i64
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<i64> for Priority {
    type Error = Error;

    fn try_from(priority: i64) -> Result<Self> {
        Self::new(priority)
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> Self {
        priority.get()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
