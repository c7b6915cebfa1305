//! Durable state: one trait, [`JobChunkRepository`], and the backends behind it.
//!
//! A backend is a folder beside `sqlite/`; it is done when it passes `conformance/` unchanged.

mod creation;
pub mod once;
pub mod page;
pub mod postgres;
pub mod repository;
mod schema_change;
pub mod sqlite;
pub mod tokens;
mod verdict;

#[cfg(feature = "test-util")]
pub mod conformance;

pub use once::{Answered, Once};
pub use page::{Cursor, Page, PageRequest};
pub use postgres::{PostgresOptions, PostgresStore};
pub use repository::{
    ActivityFilter, Actor, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter, JobVerdict,
    MovedChunk, NewChunk, WakeUps,
};
pub use schema_change::SchemaChange;
pub use sqlite::{SqliteOptions, SqliteStore};
pub use tokens::{NewToken, SecretSha256, Store, StoredToken, TokenRepository};
