//! The JSON of Ream over HTTP: what is asked, what is answered, and how it is told that something is the matter. Each shape
//! once, for both ends.
//!
//! Requests hold numbers and words as they came; who takes them checks all of them, so that every fault is told at once.
//! Chunks, jobs and rows of the activity log have their form where they are defined, in `ream_core`.

pub mod chunks;
pub mod claims;
pub mod jobs;
pub mod page;
pub mod problem;
pub mod tokens;

pub use page::Page;
pub use problem::Problem;

/// Whose answer may be asked for again: the header of RFC-style drafts that many APIs share.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Names a request in logs, on both ends.
pub const REQUEST_ID: &str = "x-request-id";
