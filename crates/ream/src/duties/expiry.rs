//! Fails chunks whose lease or timeout is over; what may be retried at once is pending again right after.

use super::STEP_CHUNKS;
use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut expired = 0;
    loop {
        let step = repository.expire_due(STEP_CHUNKS).await?;
        expired += step;
        if step < u64::from(STEP_CHUNKS) {
            return Ok(expired);
        }
    }
}
