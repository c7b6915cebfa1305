//! The domain of Ream: what a crawl job and a chunk are, and which moves they allow.
//!
//! Nothing here does I/O, reads a clock or waits: time and jitter come in as arguments, so every rule can be
//! tested by comparing values. All status changes go through one function, [`transition::transition`].

pub mod activity;
pub mod advice;
pub mod chunk;
pub mod chunk_document;
pub mod cover;
pub mod effects;
pub mod error;
pub mod event;
pub mod id;
pub mod job;
pub mod job_delta;
pub mod job_document;
pub mod job_event;
pub mod last_move;
pub mod outcome;
pub mod plan;
pub mod policy;
pub mod policy_patch;
pub mod priority;
pub mod range;
pub mod retry;
pub mod role;
pub mod split;
pub mod text;
pub mod throughput;
pub mod timestamp;
pub mod token;
pub mod transition;
mod words;

pub use activity::{Action, Activity};
pub use advice::Advice;
pub use chunk::{ChunkState, JobChunk, JobChunkStatus, Lease};
pub use effects::Effects;
pub use error::{DatabaseFault, Error, FieldError, Result};
pub use event::Event;
pub use id::{Attempt, ChunkId, JobId, TaskId, TokenId};
pub use job::{CrawlJob, CrawlJobStatus, Executor, JobGate};
pub use job_delta::JobDelta;
pub use outcome::{ErrorClass, Outcome};
pub use plan::{CHUNK_SIZE, ChunkPlan};
pub use policy::Policy;
pub use policy_patch::PolicyPatch;
pub use priority::Priority;
pub use range::ImageRange;
pub use role::Role;
pub use timestamp::Timestamp;
pub use token::Token;
