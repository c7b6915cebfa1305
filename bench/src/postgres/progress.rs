//! Reading how far a very large job has come.

use super::claim::TASKS;
use super::explain::{Plan, plans};
use super::scene::Scene;
use super::work::{self, Work};
use crate::Result;
use crate::report::{Figure, Unit, quantile, say};
use crate::scenarios::Findings;
use ream::{ClaimRequest, JobChunkRepository, JobChunkingService, JobId, TaskId};
use std::sync::Arc;
use std::time::Instant;

const CHUNKS: u64 = 1_000_000;
const BATCH: u32 = 10;
/// Completed in tens before the first look: what counters have to be added up from until a duty has done it, more than
/// comes together in a second.
const MOVED: u64 = 20_000;
/// Left at work.
const PROCESSING: u32 = 200;
const CALLS_PER_ROUND: usize = 1_000;
const AT_MOST_MS: f64 = 5.0;

#[derive(Clone, Copy)]
enum Call {
    Progress,
    Statistics,
    Next,
}

impl Call {
    const ALL: [(Self, &str); 3] = [
        (Self::Progress, "get_job_chunk_progress"),
        (Self::Statistics, "get_chunk_statistics"),
        (Self::Next, "get_next_pending_chunk"),
    ];
}

pub(super) fn run(scene: &Scene) -> Result<Findings> {
    let chunks = scene.large_job(CHUNKS);
    say(&format!("progress: creating {chunks} chunks"));
    let (database, jobs) = scene.template(1, chunks)?;
    let job_id = *jobs.first().ok_or("no job")?;
    let repository: Arc<dyn JobChunkRepository> =
        work::open(&scene.runtime, &database.url(), TASKS as usize)?;
    let service = JobChunkingService::new(repository.clone());
    let share = MOVED.min(chunks / 4) / u64::from(TASKS);
    let work = Work { tasks: TASKS, batch: BATCH, share, jobs: Vec::new() };
    work.run(&scene.runtime, std::slice::from_ref(&repository), &Arc::default())?;
    scene.runtime.block_on(service.claim(ClaimRequest::new(TaskId::new("bench-at-work")?, PROCESSING)))?;
    let deltas = database.sql("SELECT count(*) FROM counter_deltas")?;
    let mut figures = Vec::new();
    let mut facts =
        vec![format!("progress {chunks} chunks, {PROCESSING} processing, {deltas} deltas of counters")];
    for added_up in [false, true] {
        if added_up {
            scene.runtime.block_on(ream::Duties::run_once(repository.as_ref()))?;
        }
        let when = if added_up { "added up" } else { "with deltas" };
        for (call, name) in Call::ALL {
            say(&format!("progress: {name}, {when}"));
            let (mut medians, mut p99s) = (Vec::new(), Vec::new());
            for _ in 0..scene.runs(3) {
                let calls =
                    scene.runtime.block_on(scene.runtime.spawn(round(service.clone(), job_id, call)))??;
                medians.push(quantile(&calls, 0.5));
                p99s.push(quantile(&calls, 0.99));
            }
            let name = format!("{name} of {chunks} chunks, {when}");
            figures.extend([
                Figure::new(format!("{name}: median"), Unit::Milliseconds, medians).at_most(AT_MOST_MS),
                Figure::new(format!("{name}: p99"), Unit::Milliseconds, p99s).at_most(AT_MOST_MS),
            ]);
        }
        let [glance, get, next] = plans(scene, &database, job_id)?;
        let reads = if glance.iter().any(Plan::reads_chunks) { "READS" } else { "does not read" };
        facts.push(format!("plan     of progress and statistics, {when}, which {reads} job_chunks:"));
        facts.extend(shown(&glance));
        if !added_up {
            facts.push("plan     of a job with its task ids:".to_owned());
            facts.extend(shown(&get));
            facts.push("plan     of the next pending chunk:".to_owned());
            facts.extend(shown(&next));
        }
    }
    Ok(Findings { figures, facts })
}

fn shown(plans: &[Plan]) -> Vec<String> {
    plans.iter().flat_map(Plan::plan).map(|line| format!("         {line}")).collect()
}

/// Milliseconds of each call, one after another.
async fn round(service: JobChunkingService, job_id: JobId, call: Call) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(CALLS_PER_ROUND);
    for _ in 0..CALLS_PER_ROUND {
        let started = Instant::now();
        match call {
            Call::Progress => {
                service.get_job_chunk_progress(job_id).await?;
            }
            Call::Statistics => {
                service.get_chunk_statistics(job_id).await?;
            }
            Call::Next => {
                service.get_next_pending_chunk(job_id).await?.ok_or("nothing is pending")?;
            }
        }
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}
