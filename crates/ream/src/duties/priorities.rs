//! Finishes changes of a job's priority that a crash cut off half-way through its chunks.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut steps = 0;
    while repository.propagate_priority_step().await? {
        steps += 1;
    }
    Ok(steps)
}
