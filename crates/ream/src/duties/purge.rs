//! Removes what is left of deleted jobs.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    // One step a round: a job of millions of chunks must not keep the other duties from theirs.
    Ok(u64::from(repository.purge_step().await?))
}
