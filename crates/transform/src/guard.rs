//! Decoders are other people's code on hostile bytes: if one panics, one image is lost, and nothing else.

use crate::inspect::Refusal;
use ream_core::ErrorClass;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHES: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread, now, would be caught here and cost one image. For a program's panic hook, which
/// need not report it as a fault of the program.
pub fn catches_panics() -> bool {
    CATCHES.get()
}

/// Runs `work`; `None` if it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = CATCHES.replace(true);
    // Whatever `work` was about to change is dropped with it.
    let done = catch_unwind(AssertUnwindSafe(work));
    CATCHES.set(outer);
    done.ok()
}

/// Runs `work`; a panic becomes a refusal.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    caught(work).unwrap_or_else(|| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_image_and_is_known_to_be_caught_only_while_it_is() {
        assert!(!catches_panics());
        assert_eq!(
            caught(|| (catches_panics(), caught(catches_panics), catches_panics())),
            Some((true, Some(true), true))
        );
        let refused = guarded::<()>(|| std::panic::resume_unwind(Box::new("broken")));
        assert_eq!(refused.unwrap_err().class, ErrorClass::Decode);
        assert!(!catches_panics());
    }
}
