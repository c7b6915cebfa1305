//! A thread of the store's own, on which its connections live. Calls may come from any runtime, also from one without
//! I/O, as that which holds leases; and no runtime that is busy with other work keeps a heartbeat from the server.

use super::error::unavailable;
use ream_core::Result;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The thread, which ends with the last of these.
#[derive(Clone)]
pub(super) struct Home {
    runtime: Handle,
    _alive: Arc<oneshot::Sender<()>>,
}

impl Home {
    pub(super) fn start() -> Result<Self> {
        let failed = |error: std::io::Error| unavailable(format!("start a thread for connections: {error}"));
        let (alive, ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("ream-postgres".to_owned())
            .spawn(move || {
                // Nothing is ever sent: it ends with the sender.
                let _ = runtime.block_on(ended);
            })
            .map_err(failed)?;
        Ok(Self { runtime: handle, _alive: Arc::new(alive) })
    }

    /// The runtime of a test.
    #[cfg(test)]
    pub(super) fn here() -> Self {
        Self { runtime: Handle::current(), _alive: Arc::new(oneshot::channel().0) }
    }

    /// Runs something there, whoever waits for it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.spawn(task)
    }
}
