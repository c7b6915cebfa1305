//! Claiming and completing through the service, beside the bare loop on a copy of the same database.

use crate::report::{Figure, Unit, say};
use crate::{Args, Result, bare, machine};
use ream::{
    CHUNK_SIZE, ChunkRef, ClaimRequest, Completion, CrawlJobService, ErrorClass, JobChunkingService, JobId,
    NewCrawlJob, Outcome, SqliteOptions, SqliteStore, TaskId,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;

pub(crate) const CHUNKS: u64 = 20_000;
const CALLERS: usize = 8;

/// Batch size, and the least share of the bare loop's rate.
const BATCHES: [(u32, f64); 2] = [(1, 0.5), (100, 0.6)];

/// What a worker reports of a chunk of 500 images.
pub(crate) fn outcome() -> Outcome {
    Outcome {
        images_ok: 463,
        images_failed: [(ErrorClass::Http4xx, 27), (ErrorClass::Timeout, 6), (ErrorClass::Connect, 4)].into(),
        bytes: 61_803_398,
        duration_ms: 14_142,
        outputs: vec![
            "_staging/1-17-1/00000017.tar".to_owned(),
            "_staging/1-17-1/00000017.parquet".to_owned(),
        ],
    }
}

/// A database with one job, to be copied for each round.
struct Template {
    path: PathBuf,
    job_id: JobId,
    chunks: u64,
}

impl Template {
    fn new(runtime: &Runtime, dir: &Path, chunks: u64) -> Result<Self> {
        let path = dir.join("template.db");
        let store = Arc::new(SqliteStore::open(&SqliteOptions::new(&path))?);
        let job_id = runtime.block_on(async {
            let job =
                CrawlJobService::new(store.clone()).create_crawl_job(NewCrawlJob::named("bench")).await?;
            let images = i64::try_from(chunks * CHUNK_SIZE)?;
            JobChunkingService::new(store).create_chunks_for_job(job.id, images, None).await?;
            Result::Ok(job.id)
        })?;
        // All of it into the one file that is copied.
        let busy: i64 =
            bare::connect(&path)?.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if busy != 0 { Err("the template is still in use".into()) } else { Ok(Self { path, job_id, chunks }) }
    }

    fn copy(&self, to: &Path) -> Result<()> {
        std::fs::copy(&self.path, to)?;
        Ok(())
    }
}

/// Chunks per second of both sides, one sample a round, and the service's with several callers.
#[derive(Default)]
struct Rates {
    service: Vec<f64>,
    bare: Vec<f64>,
    callers: Vec<f64>,
}

pub(crate) fn run(args: &Args) -> Result<Vec<Figure>> {
    let runtime = Runtime::new()?;
    let dir = args.temp_dir()?;
    let template = Template::new(&runtime, dir.path(), args.chunks(CHUNKS))?;
    let mut figures = Vec::new();
    for (batch, least) in BATCHES {
        let mut rates = Rates::default();
        for run in 1..=args.runs() {
            say(&format!(
                "claim: {} chunks in batches of {batch}, round {run} of {}",
                template.chunks,
                args.runs()
            ));
            round(&runtime, &template, batch, &mut rates)?;
        }
        let Rates { service, bare, callers } = rates;
        figures.extend([
            Figure::new(format!("claim batch {batch}: service"), Unit::ChunksPerSecond, service.clone()),
            Figure::new(format!("claim batch {batch}: bare"), Unit::ChunksPerSecond, bare.clone()),
            Figure::ratio(format!("claim batch {batch}: service / bare"), &service, &bare).at_least(least),
            Figure::new(
                format!("claim batch {batch}: service, {CALLERS} callers"),
                Unit::ChunksPerSecond,
                callers.clone(),
            ),
            Figure::ratio(format!("claim batch {batch}: {CALLERS} callers / bare"), &callers, &bare),
        ]);
    }
    let peak = machine::peak_memory_mib()?;
    figures.push(Figure::new("claim: peak memory, both sides", Unit::Mebibytes, vec![peak]));
    Ok(figures)
}

/// The service, the bare loop and several callers one after another, each on a fresh copy.
fn round(runtime: &Runtime, template: &Template, batch: u32, rates: &mut Rates) -> Result<()> {
    let dir = tempfile::tempdir_in(template.path.parent().ok_or("a file without a folder")?)?;
    let file = |name: &str| -> Result<PathBuf> {
        let path = dir.path().join(name);
        template.copy(&path)?;
        Ok(path)
    };
    let (service, bare, callers) = (file("service.db")?, file("bare.db")?, file("callers.db")?);
    rates.service.push(run_service(runtime, template, &service, batch, 1)?);
    rates.bare.push(run_bare(template, &bare, batch)?);
    rates.callers.push(run_service(runtime, template, &callers, batch, CALLERS)?);
    let (service, bare) = (rows(&service)?, rows(&bare)?);
    if service != bare {
        return Err(format!("the two sides wrote different rows: {service:?} and {bare:?}").into());
    }
    Ok(())
}

fn run_service(
    runtime: &Runtime,
    template: &Template,
    path: &Path,
    batch: u32,
    callers: usize,
) -> Result<f64> {
    let store = Arc::new(SqliteStore::open(&SqliteOptions::new(path))?);
    let worker = TaskId::new("bench-worker-1")?;
    // As a worker's calls are logged.
    let service = JobChunkingService::new(store).acting_as((&worker).into());
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| runtime.spawn(claim_and_complete(service.clone(), ClaimRequest::new(worker.clone(), batch))))
        .collect();
    let mut completed = 0;
    for task in tasks {
        completed += runtime.block_on(task)??;
    }
    rate(template, completed, started)
}

async fn claim_and_complete(service: JobChunkingService, request: ClaimRequest) -> Result<u64> {
    let outcome = outcome();
    let mut completed = 0;
    loop {
        let claimed = service.claim(request.clone()).await?;
        if claimed.is_empty() {
            return Ok(completed);
        }
        let completion = |chunk| Completion::with_outcome(ChunkRef::from(chunk), outcome.clone());
        for answer in service.complete_many(claimed.iter().map(completion).collect()).await? {
            answer?;
            completed += 1;
        }
    }
}

fn run_bare(template: &Template, path: &Path, batch: u32) -> Result<f64> {
    let conn = bare::connect(path)?;
    let outcome = serde_json::to_string(&outcome())?;
    let started = Instant::now();
    let completed = bare::claim_and_complete(&conn, template.job_id.get(), template.chunks, batch, &outcome)?;
    rate(template, completed, started)
}

fn rate(template: &Template, completed: u64, started: Instant) -> Result<f64> {
    let seconds = started.elapsed().as_secs_f64();
    if completed != template.chunks {
        return Err(format!("{completed} of {} chunks were completed", template.chunks).into());
    }
    Ok(completed as f64 / seconds)
}

/// All that was written apart from times, added up.
fn rows(path: &Path) -> Result<Vec<String>> {
    let conn = bare::connect(path)?;
    let sums = [
        "SELECT group_concat(row, '; ') FROM (SELECT concat_ws(',', status, count(*), sum(id * attempt), \
         min(task_id), max(task_id), min(outcome), max(outcome), sum(unpublished), min(last_move), max(last_move), \
         count(lease_expires_at), count(timeout_at), count(started_at), count(finished_at), count(error_message), \
         sum(retry_count)) AS row FROM job_chunks GROUP BY status)",
        "SELECT concat_ws(',', status, total_chunks, active_chunks, completed_chunks, failed_chunks, \
         completed_images, window_images, started_at > 0, window_started_at_ms = started_at) FROM crawl_jobs",
        "SELECT group_concat(row, '; ') FROM (SELECT concat_ws(',', actor, action, from_status, to_status, task_id, \
         unfenced, count(*), sum(chunk_id * attempt), count(message)) AS row FROM activity_log \
         WHERE chunk_id IS NOT NULL GROUP BY actor, action, from_status, to_status, task_id, unfenced)",
    ];
    sums.iter().map(|sql| Ok(conn.query_row(sql, [], |row| row.get(0))?)).collect()
}
