//! Announces the end of jobs, each end once.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut announced = 0;
    loop {
        let ended = repository.announce_ends().await?;
        if ended.is_empty() {
            return Ok(announced);
        }
        for job_id in &ended {
            tracing::info!(%job_id, "job ended");
        }
        announced += ended.len() as u64;
    }
}
