//! Finishes changes of a job's priority that a crash cut off half-way through its chunks.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    // One step a round: a job of millions of chunks must not keep the other duties from theirs.
    Ok(u64::from(repository.propagate_priority_step().await?))
}
