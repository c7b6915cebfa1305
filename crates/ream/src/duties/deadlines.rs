//! Cancels jobs that are past their deadline.

use ream_core::Result;
use ream_store::JobChunkRepository;

pub(super) async fn run_once(repository: &dyn JobChunkRepository) -> Result<u64> {
    let mut cancelled = 0;
    loop {
        match repository.cancel_overdue_jobs().await? {
            0 => return Ok(cancelled),
            step => cancelled += step,
        }
    }
}
