//! What watchers of a job hear: its progress, each time it is another one than before, and its end.
//!
//! One look a second at each job, however many watch it. A watcher is handed the newest state when it is ready for one, so nobody's
//! backlog is kept. An event's id is a digest of the state that it tells: whoever comes back with it, to whichever server,
//! hears what is different, at once, and nothing twice.

use futures::Stream;
use ream::{CrawlJobStatus, Error, JobChunkProgress, JobChunkRepository, JobId, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// How often a job is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// A job's state, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) id: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) json: Arc<str>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another state than before.
    Progress,
    /// The job has ended: nothing follows.
    End,
    /// The job is not there any more: nothing follows.
    Deleted,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Progress => "progress",
            Self::End => "end",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    status: CrawlJobStatus,
    #[serde(flatten)]
    progress: &'a JobChunkProgress,
}

/// The jobs that are watched.
pub(crate) struct Hub {
    repository: Arc<dyn JobChunkRepository>,
    watched: Arc<Mutex<HashMap<JobId, Weak<watch::Sender<Told>>>>>,
}

impl Hub {
    pub(crate) fn new(repository: Arc<dyn JobChunkRepository>) -> Self {
        Self { repository, watched: Arc::default() }
    }

    /// The states of a job from now on, the first at once unless it is the one that `seen` names.
    ///
    /// # Errors
    /// Not found.
    pub(crate) async fn watch(&self, job_id: JobId, seen: Option<String>) -> Result<Watching> {
        let present = self.lock().get(&job_id).and_then(Weak::upgrade);
        let sender = match present {
            Some(sender) => sender,
            None => {
                let first = look(&*self.repository, job_id).await?;
                self.begin(job_id, first)
            }
        };
        Ok(Watching { states: sender.subscribe(), seen, ended: false, _looked_after: sender })
    }

    fn begin(&self, job_id: JobId, first: Told) -> Arc<watch::Sender<Told>> {
        let mut watched = self.lock();
        // Two may have come at once.
        if let Some(sender) = watched.get(&job_id).and_then(Weak::upgrade) {
            return sender;
        }
        let sender = Arc::new(watch::Sender::new(first));
        watched.insert(job_id, Arc::downgrade(&sender));
        watched.retain(|_, sender| sender.strong_count() > 0);
        tokio::spawn(look_after(self.repository.clone(), job_id, Arc::downgrade(&sender)));
        sender
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, Weak<watch::Sender<Told>>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks until nobody watches any more.
async fn look_after(
    repository: Arc<dyn JobChunkRepository>,
    job_id: JobId,
    sender: Weak<watch::Sender<Told>>,
) {
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        if sender.strong_count() == 0 {
            return;
        }
        let told = match look(&*repository, job_id).await {
            Ok(told) => told,
            Err(Error::NotFound { .. }) => {
                Told { id: "deleted".into(), kind: Kind::Deleted, json: "{}".into() }
            }
            Err(error) => {
                tracing::debug!(%job_id, %error, "cannot look at a job that is watched");
                continue;
            }
        };
        let Some(sender) = sender.upgrade() else { return };
        sender.send_if_modified(|last| {
            let changed = last.id != told.id;
            if changed {
                *last = told;
            }
            changed
        });
    }
}

async fn look(repository: &dyn JobChunkRepository, job_id: JobId) -> Result<Told> {
    let (job, now) = repository.glance_at_job(job_id).await?;
    let progress = JobChunkProgress::new(&job, now);
    let status = job.status();
    let c = &job.counters;
    // What the state is, without the time at which it was looked at.
    let id = format!(
        "{status}-{}-{}-{}-{}-{}",
        c.total_chunks, c.active_chunks, c.completed_chunks, c.failed_chunks, c.awaiting_retry_chunks
    );
    let ended =
        matches!(status, CrawlJobStatus::Completed | CrawlJobStatus::Failed | CrawlJobStatus::Cancelled);
    let json = serde_json::to_string(&Document { status, progress: &progress }).unwrap_or_default();
    let kind = if ended { Kind::End } else { Kind::Progress };
    Ok(Told { id: id.into(), kind, json: json.into() })
}

/// One watcher.
pub(crate) struct Watching {
    states: watch::Receiver<Told>,
    seen: Option<String>,
    ended: bool,
    /// Somebody looks as long as anybody has this.
    _looked_after: Arc<watch::Sender<Told>>,
}

impl Watching {
    /// Whether who comes back has heard the end already.
    pub(crate) fn has_heard_the_end(&self) -> bool {
        let last = self.states.borrow();
        last.kind != Kind::Progress && self.seen.as_deref() == Some(&*last.id)
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            if self.ended {
                return None;
            }
            let told = self.states.borrow_and_update().clone();
            if self.seen.as_deref() != Some(&*told.id) {
                self.seen = Some(told.id.to_string());
                self.ended = told.kind != Kind::Progress;
                return Some(told);
            }
            self.states.changed().await.ok()?;
        }
    }

    /// Every state that is another one than the last.
    pub(crate) fn stream(self) -> impl Stream<Item = Told> + Send {
        futures::stream::unfold(self, |mut watching| async {
            let told = watching.next().await?;
            Some((told, watching))
        })
    }
}
