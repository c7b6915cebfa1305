//! Durable state: one trait, [`JobChunkRepository`], and the backends behind it.
//!
//! A backend is a folder beside `sqlite/`; it is done when it passes `conformance/` unchanged.

pub mod page;
pub mod repository;
pub mod sqlite;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use page::{Cursor, Page, PageRequest};
pub use repository::{
    ActivityFilter, Actor, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter, JobVerdict,
    MovedChunk, NewChunk, WakeUps,
};
pub use sqlite::{SqliteOptions, SqliteStore};
