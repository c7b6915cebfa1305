//! Tasks that claim and complete through the service, whatever the backend.

use super::cpu;
use crate::Result;
use crate::claim::outcome;
use ream::{
    ChunkRef, ClaimRequest, Completion, JobChunkRepository, JobChunkingService, JobId, PostgresOptions,
    PostgresStore, TaskId,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// How long a task waits when there is nothing to claim.
const PAUSE: Duration = Duration::from_millis(1);
/// Nothing to claim for so long is a fault of the bench.
const PATIENCE: Duration = Duration::from_secs(30);

/// What tasks are to do.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) tasks: u32,
    pub(crate) batch: u32,
    /// Chunks that each task claims and completes.
    pub(crate) share: u64,
    /// The job that each task names in turn; none names no job.
    pub(crate) jobs: Vec<JobId>,
}

/// What they did.
#[derive(Debug, Default)]
pub(crate) struct Worked {
    pub(crate) seconds: f64,
    pub(crate) chunks: u64,
    /// Each claim, in milliseconds.
    pub(crate) claims_ms: Vec<f64>,
    /// Each call that completes a batch, likewise.
    pub(crate) completing_ms: Vec<f64>,
    /// When so many chunks were completed at once, in seconds from the beginning; in that order.
    pub(crate) completions: Vec<(f64, u64)>,
    pub(crate) client_cpu_s: f64,
}

impl Worked {
    pub(crate) fn rate(&self) -> f64 {
        self.chunks as f64 / self.seconds
    }
}

/// Opens a database with a pool of this size.
pub(crate) fn open(runtime: &Runtime, url: &str, connections: usize) -> Result<Arc<PostgresStore>> {
    let mut options = PostgresOptions::new(url);
    options.max_connections = connections;
    let store = Arc::new(runtime.block_on(PostgresStore::open(&options))?);
    // Connecting is not what is timed.
    let looks: Vec<_> = (0..connections)
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.now().await })
        })
        .collect();
    for look in looks {
        runtime.block_on(look)??;
    }
    Ok(store)
}

impl Work {
    /// Does it: each task with the next of the stores in turn. `claimed` counts along, for who refills.
    pub(crate) fn run(
        &self,
        runtime: &Runtime,
        stores: &[Arc<dyn JobChunkRepository>],
        claimed: &Arc<AtomicU64>,
    ) -> Result<Worked> {
        let cpu_before = cpu::own_s()?;
        let started = Instant::now();
        let mut tasks = Vec::new();
        for (n, store) in (0..self.tasks).zip(stores.iter().cycle()) {
            let worker = TaskId::new(format!("bench-worker-{n}"))?;
            // As a worker's calls are logged.
            let service = JobChunkingService::new(store.clone()).acting_as((&worker).into());
            let mut request = ClaimRequest::new(worker, self.batch);
            request.job_id = self.jobs.get(n as usize % self.jobs.len().max(1)).copied();
            tasks.push(runtime.spawn(one_task(service, request, self.share, started, claimed.clone())));
        }
        let mut worked = Worked::default();
        for task in tasks {
            let one = runtime.block_on(task)??;
            worked.chunks += one.chunks;
            worked.claims_ms.extend(one.claims_ms);
            worked.completing_ms.extend(one.completing_ms);
            worked.completions.extend(one.completions);
        }
        worked.seconds = started.elapsed().as_secs_f64();
        worked.client_cpu_s = cpu::own_s()? - cpu_before;
        worked.completions.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        Ok(worked)
    }
}

async fn one_task(
    service: JobChunkingService,
    mut request: ClaimRequest,
    share: u64,
    started: Instant,
    all_claimed: Arc<AtomicU64>,
) -> Result<Worked> {
    let outcome = outcome();
    let (batch, mut worked, mut idle_since) = (request.limit, Worked::default(), None);
    while worked.chunks < share {
        request.limit = batch.min(u32::try_from(share - worked.chunks).unwrap_or(batch));
        let asked = Instant::now();
        let claimed = service.claim(request.clone()).await?;
        worked.claims_ms.push(asked.elapsed().as_secs_f64() * 1000.0);
        if claimed.is_empty() {
            if idle_since.get_or_insert(asked).elapsed() > PATIENCE {
                return Err(format!("nothing to claim after {} of {share} chunks", worked.chunks).into());
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        idle_since = None;
        all_claimed.fetch_add(claimed.len() as u64, Ordering::Relaxed);
        let completion = |chunk| Completion::with_outcome(ChunkRef::from(chunk), outcome.clone());
        let asked = Instant::now();
        for answer in service.complete_many(claimed.iter().map(completion).collect()).await? {
            answer?;
        }
        worked.completing_ms.push(asked.elapsed().as_secs_f64() * 1000.0);
        worked.chunks += claimed.len() as u64;
        worked.completions.push((started.elapsed().as_secs_f64(), claimed.len() as u64));
    }
    Ok(worked)
}
