//! How far one chunk in work has come.

use ream::ChunkProgress;
use std::sync::{Arc, Mutex, PoisonError};

/// How far a chunk in work has come: written by the processor, sent with heartbeats.
#[derive(Debug, Clone, Default)]
pub struct ProgressCell(Arc<Mutex<ChunkProgress>>);

impl ProgressCell {
    /// One more image is done.
    pub fn image_done(&self, bytes: u64) {
        let mut progress = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        progress.images_done += 1;
        progress.bytes = progress.bytes.saturating_add(bytes);
    }

    /// The present state.
    pub fn get(&self) -> ChunkProgress {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
