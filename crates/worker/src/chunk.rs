//! One chunk of images: read its rows, fetch them side by side, hand them in order to `pack.rs`.

use crate::claim::ChunkProcessor;
use crate::image::ImagePipeline;
use crate::pack::{FetchedRow, pack};
use crate::progress::ProgressCell;
use crate::tally::Tally;
use futures::future::BoxFuture;
use ream::{ChunkState, ClaimedChunk, ImageRange, JobChunk, JobChunkRepository, Outcome};
use ream_dataset::{ListRow, OutputFormat, PartsReader, Staging, publish};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

/// Fetched images that wait for the packing thread, per chunk.
const PACK_QUEUE_IMAGES: usize = 8;

/// Where rows come from and images go to.
pub struct ImageChunks {
    /// The dataset's folder.
    pub dataset: PathBuf,
    /// The job's image list.
    pub list: PartsReader,
    /// The shape of the output.
    pub format: OutputFormat,
    /// Makes images ready to be stored.
    pub pipeline: ImagePipeline,
    /// Fetches at the same time, all chunks together.
    pub images_in_flight: usize,
    /// The same number as permits; see [`ImageChunks::images_in_flight`].
    pub slots: Arc<Semaphore>,
    /// Counts for the eye.
    pub tally: Tally,
    /// For noting what was published.
    pub repository: Arc<dyn JobChunkRepository>,
}

impl ImageChunks {
    async fn work(&self, claimed: Arc<ClaimedChunk>, progress: ProgressCell) -> Result<Outcome, String> {
        let range = claimed.chunk.image_range;
        let list = self.list.clone();
        let rows = blocking(move || list.read(range).map_err(|error| error.to_string())).await?;
        let (sender, receiver) = mpsc::channel(PACK_QUEUE_IMAGES);
        let (dataset, format) = (self.dataset.clone(), self.format);
        let packing = blocking(move || pack(&dataset, format, &claimed, range.images(), receiver));
        let fetching = self.fetch_in_order(range, rows, sender, progress);
        futures::future::join(fetching, packing).await.1
    }

    /// Fetches side by side, and sends on in order, so that the output has the same bytes whatever arrives first.
    ///
    /// Each fetch has its slot before it takes its place in the order of the memory budget, and both are taken in the
    /// order of the images. So the oldest fetch of all is always at work or next to be packed, and never waits for
    /// younger ones.
    async fn fetch_in_order(
        &self,
        range: ImageRange,
        rows: Vec<ListRow>,
        packing: mpsc::Sender<FetchedRow>,
        progress: ProgressCell,
    ) {
        let mut rows = range.iter().zip(rows).peekable();
        let mut in_flight: VecDeque<AbortOnDropHandle<FetchedRow>> = VecDeque::new();
        loop {
            let more = rows.peek().is_some() && in_flight.len() < self.images_in_flight;
            let fetched = tokio::select! {
                slot = self.slots.clone().acquire_owned(), if more => {
                    // The semaphore is never closed.
                    if let (Some((number, row)), Ok(slot)) = (rows.next(), slot) {
                        in_flight.push_back(self.spawn_fetch(number, row, slot));
                    }
                    continue;
                }
                Some(fetched) = next(&mut in_flight) => fetched,
                else => return,
            };
            let Some(image) = fetched else {
                // A fetch that panicked: the packing misses an image and fails the chunk.
                return;
            };
            let bytes = image.result.as_ref().map_or(0, |fetched| fetched.bytes.len() as u64);
            if packing.send(image).await.is_err() {
                // The packing has ended early and tells why.
                return;
            }
            progress.image_done(bytes);
        }
    }

    fn spawn_fetch(
        &self,
        number: u64,
        row: ListRow,
        slot: OwnedSemaphorePermit,
    ) -> AbortOnDropHandle<FetchedRow> {
        let fetching = self.pipeline.prepare(&row);
        let tally = self.tally.clone();
        // A task of its own goes on while its chunk waits for the packing.
        AbortOnDropHandle::new(tokio::spawn(async move {
            let result = fetching.await;
            drop(slot);
            match &result {
                Ok(fetched) => tally.count_ok(fetched.bytes.len() as u64),
                Err(error) => tally.count_failed(error.class),
            }
            FetchedRow { number, row, result }
        }))
    }
}

/// The oldest fetch's end: `None` without any, `Some(None)` when it panicked.
async fn next(in_flight: &mut VecDeque<AbortOnDropHandle<FetchedRow>>) -> Option<Option<FetchedRow>> {
    let fetched = in_flight.front_mut()?.await.ok();
    in_flight.pop_front();
    Some(fetched)
}

impl ChunkProcessor for ImageChunks {
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, String>> {
        Box::pin(self.work(claimed, progress))
    }

    fn discard(&self, claimed: &ClaimedChunk) {
        let chunk = &claimed.chunk;
        let discarded = Staging::of(&self.dataset, chunk.id, chunk.attempt).discard();
        if let Err(error) = discarded {
            // The packing thread may still be ending; the next sweep gets what is left.
            tracing::debug!(chunk_id = %chunk.id, %error, "could not remove what an attempt left behind");
        }
    }

    fn completed<'a>(&'a self, chunk: &'a JobChunk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = publish_chunk(&self.dataset, &self.repository, chunk).await {
                tracing::warn!(chunk_id = %chunk.id, error, "output waits to be published");
            }
        })
    }
}

/// Gives a completed chunk's staged output its final names and notes it; does nothing for any other chunk. May be
/// done again by anybody, as often as need be.
///
/// # Errors
/// What the file system or the database says, in words; the output stays staged.
pub async fn publish_chunk(
    dataset: &std::path::Path,
    repository: &Arc<dyn JobChunkRepository>,
    chunk: &JobChunk,
) -> Result<(), String> {
    let (ChunkState::Completed { unpublished: true }, Some(outcome)) = (&chunk.state, &chunk.outcome) else {
        return Ok(());
    };
    let (dataset, outputs) = (dataset.to_owned(), outcome.outputs.clone());
    blocking(move || publish(&dataset, &outputs).map_err(|error| error.to_string())).await?;
    repository.mark_published(chunk).await.map_err(|error| error.to_string())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("a working thread ended early: {error}")))
}
