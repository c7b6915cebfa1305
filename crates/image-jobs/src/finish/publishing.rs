//! Publishing what completed chunks have staged.

use crate::dataset::Dataset;
use crate::{Error, Result};
use futures::StreamExt as _;
use ream::{ChunkId, ChunkState, JobChunk, JobChunkRepository, JobId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Chunks published per look.
const CHUNKS: u32 = 1000;
/// Chunks of one job published at the same time.
const PUBLISHED_AT_ONCE: usize = 4;

/// Gives a completed chunk's staged output its final names and notes it; does nothing for any other chunk. May be
/// done again by anybody, as often as need be.
///
/// # Errors
/// The storage's and the database's; the output stays staged.
pub async fn publish_chunk(
    dataset: &Dataset,
    repository: &Arc<dyn JobChunkRepository>,
    chunk: &JobChunk,
) -> Result<()> {
    let (ChunkState::Completed { unpublished: true }, Some(outcome)) = (&chunk.state, &chunk.outcome) else {
        return Ok(());
    };
    dataset.publish(&outcome.outputs).await?;
    Ok(repository.mark_published(chunk).await?)
}

/// Publishes what completed chunks still have staged. Answers how many could not be published: one lost output must not
/// keep all other chunks from their places.
///
/// # Errors
/// The database's.
pub async fn publish_all(
    dataset: &Dataset,
    repository: &Arc<dyn JobChunkRepository>,
    job_id: JobId,
) -> ream_core::Result<u64> {
    let tell = |chunk_id: ChunkId, error: &Error| {
        tracing::warn!(%chunk_id, %error, "the output of a completed chunk cannot be published");
    };
    Ok(publish_waiting(dataset, repository, job_id, tell).await?.failed)
}

/// What is left of a job's chunks that waited to be published.
pub(super) struct Waiting {
    /// Those that were tried in vain.
    pub(super) failed: u64,
    /// Whether all were tried. Where a whole page is in vain it is not for single chunks, and the rest is not tried.
    pub(super) whole: bool,
}

/// As [`publish_all`]; `tell` hears of each that could not be published.
pub(super) async fn publish_waiting(
    dataset: &Dataset,
    repository: &Arc<dyn JobChunkRepository>,
    job_id: JobId,
    tell: impl Fn(ChunkId, &Error),
) -> ream_core::Result<Waiting> {
    let mut failed: BTreeSet<ChunkId> = BTreeSet::new();
    loop {
        // Those that failed come first again.
        let limit = CHUNKS.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
        let mut found = repository.list_unpublished(job_id, limit).await?;
        let last = found.len() < limit as usize;
        found.retain(|chunk| !failed.contains(&chunk.id));
        let tried = found.len();
        let publishing = found.into_iter().map(|chunk| async move {
            let published = publish_chunk(dataset, repository, &chunk).await;
            published.err().map(|error| (chunk.id, error))
        });
        let mut publishing = futures::stream::iter(publishing).buffer_unordered(PUBLISHED_AT_ONCE);
        let mut in_vain = 0;
        while let Some(published) = publishing.next().await {
            if let Some((chunk_id, error)) = published {
                tell(chunk_id, &error);
                failed.insert(chunk_id);
                in_vain += 1;
            }
        }
        if last || in_vain == tried {
            return Ok(Waiting { failed: failed.len() as u64, whole: last });
        }
    }
}
