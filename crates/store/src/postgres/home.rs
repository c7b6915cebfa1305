//! The runtime that opened the store. Its connections live there, so that calls may come from any other one, also from
//! one without I/O, as that which holds leases, or one that ends.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Where connections live and groups run. On threads of their own they would be free of all other work, but each call
/// would change threads four times: a fifth slower, measured.
#[derive(Clone)]
pub(super) struct Home(Handle);

impl Home {
    /// The runtime of the caller.
    pub(super) fn here() -> Self {
        Self(Handle::current())
    }

    /// Runs something there, whoever waits for it.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.spawn(task)
    }
}
