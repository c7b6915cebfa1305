//! A thread of the client's own. Whoever calls may have no I/O on its runtime, or so much of it that a heartbeat would come late.

use ream_core::{DatabaseFault, Error, Result};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs the client's requests; ends when it is dropped.
pub(crate) struct OwnRuntime {
    handle: Handle,
    _alive: oneshot::Sender<()>,
}

impl OwnRuntime {
    pub(crate) fn start() -> Result<Self> {
        let failed = |error: std::io::Error| Error::Database {
            fault: DatabaseFault::Unavailable,
            message: format!("start a thread for requests: {error}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (alive, ended) = oneshot::channel::<()>();
        let run = move || {
            // Nothing is ever sent: it ends with the sender.
            let _ = runtime.block_on(ended);
        };
        std::thread::Builder::new().name("requests".to_owned()).spawn(run).map_err(failed)?;
        Ok(Self { handle, _alive: alive })
    }

    /// Does the work there; dropped, it is given up.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let task = tokio_util::task::AbortOnDropHandle::new(self.handle.spawn(work));
        // Only a panic, or the end of the thread, can be the matter.
        task.await.unwrap_or_else(|error| {
            let message = format!("a request ended early: {error}");
            Err(Error::Database { fault: DatabaseFault::Unavailable, message })
        })
    }
}
