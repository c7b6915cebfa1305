//! Calls that are asked once: who lost the answer asks again with the same key, and hears of what was created then.
//!
//! A key is written with the ids of what was created, in the same transaction: either both are there or neither.

use crate::repository::ClaimedChunk;
use ream_core::error::{ConflictCode, Validation};
use ream_core::id::check_text;
use ream_core::{Attempt, ChunkId, Error, JobId, Result};

/// How long the key of a call that creates is kept.
pub(crate) const KEY_LIFE_S: i64 = 24 * 3600;

/// The shortest that a claim's key is kept.
const LEAST_CLAIM_LIFE_S: i64 = 60;

/// Expired keys that one step of the upkeep removes.
pub(crate) const SWEEP_ROWS: u32 = 1000;

/// A caller's word that a call is one and the same, however often it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    owner: String,
    key: String,
    fingerprint: String,
}

impl Once {
    /// The longest key, in characters.
    pub const MAX_KEY_CHARS: usize = 255;

    /// `owner`: whose key it is, such as a token's name, 1 to 255 characters; owners do not share keys. `key`: 1 to 255
    /// visible ASCII characters. `fingerprint`: the SHA-256 of all that was asked, as 64 lower-case hexadecimal digits.
    ///
    /// # Errors
    /// Validation: one of them is none of that.
    pub fn new(
        owner: impl Into<String>,
        key: impl Into<String>,
        fingerprint: impl Into<String>,
    ) -> Result<Self> {
        let (owner, key, fingerprint) = (owner.into(), key.into(), fingerprint.into());
        let mut v = Validation::default();
        v.take(check_text("owner", &owner, 255));
        v.check(
            (1..=Self::MAX_KEY_CHARS).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()),
            "idempotency_key",
            format!("{key:?}"),
            format!("1 to {} visible ASCII characters", Self::MAX_KEY_CHARS),
        );
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        v.check(
            fingerprint.len() == 64 && fingerprint.bytes().all(is_digit),
            "fingerprint",
            format!("{fingerprint:?}"),
            "64 lower-case hexadecimal digits",
        );
        v.finish()?;
        Ok(Self { owner, key, fingerprint })
    }

    /// Whose key it is.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What was asked.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// What a call created, or had created when it came first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered<T> {
    /// As it stands now.
    pub answer: T,
    /// Whether an earlier call with the same key created it.
    pub repeated: bool,
}

impl<T> Answered<T> {
    /// With another answer.
    pub fn map<A>(self, make: impl FnOnce(T) -> A) -> Answered<A> {
        Answered { answer: make(self.answer), repeated: self.repeated }
    }

    /// Created by this very call.
    pub(crate) const fn first(answer: T) -> Self {
        Self { answer, repeated: false }
    }

    /// Created by an earlier one.
    pub(crate) const fn again(answer: T) -> Self {
        Self { answer, repeated: true }
    }
}

/// What a key was used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    CreateJob,
    BulkCreate,
    SplitChunk,
    Claim,
}

impl Operation {
    /// The word in SQL.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::CreateJob => "create_job",
            Self::BulkCreate => "bulk_create",
            Self::SplitChunk => "split_chunk",
            Self::Claim => "claim",
        }
    }
}

/// What is kept with a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) fingerprint: String,
    pub(crate) operation: String,
    pub(crate) ids: Vec<i64>,
    /// Of a claim's chunks, in their order.
    pub(crate) attempts: Vec<i64>,
}

impl Kept {
    /// The call must be the one that the key was used for.
    pub(crate) fn check(self, once: &Once, operation: Operation) -> Result<Self> {
        if self.operation == operation.as_str() && self.fingerprint == once.fingerprint {
            return Ok(self);
        }
        let message = format!(
            "the idempotency key {:?} was used for another call; give each call a key of its own, and the same one only \
             to ask exactly the same again",
            once.key
        );
        Err(Error::conflict(ConflictCode::KeyReused, message))
    }

    /// The job, of a call that is about one.
    pub(crate) fn job_id(&self) -> JobId {
        JobId::new(self.ids.first().copied().unwrap_or_default())
    }

    /// A claim's chunks with their attempts.
    pub(crate) fn claimed(&self) -> impl Iterator<Item = (ChunkId, Attempt)> {
        let attempts = self.attempts.iter().copied().map(Attempt::new);
        self.ids.iter().copied().map(ChunkId::new).zip(attempts)
    }
}

/// How long a claim's key is kept: as long as the longest of its leases.
pub(crate) fn claim_life_s(claimed: &[ClaimedChunk]) -> i64 {
    let longest = claimed.iter().map(|claimed| claimed.lease_duration_ms.div_euclid(1000)).max();
    longest.unwrap_or_default().max(LEAST_CLAIM_LIFE_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_with_every_fault() {
        let print = "0123456789abcdef".repeat(4);
        assert!(Once::new("o", "k", print.clone()).is_ok());
        assert!(Once::new("o", "k".repeat(255), print.clone()).is_ok());
        for key in ["", "a b", "ä", "tab\t", &"k".repeat(256)] {
            assert!(Once::new("o", key, print.clone()).is_err(), "{key:?}");
        }
        let Err(Error::Validation { errors }) = Once::new("", "", "ABC") else { panic!("it was taken") };
        let fields: Vec<&str> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["owner", "idempotency_key", "fingerprint"]);
    }
}
