//! Announces the end of jobs, each end once.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let ended = repository.announce_ends().await?;
    for job_id in &ended {
        tracing::info!(%job_id, "job ended");
    }
    Ok(ended.len() as u64)
}
