//! Removes what is left of deleted jobs.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut steps = 0;
    while repository.purge_step().await? {
        steps += 1;
    }
    Ok(steps)
}
