//! What the service does by itself, a file per duty. Each is safe to run in any number of processes at once.

mod deadlines;
mod ends;
mod expiry;
mod priorities;
mod purge;
mod retry;
mod upkeep;

use futures::future::BoxFuture;
use ream_core::Result;
use ream_store::JobChunkRepository;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often duties look for work.
pub const DUTY_INTERVAL: Duration = Duration::from_secs(1);

/// The most chunks of one step, so that no duty holds up other writers for long.
pub(crate) const STEP_CHUNKS: u32 = 500;

/// One duty: `run_once` does what is due now and answers how much that was.
struct Duty {
    name: &'static str,
    run_once: for<'r> fn(&'r dyn JobChunkRepository) -> BoxFuture<'r, Result<u64>>,
}

const DUTIES: [Duty; 7] = [
    Duty { name: "expiry", run_once: |r| Box::pin(expiry::run_once(r)) },
    Duty { name: "retry", run_once: |r| Box::pin(retry::run_once(r)) },
    Duty { name: "deadlines", run_once: |r| Box::pin(deadlines::run_once(r)) },
    Duty { name: "ends", run_once: |r| Box::pin(ends::run_once(r)) },
    Duty { name: "priorities", run_once: |r| Box::pin(priorities::run_once(r)) },
    Duty { name: "purge", run_once: |r| Box::pin(purge::run_once(r)) },
    Duty { name: "upkeep", run_once: |r| Box::pin(upkeep::run_once(r)) },
];

/// Runs all duties, once or for as long as it lives.
pub struct Duties {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Duties {
    /// Does what is due now, each duty once; of work that may touch a whole job, one step. Answers what each did, by
    /// name.
    ///
    /// # Errors
    /// The first database error; what was done before it holds.
    pub async fn run_once(repository: &dyn JobChunkRepository) -> Result<Vec<(&'static str, u64)>> {
        let mut done = Vec::with_capacity(DUTIES.len());
        for duty in &DUTIES {
            done.push((duty.name, (duty.run_once)(repository).await?));
        }
        Ok(done)
    }

    /// Runs them every [`DUTY_INTERVAL`] until [`Self::stop`]. A failing duty is logged and tried again; it keeps no
    /// other from its work.
    pub fn start(repository: Arc<dyn JobChunkRepository>) -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut failures: HashMap<&str, String> = HashMap::new();
            loop {
                let mut pause = DUTY_INTERVAL;
                for duty in &DUTIES {
                    match (duty.run_once)(repository.as_ref()).await {
                        Ok(0) => {}
                        Ok(count) => {
                            tracing::debug!(duty = duty.name, count, "duty done");
                            // Where something was due there may be more.
                            pause = Duration::ZERO;
                        }
                        Err(error) => {
                            let error = error.to_string();
                            // A full disk fails every second: say it once.
                            if failures.get(duty.name) != Some(&error) {
                                tracing::warn!(duty = duty.name, error, "duty failed, will try again");
                                failures.insert(duty.name, error);
                            }
                        }
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stopped.changed() => return,
                }
            }
        });
        Self { stop, task }
    }

    /// Ends the duties after the one that runs.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}
