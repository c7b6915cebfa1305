//! How far one chunk in work has come.

use ream::ChunkProgress;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// How far a chunk in work has come: written by the processor, sent with heartbeats.
#[derive(Debug, Clone, Default)]
pub struct ProgressCell(Arc<Cell>);

#[derive(Debug, Default)]
struct Cell {
    progress: Mutex<ChunkProgress>,
    begun: watch::Sender<bool>,
}

impl ProgressCell {
    /// All that the chunk needs has been asked for: what is idle now is left for another chunk.
    pub fn set_begun(&self) {
        self.0.begun.send_replace(true);
    }

    /// One more image is done.
    pub fn image_done(&self, bytes: u64) {
        let mut progress = self.0.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.images_done += 1;
        progress.bytes = progress.bytes.saturating_add(bytes);
    }

    /// The present state.
    pub fn get(&self) -> ChunkProgress {
        *self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begun(&self) -> Begun {
        Begun(self.0.begun.subscribe())
    }
}

/// Whether a chunk has begun; also after it has ended.
#[derive(Debug, Clone)]
pub(crate) struct Begun(watch::Receiver<bool>);

impl Begun {
    /// Waits until the chunk has begun or ended.
    pub(crate) async fn wait(mut self) {
        // An error means that the chunk has ended, and its cell is gone.
        let _ = self.0.wait_for(|begun| *begun).await;
    }
}
