//! Decoders are other people's code on hostile bytes: if one panics, one image is lost, and nothing else.

use crate::inspect::Refusal;
use ream_core::ErrorClass;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `work`; a panic becomes a refusal.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    // Whatever `work` was about to change is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Refusal::new(
            ErrorClass::Decode,
            "the decoder broke down on it; the image is damaged or made to do harm",
        ))
    })
}

/// The bytes cannot be decoded.
pub(crate) fn undecodable(error: impl std::fmt::Display) -> Refusal {
    const LONGEST_CHARS: usize = 200;
    let text: String = error.to_string().chars().take(LONGEST_CHARS).collect();
    Refusal::new(ErrorClass::Decode, text)
}
