//! Puts failed chunks back to pending once their back-off is over.

use super::STEP_CHUNKS;
use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut retried = 0;
    loop {
        let step = repository.retry_due(STEP_CHUNKS).await?;
        retried += step;
        if step < u64::from(STEP_CHUNKS) {
            return Ok(retried);
        }
    }
}
