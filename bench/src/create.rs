//! Creating a job's chunks through the service, beside one `INSERT … SELECT` into the same schema.

use crate::report::{Figure, Unit, say};
use crate::{Args, Part, Result, bare, machine};
use ream::{CHUNK_SIZE, CrawlJobService, JobChunkingService, JobId, NewCrawlJob, SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

const CHUNKS: u64 = 1_000_000;
/// 5.85 billion images.
const FULL_CHUNKS: u64 = 11_700_000;
const FULL_AT_MOST_S: f64 = 90.0;
const PEAK_AT_MOST_MIB: f64 = 256.0;

/// What one process measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    seconds: f64,
    disk_mib: f64,
    peak_mib: f64,
}

/// Runs both sides in turn, each time in a new process.
pub(crate) fn run(args: &Args) -> Result<Vec<Figure>> {
    let chunks = if args.full { FULL_CHUNKS } else { args.chunks(CHUNKS) };
    let (mut service, mut bare): (Vec<Sample>, Vec<Sample>) = (Vec::new(), Vec::new());
    for run in 1..=args.runs() {
        say(&format!("create: {chunks} chunks, round {run} of {}", args.runs()));
        service.push(args.run_part(Part::CreateService, chunks)?);
        bare.push(args.run_part(Part::CreateBare, chunks)?);
    }
    let rates = |samples: &[Sample]| samples.iter().map(|s| chunks as f64 / s.seconds).collect::<Vec<_>>();
    let each = |samples: &[Sample], of: fn(&Sample) -> f64| samples.iter().map(of).collect::<Vec<_>>();
    let mut seconds =
        Figure::new(format!("create {chunks}: service"), Unit::Seconds, each(&service, |s| s.seconds));
    if chunks == FULL_CHUNKS {
        seconds = seconds.at_most(FULL_AT_MOST_S);
    }
    Ok(vec![
        seconds,
        Figure::new("create: bare INSERT … SELECT", Unit::Seconds, each(&bare, |s| s.seconds)),
        Figure::new("create: service", Unit::ChunksPerSecond, rates(&service)),
        Figure::new("create: bare", Unit::ChunksPerSecond, rates(&bare)),
        Figure::ratio("create: service / bare", &rates(&service), &rates(&bare)),
        Figure::new("create: service, disk with log", Unit::Mebibytes, each(&service, |s| s.disk_mib)),
        Figure::new("create: bare, disk with log", Unit::Mebibytes, each(&bare, |s| s.disk_mib)),
        Figure::new("create: service, peak memory", Unit::Mebibytes, each(&service, |s| s.peak_mib))
            .at_most(PEAK_AT_MOST_MIB),
        Figure::new("create: bare, peak memory", Unit::Mebibytes, each(&bare, |s| s.peak_mib)),
    ])
}

/// One run of the service.
pub(crate) fn service(args: &Args) -> Result<Sample> {
    let chunks = args.chunks(CHUNKS);
    let dir = args.temp_dir()?;
    let path = dir.path().join("ream.db");
    let runtime = tokio::runtime::Runtime::new()?;
    let store = Arc::new(SqliteStore::open(&SqliteOptions::new(&path))?);
    let job = runtime
        .block_on(CrawlJobService::new(store.clone()).create_crawl_job(NewCrawlJob::named("bench")))?;
    let service = JobChunkingService::new(store);
    let images = i64::try_from(chunks * CHUNK_SIZE)?;
    let started = Instant::now();
    runtime.block_on(service.create_chunks_for_job(job.id, images, None))?;
    finish(started, dir.path(), job.id, chunks)
}

/// One run of the bare statement.
pub(crate) fn bare(args: &Args) -> Result<Sample> {
    let chunks = args.chunks(CHUNKS);
    let dir = args.temp_dir()?;
    let path = dir.path().join("ream.db");
    let job_id = schema_with_job(&path)?;
    let mut conn = bare::connect(&path)?;
    let started = Instant::now();
    bare::create(&mut conn, job_id.get(), i64::try_from(chunks)?, i64::try_from(CHUNK_SIZE)?)?;
    finish(started, dir.path(), job_id, chunks)
}

/// A database of the store's own making with one job without chunks.
fn schema_with_job(path: &Path) -> Result<JobId> {
    let runtime = tokio::runtime::Runtime::new()?;
    let store = Arc::new(SqliteStore::open(&SqliteOptions::new(path))?);
    Ok(runtime.block_on(CrawlJobService::new(store).create_crawl_job(NewCrawlJob::named("bench")))?.id)
}

/// Stops the watch, reads the sizes and makes sure that the chunks are there.
fn finish(started: Instant, dir: &Path, job_id: JobId, chunks: u64) -> Result<Sample> {
    let seconds = started.elapsed().as_secs_f64();
    let peak_mib = machine::peak_memory_mib()?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    let found: (i64, i64) = bare::connect(&dir.join("ream.db"))?.query_row(
        "SELECT count(*), max(last_image) + 1 FROM job_chunks WHERE job_id = ?1",
        [job_id.get()],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if found != (i64::try_from(chunks)?, i64::try_from(chunks * CHUNK_SIZE)?) {
        return Err(format!("{found:?} chunks and images instead of {chunks} chunks").into());
    }
    Ok(Sample { seconds, disk_mib: bytes as f64 / f64::from(1 << 20), peak_mib })
}
