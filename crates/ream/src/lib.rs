//! Ream splits large image crawls into 500-image chunks, hands them to workers, and always knows what is done,
//! what runs and what is stuck.
//!
//! ```
//! # async fn example() -> ream::Result<()> {
//! # let folder = std::env::temp_dir().join(format!("ream-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # let url = format!("sqlite:{}", folder.join("ream.db").display());
//! let repository = ream::open(&url).await?;
//! let jobs = ream::CrawlJobService::new(repository.clone());
//! let service = ream::JobChunkingService::new(repository);
//!
//! let job = jobs.create_crawl_job(ream::NewCrawlJob::named("photos")).await?;
//! let chunks = service.create_chunks_for_job(job.id, 2500, Some(7)).await?;
//! assert_eq!(chunks.len(), 5);
//!
//! let worker = ream::TaskId::new("worker-1")?;
//! for claimed in service.claim(ream::ClaimRequest::new(worker, 2)).await? {
//!     // … fetch claimed.chunk.image_range, with a heartbeat now and then …
//!     service.mark_chunk_completed(&claimed).await?;
//! }
//! assert_eq!(service.get_chunk_statistics(job.id).await?.completed, 2);
//! # std::fs::remove_dir_all(&folder).unwrap();
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod calls;
mod chunk_list;
mod claim_line;
mod crawl_job_service;
mod database;
pub mod duties;
mod explanation;
mod job_chunking_service;
mod progress;
mod token_secret;

pub use calls::{ChunkRef, Completion, Heartbeat, HeartbeatAnswer};
pub use chunk_list::ChunkList;
pub use crawl_job_service::CrawlJobService;
pub use database::{DatabaseUrl, open};
pub use duties::Duties;
pub use explanation::{Explained, Explanation, Reason};
pub use job_chunking_service::{JobChunkingService, MAX_CALL_ITEMS};
pub use progress::{JobChunkProgress, JobChunkStatistics};
pub use token_secret::{GivenToken, Secret, create_token};

pub use ream_core::error::{ConflictCode, DatabaseFault, FieldError, Validation};
pub use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
pub use ream_core::outcome::ChunkProgress;
pub use ream_core::policy::{PolicyFields, RobotsPolicy};
pub use ream_core::text;
pub use ream_core::{
    Action, Activity, Advice, Attempt, CHUNK_SIZE, ChunkId, ChunkPlan, ChunkState, CrawlJob, CrawlJobStatus,
    Error, ErrorClass, Executor, ImageRange, JobChunk, JobChunkStatus, JobGate, JobId, Lease, Outcome,
    Policy, Priority, Result, Role, TaskId, Timestamp, Token, TokenId, cover, plan,
};
pub use ream_store::{
    ActivityFilter, Actor, Answered, ClaimRequest, ClaimedChunk, Cursor, JobChunkRepository, JobFilter,
    JobVerdict, MovedChunk, NewChunk, NewToken, Once, Page, PageRequest, PostgresOptions, PostgresStore,
    SchemaChange, SecretSha256, SqliteOptions, SqliteStore, Store, StoredToken, TokenRepository, WakeUps,
};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
