//! One chunk of images: read its rows, make them ready side by side, hand them in order to `pack.rs`.

use crate::claim::ChunkProcessor;
use crate::image::{ImagePipeline, Prepared};
use crate::pack::{PreparedRow, pack};
use crate::process_error::ProcessError;
use crate::progress::ProgressCell;
use crate::spool::Spool;
use crate::tally::Tally;
use futures::future::BoxFuture;
use ream::{ClaimedChunk, ImageRange, JobChunk, JobChunkRepository, Outcome};
use ream_dataset::{ListRow, OutputOptions};
use ream_image_jobs::finish::publish_chunk;
use ream_image_jobs::{Dataset, Error, ImageList};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Images that wait for the packing thread, per chunk.
const PACK_QUEUE_IMAGES: usize = 8;

/// How long a store that is out of reach is tried again with output that is ready.
const STORE_PATIENCE: Duration = Duration::from_secs(300);
/// The first and the longest wait between two tries; each of them takes its own time as well.
const STORE_PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Where the rows of one job come from and its images go to.
pub struct ImageChunks {
    /// Where output goes.
    pub dataset: Dataset,
    /// The job's image list.
    pub list: ImageList,
    /// The shape of the output, its names and metadata.
    pub output: OutputOptions,
    /// Makes images ready to be stored.
    pub pipeline: ImagePipeline,
    /// Counts for the eye.
    pub tally: Tally,
    /// For noting what was published.
    pub repository: Arc<dyn JobChunkRepository>,
}

impl ImageChunks {
    /// Works on a chunk of the job.
    pub(crate) async fn work(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> Result<Outcome, ProcessError> {
        let range = claimed.chunk.image_range;
        let rows = self.list.read(range).await?;
        let (sender, receiver) = mpsc::channel(PACK_QUEUE_IMAGES);
        let (dataset, output) = (self.dataset.clone(), self.output.clone());
        let packing = blocking(move || pack(dataset.local(), &output, &claimed, range.images(), receiver));
        let preparing = self.prepare_in_order(range, rows, sender, progress);
        let mut outcome = futures::future::join(preparing, packing).await.1?;
        outcome.outputs = self.stage(&outcome.outputs).await?;
        Ok(outcome)
    }

    /// Images that were fetched are not given up because a store is away for a while: sites would be asked for them again.
    /// Meanwhile the lease is held, and no chunk goes on for longer than its time.
    async fn stage(&self, sealed: &[String]) -> Result<Vec<String>, ProcessError> {
        let last_try = Instant::now() + STORE_PATIENCE;
        let (mut pause, longest) = STORE_PAUSES;
        loop {
            match self.dataset.stage(sealed).await {
                Err(error @ Error::Store { .. }) if Instant::now() < last_try => {
                    tracing::warn!(%error, "cannot stage a chunk's output, will try again");
                    tokio::time::sleep(pause).await;
                    pause = longest.min(pause * 2);
                }
                staged => return Ok(staged?),
            }
        }
    }

    /// Without the list no other chunk can be worked on either: the folder was removed, say.
    async fn or_gone(&self, error: ProcessError) -> ProcessError {
        match error {
            ProcessError::Chunk(message) if !self.list.is_there().await => ProcessError::Machine(message),
            other => other,
        }
    }

    /// Makes all images ready side by side, and sends them on in order, so that the output has the same bytes whatever
    /// arrives first. They are begun in the order of their numbers, which is their place in the order of memory.
    async fn prepare_in_order(
        &self,
        range: ImageRange,
        rows: Vec<ListRow>,
        packing: mpsc::Sender<PreparedRow>,
        progress: ProgressCell,
    ) {
        let spool = Spool::new(self.dataset.local());
        let begin = |(number, row)| self.begin(number, row, spool.clone());
        let images: Vec<_> = range.iter().zip(rows).map(begin).collect();
        progress.set_begun();
        for image in images {
            // An image that panicked: the packing misses it and fails the chunk.
            let image = tokio::select! {
                image = image => image,
                // The packing has ended early and tells why.
                () = packing.closed() => return,
            };
            let Ok(image) = image else { return };
            let bytes = image.result.as_ref().map_or(0, Prepared::len);
            if packing.send(image).await.is_err() {
                // The packing has ended early and tells why.
                return;
            }
            progress.image_done(bytes);
        }
    }

    fn begin(&self, number: u64, row: ListRow, spool: Spool) -> AbortOnDropHandle<PreparedRow> {
        let preparing = self.pipeline.prepare(&row);
        let tally = self.tally.clone();
        // A task of its own goes on while its chunk waits for the packing.
        AbortOnDropHandle::new(tokio::spawn(async move {
            let mut result = preparing.await;
            match &mut result {
                Ok(prepared) => {
                    tally.count_ok(prepared.len());
                    prepared.make_room(&spool).await;
                }
                Err(error) => tally.count_failed(error.class),
            }
            PreparedRow { number, row, result }
        }))
    }
}

impl ChunkProcessor for ImageChunks {
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, ProcessError>> {
        Box::pin(async move {
            match self.work(claimed, progress).await {
                Ok(outcome) => Ok(outcome),
                Err(error) => Err(self.or_gone(error).await),
            }
        })
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pipeline.room())
    }

    fn discard(&self, claimed: &ClaimedChunk) {
        let (dataset, chunk_id, attempt) = (self.dataset.clone(), claimed.chunk.id, claimed.chunk.attempt);
        // Nobody waits for it: a lease is not kept for a slow disk.
        tokio::spawn(async move {
            if let Err(error) = dataset.discard(chunk_id, attempt).await {
                // The packing thread may still be ending; the next sweep gets what is left.
                tracing::debug!(%chunk_id, %error, "could not remove what an attempt left behind");
            }
        });
    }

    fn completed<'a>(&'a self, chunk: &'a JobChunk) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = publish_chunk(&self.dataset, &self.repository, chunk).await {
                tracing::warn!(chunk_id = %chunk.id, %error, "output waits to be published");
            }
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ProcessError> + Send + 'static,
) -> Result<T, ProcessError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ProcessError::Chunk(format!("a working thread ended early: {error}"))))
}
