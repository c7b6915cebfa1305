//! Reading how far a job has come, with few chunks and with millions, call by call in turn.

use crate::report::{Figure, Unit, quantile, say};
use crate::{Args, Result, bare, machine};
use ream::{CHUNK_SIZE, CrawlJobService, JobChunkingService, JobId, NewCrawlJob, SqliteOptions, SqliteStore};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;

pub(crate) const CHUNKS: u64 = 2_000_000;
const FEW_CHUNKS: u64 = 2_000;
const CALLS_PER_ROUND: usize = 2_000;
const AT_MOST_MS: f64 = 1.0;
const AT_MOST_TIMES: f64 = 2.0;
/// Chunks at work in both databases: first as many as a usual crawl has, then the most whose task ids are shown.
const PROCESSING: [u64; 2] = [200, 1_000];

/// A number that looks random, from the id: what is in which status lies anywhere.
const DICE: &str = "((id * 2654435761) % 4294967296)";

#[derive(Clone, Copy)]
enum Call {
    Next,
    Statistics,
    Progress,
}

impl Call {
    const ALL: [(Self, &str); 3] = [
        (Self::Next, "get_next_pending_chunk"),
        (Self::Statistics, "get_chunk_statistics"),
        (Self::Progress, "get_job_chunk_progress"),
    ];
}

struct Database {
    service: JobChunkingService,
    job_id: JobId,
    path: std::path::PathBuf,
}

impl Database {
    fn new(runtime: &Runtime, dir: &Path, chunks: u64) -> Result<Self> {
        let path = dir.join(format!("{chunks}.db"));
        let store = Arc::new(SqliteStore::open(&SqliteOptions::new(&path))?);
        let jobs = CrawlJobService::new(store.clone());
        let service = JobChunkingService::new(store);
        let job_id = runtime.block_on(jobs.create_crawl_job(NewCrawlJob::named("bench")))?.id;
        let images = i64::try_from(chunks * CHUNK_SIZE)?;
        runtime.block_on(service.create_chunks_for_job(job_id, images, None))?;
        connect(&path)?.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             UPDATE job_chunks SET status = 'completed', attempt = 1, task_id = 'bench-worker-' || id % 100,
                 started_at = created_at, finished_at = created_at, last_move = 'completed_by_holder'
                 WHERE {DICE} % 100 < 40;
             UPDATE job_chunks SET status = 'failed', attempt = 1, started_at = created_at,
                 finished_at = created_at, last_move = 'failed_by_operator' WHERE {DICE} % 100 BETWEEN 40 AND 44;
             UPDATE crawl_jobs SET status = 'running', started_at = updated_at, window_started_at_ms = updated_at,
                 window_images = 500;
             COMMIT;"
        ))?;
        Ok(Self { service, job_id, path })
    }

    /// Starts random chunks until so many are at work, and sets the counters to what is there.
    fn start_until(&self, runtime: &Runtime, processing: u64) -> Result<()> {
        connect(&self.path)?.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             UPDATE job_chunks SET status = 'processing', attempt = 1, task_id = 'bench-worker-' || id % 100,
                 lease_expires_at = created_at + 86400000, timeout_at = created_at + 86400000,
                 started_at = created_at, last_move = 'started'
                 WHERE id IN (SELECT id FROM job_chunks WHERE status = 'pending' ORDER BY {DICE}
                     LIMIT {processing} - (SELECT count(*) FROM job_chunks WHERE status = 'processing'));
             UPDATE crawl_jobs SET (active_chunks, completed_chunks, failed_chunks, completed_images) = (
                 SELECT sum(status = 'processing'), sum(status = 'completed'), sum(status = 'failed'),
                     sum((status = 'completed') * (last_image - first_image + 1)) FROM job_chunks);
             COMMIT;"
        ))?;
        let verdict = runtime.block_on(self.service.repository().verify_job(self.job_id))?;
        if verdict.is_sound() { Ok(()) } else { Err(format!("not a sound job: {verdict:?}").into()) }
    }

    /// Milliseconds of one call.
    async fn time(&self, call: Call) -> Result<f64> {
        let started = Instant::now();
        match call {
            Call::Next => {
                self.service.get_next_pending_chunk(self.job_id).await?.ok_or("nothing is pending")?;
            }
            Call::Statistics => {
                self.service.get_chunk_statistics(self.job_id).await?;
            }
            Call::Progress => {
                self.service.get_job_chunk_progress(self.job_id).await?;
            }
        }
        Ok(started.elapsed().as_secs_f64() * 1000.0)
    }
}

/// To lay out a database without the memory that this would take; what is timed has connections of its own.
fn connect(path: &Path) -> Result<Connection> {
    let conn = bare::connect(path)?;
    conn.execute_batch("PRAGMA temp_store = FILE")?;
    Ok(conn)
}

/// Medians and 99th percentiles, one sample a round.
#[derive(Default)]
struct Times {
    medians: Vec<f64>,
    p99s: Vec<f64>,
}

impl Times {
    fn push(&mut self, calls: &[f64]) {
        self.medians.push(quantile(calls, 0.5));
        self.p99s.push(quantile(calls, 0.99));
    }
}

pub(crate) fn run(args: &Args) -> Result<Vec<Figure>> {
    let runtime = Runtime::new()?;
    let dir = args.temp_dir()?;
    let many_chunks = args.chunks(CHUNKS);
    if many_chunks <= FEW_CHUNKS {
        return Err(format!("progress needs more than {FEW_CHUNKS} chunks").into());
    }
    say(&format!("progress: creating {FEW_CHUNKS} and {many_chunks} chunks"));
    let few = Arc::new(Database::new(&runtime, dir.path(), FEW_CHUNKS)?);
    let many = Arc::new(Database::new(&runtime, dir.path(), many_chunks)?);
    let mut figures = Vec::new();
    for processing in PROCESSING {
        few.start_until(&runtime, processing)?;
        many.start_until(&runtime, processing)?;
        for (call, name) in Call::ALL {
            say(&format!("progress: {name}, {processing} processing"));
            let (mut of_few, mut of_many) = (Times::default(), Times::default());
            for _ in 0..args.runs() {
                let (few_calls, many_calls) =
                    runtime.block_on(runtime.spawn(round(few.clone(), many.clone(), call)))??;
                of_few.push(&few_calls);
                of_many.push(&many_calls);
            }
            let name = format!("{name}, {processing} processing");
            let ms = |chunks: u64, of: &str, samples: &[f64]| {
                let name = format!("{name}: {chunks} chunks, {of}");
                Figure::new(name, Unit::Milliseconds, samples.to_vec()).at_most(AT_MOST_MS)
            };
            figures.extend([
                ms(FEW_CHUNKS, "median", &of_few.medians),
                ms(FEW_CHUNKS, "p99", &of_few.p99s),
                ms(many_chunks, "median", &of_many.medians),
                ms(many_chunks, "p99", &of_many.p99s),
                Figure::ratio(format!("{name}: many / few, median"), &of_many.medians, &of_few.medians)
                    .at_most(AT_MOST_TIMES),
            ]);
        }
    }
    let peak = machine::peak_memory_mib()?;
    figures.push(Figure::new("progress: peak memory, both databases", Unit::Mebibytes, vec![peak]));
    Ok(figures)
}

/// The same call on both databases in turn.
async fn round(few: Arc<Database>, many: Arc<Database>, call: Call) -> Result<(Vec<f64>, Vec<f64>)> {
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    for _ in 0..CALLS_PER_ROUND {
        of_few.push(few.time(call).await?);
        of_many.push(many.time(call).await?);
    }
    Ok((of_few, of_many))
}
