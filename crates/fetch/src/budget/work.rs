//! Memory for work on a fetched file.

use super::Shared;
use super::state::WorkKey;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Notify;

/// Memory for one piece of work, given back on drop. It outlives the reservation that it came from if need be, so it
/// can move to the thread that does the work.
pub struct WorkPermit {
    shared: Arc<Shared>,
    key: WorkKey,
    bytes: u64,
}

impl fmt::Debug for WorkPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkPermit").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

pub(super) async fn wait(shared: &Arc<Shared>, fetch: u64, bytes: u64) -> WorkPermit {
    let wake = Arc::new(Notify::new());
    let key = shared.lock().want_work(fetch, bytes, Arc::clone(&wake));
    // Made before waiting: dropped with the wait, it takes the wish back.
    let permit = WorkPermit { shared: Arc::clone(shared), key, bytes };
    while shared.lock().work_is_waiting(key) {
        wake.notified().await;
    }
    permit
}

impl Drop for WorkPermit {
    fn drop(&mut self) {
        self.shared.lock().end_work(self.key, self.bytes);
    }
}
