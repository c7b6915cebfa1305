//! The claim loop: takes chunks as long as there is something idle to work on them, keeps their leases alive, and
//! reports their ends.
//!
//! It knows nothing of images: what is done with a chunk is a [`ChunkProcessor`].

use crate::lease::{HolderEnd, LeaseKeeper};
use crate::process_error::ProcessError;
use crate::progress::{Begun, ProgressCell};
use crate::shutdown::{Shutdown, StopSignal};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use ream::{
    ClaimRequest, ClaimedChunk, Completion, CrawlJobStatus, Error, Executor, JobChunkingService, JobId,
    Outcome, Result, TaskId,
};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often to look for work when nothing woke the worker.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The wait after the database was out of reach.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(1);
/// How long the answer to a claim is waited for after stop was said.
const STOPPED_CLAIM: Duration = Duration::from_secs(1);

/// Does the work on one chunk. Dropping the future must soon end the work; what it staged is then
/// [`Self::discard`]ed.
pub trait ChunkProcessor: Send + Sync + 'static {
    /// Works on the chunk and tells what came out. Single images that cannot be had are no error.
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, ProcessError>>;

    /// Waits until another chunk would find something idle to work on it. A chunk more in flight than that would only
    /// be held from other workers, and be worked on again after a stop.
    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Cleans up after an attempt that came to nothing.
    fn discard(&self, claimed: &ClaimedChunk);

    /// Does what follows a completion; may fail and be done by somebody else later.
    fn completed<'a>(&'a self, chunk: &'a ream::JobChunk) -> BoxFuture<'a, ()>;
}

/// What a worker takes, how much of it at once, and when it ends.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Name and incarnation: unique among all workers, now and before.
    pub task_id: TaskId,
    /// The most chunks worked on at the same time, 1 to 1,000.
    pub chunks_in_flight: u32,
    /// Only this job; the worker ends with it. Without one it goes on until stopped.
    pub job_id: Option<JobId>,
    /// How long a claim may wait at the service while there is nothing to do.
    pub claim_wait: Duration,
    /// How long chunks in flight may go on after stop was said. What is left then is given back.
    pub drain: Duration,
    /// The worker ends when there was nothing to do for so long; `None`: never.
    pub exit_when_idle: Option<Duration>,
}

impl WorkerConfig {
    /// A worker for any job, which looks for work twice a second, and gives everything back at once when it is stopped.
    pub const fn new(task_id: TaskId, chunks_in_flight: u32) -> Self {
        let (claim_wait, drain) = (Duration::ZERO, Duration::ZERO);
        Self { task_id, chunks_in_flight, job_id: None, claim_wait, drain, exit_when_idle: None }
    }
}

/// Why a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkerEnd {
    /// The job it was for has ended, as the status says.
    JobEnded(CrawlJobStatus),
    /// It was told to stop; what it held was completed or given back.
    Stopped,
    /// There was nothing to do for so long as it was to wait.
    Idle,
    /// This machine cannot go on, for this reason; what it held was given back.
    Blocked(String),
}

/// Takes and processes chunks.
pub struct Worker {
    service: JobChunkingService,
    processor: Arc<dyn ChunkProcessor>,
    config: WorkerConfig,
}

impl Worker {
    /// A worker that reports to `service`, which should act in the worker's name.
    pub fn new(
        service: JobChunkingService,
        processor: Arc<dyn ChunkProcessor>,
        config: WorkerConfig,
    ) -> Self {
        Self { service, processor, config }
    }

    /// Works until the job has ended or stop is said. Then every chunk it still holds is given back.
    ///
    /// # Errors
    /// What makes work impossible: the job is gone, or the database refuses. A database out of reach is waited for.
    pub async fn run(&self, mut stop: StopSignal) -> Result<WorkerEnd> {
        let mut in_flight = InFlight::default();
        let held = Held::new();
        let mut wake_ups = self.service.repository().wake_ups();
        let end = loop {
            if let Some(why) = held.blocked.get() {
                break Ok(WorkerEnd::Blocked(why.clone()));
            }
            if stop.is_stopped() {
                break Ok(WorkerEnd::Stopped);
            }
            // Seen before looking, so that a wake-up between looking and waiting is not missed.
            wake_ups.mark_unchanged();
            let pause = match self.fill(&mut in_flight, &held, &mut stop).await {
                Ok(Some(status)) => break Ok(WorkerEnd::JobEnded(status)),
                Ok(None) => match in_flight.patience(self.config.exit_when_idle) {
                    Some(Duration::ZERO) => break Ok(WorkerEnd::Idle),
                    patience => patience.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL)),
                },
                Err(error) if error.is_unavailable() => {
                    tracing::warn!(%error, "cannot claim, will try again");
                    // However much room there is.
                    in_flight.more = false;
                    UNAVAILABLE_PAUSE
                }
                Err(error) => break Err(error),
            };
            let InFlight { chunks, more, latest, .. } = &mut in_flight;
            tokio::select! {
                () = stop.stopped() => {}
                _ = chunks.join_next(), if !chunks.is_empty() => {}
                () = self.room(latest.clone()), if *more => {}
                _ = wake_ups.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        if matches!(end, Ok(WorkerEnd::Stopped)) {
            self.drain(&mut in_flight, &held).await;
        }
        // Each chunk's task gives its lease back; after an error there may be nobody to give it to.
        held.shutdown.stop();
        if end.is_err() {
            in_flight.chunks.abort_all();
        }
        while in_flight.chunks.join_next().await.is_some() {}
        end
    }

    /// Lets chunks in flight end, for a while.
    async fn drain(&self, in_flight: &mut InFlight, held: &Held) {
        let mut stop = held.stop.clone();
        let ended = async { while in_flight.chunks.join_next().await.is_some() {} };
        tokio::select! {
            () = ended => {}
            // This machine cannot go on.
            () = stop.stopped() => {}
            () = tokio::time::sleep(self.config.drain) => {}
        }
    }

    /// Claims one chunk after another while there is room. Answers the job's status once it has ended and nothing is in
    /// flight.
    async fn fill(
        &self,
        in_flight: &mut InFlight,
        held: &Arc<Held>,
        stop: &mut StopSignal,
    ) -> Result<Option<CrawlJobStatus>> {
        loop {
            while in_flight.chunks.try_join_next().is_some() {}
            let taken = in_flight.chunks.len() as u32;
            in_flight.more = taken > 0 && taken < self.config.chunks_in_flight;
            let room = match taken {
                0 => true,
                _ => in_flight.more && self.room(in_flight.latest.clone()).now_or_never().is_some(),
            };
            if !room {
                return Ok(None);
            }
            let wait = match taken {
                0 => in_flight.patience(self.config.exit_when_idle).unwrap_or(Duration::MAX),
                _ => Duration::ZERO,
            };
            let Some((claimed, asked_at)) = self.claim_one(wait, stop).await? else {
                // Claiming again makes sense after a wake-up or a pause only.
                in_flight.more = false;
                return match self.config.job_id {
                    Some(job_id) if taken == 0 => self.ended(job_id).await,
                    _ => Ok(None),
                };
            };
            let chunk = &claimed.chunk;
            tracing::info!(chunk_id = %chunk.id, job_id = %chunk.job_id, attempt = %chunk.attempt, "chunk started");
            in_flight.idle_since = None;
            let progress = ProgressCell::default();
            in_flight.latest = Some(progress.begun());
            let attempt = Attempt {
                service: self.service.clone(),
                processor: self.processor.clone(),
                claimed: Arc::new(claimed),
                progress,
                held: Arc::clone(held),
                asked_at,
            };
            in_flight.chunks.spawn(attempt.run());
        }
    }

    /// The next chunk, if one comes in time; may wait for one.
    async fn claim_one(
        &self,
        wait: Duration,
        stop: &mut StopSignal,
    ) -> Result<Option<(ClaimedChunk, Instant)>> {
        let mut request = ClaimRequest::new(self.config.task_id.clone(), 1);
        request.job_id = self.config.job_id;
        request.executor = Some(Executor::Ream);
        request.wait = wait.min(self.config.claim_wait);
        let asked_at = Instant::now();
        let mut claim = std::pin::pin!(self.service.claim(request));
        let claimed = tokio::select! {
            biased;
            claimed = &mut claim => claimed?.pop(),
            () = stop.stopped() => {
                // It may be on its way already; what was claimed for nobody is lost until its lease is over.
                let late = tokio::time::timeout(STOPPED_CLAIM, claim).await;
                if let Ok(Ok(late)) = late {
                    for claimed in late {
                        let released = self.service.release(claimed.chunk.id, claimed.chunk.attempt).await;
                        if let Err(error) = released {
                            tracing::warn!(chunk_id = %claimed.chunk.id, %error, "could not give a chunk back");
                        }
                    }
                }
                None
            }
        };
        Ok(claimed.map(|claimed| (claimed, asked_at)))
    }

    /// Room is asked for after the latest chunk has taken what it needs.
    async fn room(&self, latest: Option<Begun>) {
        if let Some(latest) = latest {
            latest.wait().await;
        }
        self.processor.room().await;
    }

    async fn ended(&self, job_id: JobId) -> Result<Option<CrawlJobStatus>> {
        let (job, _) = self.service.repository().glance_at_job(job_id).await?;
        Ok(match job.status() {
            // Nothing is left that a resume could let start.
            CrawlJobStatus::Paused if job.is_done() => Some(CrawlJobStatus::Completed),
            CrawlJobStatus::Pending | CrawlJobStatus::Running | CrawlJobStatus::Paused => None,
            ended => Some(ended),
        })
    }
}

/// What all attempts of a worker share.
struct Held {
    leases: LeaseKeeper,
    /// Why this machine cannot go on.
    blocked: OnceLock<String>,
    /// Tells all attempts to give their chunks back.
    shutdown: Shutdown,
    stop: StopSignal,
}

impl Held {
    fn new() -> Arc<Self> {
        let (shutdown, stop) = Shutdown::new();
        Arc::new(Self { leases: LeaseKeeper::start(), blocked: OnceLock::new(), shutdown, stop })
    }
}

/// The chunks in work.
#[derive(Default)]
struct InFlight {
    chunks: JoinSet<()>,
    /// Whether more may be taken once there is room.
    more: bool,
    latest: Option<Begun>,
    /// Since when there has been nothing to do.
    idle_since: Option<Instant>,
}

impl InFlight {
    /// How long nothing to do may go on, if it has an end.
    fn patience(&mut self, limit: Option<Duration>) -> Option<Duration> {
        if !self.chunks.is_empty() {
            self.idle_since = None;
            return None;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        limit.map(|limit| limit.saturating_sub(since.elapsed()))
    }
}

/// One attempt at one chunk.
struct Attempt {
    service: JobChunkingService,
    processor: Arc<dyn ChunkProcessor>,
    claimed: Arc<ClaimedChunk>,
    progress: ProgressCell,
    held: Arc<Held>,
    asked_at: Instant,
}

impl Attempt {
    async fn run(self) {
        let mut stop = self.held.stop.clone();
        let progress = &self.progress;
        let (service, claimed) = (self.service.clone(), Arc::clone(&self.claimed));
        let holding = self.held.leases.hold(service, claimed, self.asked_at, progress.clone());
        let end = tokio::select! {
            // Work that is done counts, even if stop was said in the same moment.
            biased;
            result = self.processor.process(self.claimed.clone(), progress.clone()) => Ok(result),
            // Without an answer nobody holds the lease any more.
            end = holding => Err(end.unwrap_or(HolderEnd::Overdue)),
            () = stop.stopped() => Err(HolderEnd::Asked("the worker stops")),
        };
        progress.set_begun();
        let chunk_id = self.claimed.chunk.id;
        match end {
            Ok(Ok(outcome)) => self.complete(outcome, &stop).await,
            Ok(Err(ProcessError::Machine(why))) => {
                tracing::debug!(%chunk_id, why, "this machine cannot go on, chunk is given back");
                let _ = self.held.blocked.set(why);
                self.held.shutdown.stop();
                self.give_back().await;
            }
            Ok(Err(ProcessError::Chunk(message))) => {
                tracing::warn!(%chunk_id, message, "chunk failed");
                self.processor.discard(&self.claimed);
                let failed = self.service.mark_chunk_failed(self.claimed.as_ref(), Some(&message)).await;
                self.note("report a failure", failed.map(|_| ()));
            }
            Err(HolderEnd::Asked(reason)) => {
                tracing::debug!(%chunk_id, reason, "chunk is given back");
                self.give_back().await;
            }
            Err(HolderEnd::Overdue) => {
                tracing::warn!(%chunk_id, "no heartbeat came through for a whole lease, chunk is given back");
                // Fenced: if the lease is over for the database as well, this changes nothing.
                self.give_back().await;
            }
            Err(HolderEnd::Lost(reason)) => {
                tracing::warn!(%chunk_id, reason, "chunk is dropped");
                self.processor.discard(&self.claimed);
            }
        }
    }

    async fn give_back(&self) {
        self.processor.discard(&self.claimed);
        let chunk = &self.claimed.chunk;
        let released = self.service.release(chunk.id, chunk.attempt).await;
        self.note("give a chunk back", released.map(|_| ()));
    }

    async fn complete(&self, outcome: Outcome, stop: &StopSignal) {
        // No heartbeat goes out any more: after a lease without an answer there is nothing left to complete.
        let deadline = Instant::now() + Duration::from_millis(self.claimed.lease_duration_ms.unsigned_abs());
        loop {
            let completion = Completion::with_outcome(self.claimed.as_ref(), outcome.clone());
            match self.service.mark_chunk_completed(completion).await {
                Ok(chunk) => {
                    let (chunk_id, job_id) = (chunk.id, chunk.job_id);
                    let (ok, failed) = (outcome.images_ok, outcome.images_failed_total());
                    tracing::info!(%chunk_id, %job_id, images_ok = ok, images_failed = failed, "chunk completed");
                    return self.processor.completed(&chunk).await;
                }
                // The same attempt may say it again; if the lease is lost meanwhile, the answer will tell.
                Err(error) if error.is_unavailable() && Instant::now() < deadline && !stop.is_stopped() => {
                    tracing::warn!(%error, "cannot report a completed chunk, will try again");
                    tokio::time::sleep(UNAVAILABLE_PAUSE).await;
                }
                Err(error) => {
                    // Refused for good: nobody will publish this output. After any other error the completion may
                    // have been written all the same, and the output is still needed.
                    if matches!(error, Error::Conflict { .. } | Error::NotFound { .. }) {
                        self.processor.discard(&self.claimed);
                    }
                    return self.note("report a completed chunk", Err(error));
                }
            }
        }
    }

    fn note(&self, doing: &str, result: Result<(), Error>) {
        if let Err(error) = result {
            let chunk_id = self.claimed.chunk.id;
            tracing::warn!(%chunk_id, %error, "could not {doing}");
        }
    }
}
