//! Creating a job's chunks through the service, beside one `INSERT … SELECT` in one transaction.

use super::cluster::Database;
use super::scene::{Scene, new_job};
use super::work;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use ream::{CHUNK_SIZE, CrawlJobService, NewCrawlJob};
use ream_system_tests::process::run as run_command;
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Instant;
use tokio::runtime::Runtime;

const CHUNKS: u64 = 2_000_000;
const AT_LEAST: f64 = 0.9;

/// What one run measured.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sample {
    seconds: f64,
    peak_mib: f64,
}

pub(super) fn run(scene: &Scene) -> Result<Findings> {
    let chunks = scene.chunks(CHUNKS);
    let template = scene.with_schema()?;
    let (mut service, mut bare, mut peaks, mut sizes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let runs = scene.runs(3);
    for run in 1..=runs {
        say(&format!("create: {chunks} chunks, round {run} of {runs}"));
        let database = scene.cluster.copy_of(&template)?;
        let sample = in_a_child(&database, chunks)?;
        check(&database, chunks)?;
        service.push(chunks as f64 / sample.seconds);
        peaks.push(sample.peak_mib);
        drop(database);
        let database = scene.cluster.copy_of(&template)?;
        bare.push(chunks as f64 / insert(scene, &database, chunks)?);
        check(&database, chunks)?;
        let bytes: f64 = database.sql("SELECT pg_total_relation_size('job_chunks')")?.parse()?;
        sizes.push(bytes / f64::from(1 << 20));
    }
    let name = format!("create {chunks}");
    let figures = vec![
        Figure::ratio(format!("{name}: service / bare"), &service, &bare).at_least(AT_LEAST),
        Figure::new(format!("{name}: service"), Unit::ChunksPerSecond, service),
        Figure::new(format!("{name}: bare INSERT … SELECT"), Unit::ChunksPerSecond, bare),
        Figure::new(format!("{name}: client's peak memory"), Unit::Mebibytes, peaks),
        Figure::new(format!("{name}: table with indexes"), Unit::Mebibytes, sizes),
    ];
    Ok(Findings { figures, facts: Vec::new() })
}

/// The service in a process of its own, so that its peak of memory is its own.
fn in_a_child(database: &Database<'_>, chunks: u64) -> Result<Sample> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["postgres", "--create-in", &database.url(), "--chunks", &chunks.to_string()]);
    Ok(serde_json::from_slice(&run_command(&mut child)?.stdout)?)
}

/// What that process does.
pub(super) fn child(url: &str, chunks: u64) -> Result<Sample> {
    let runtime = Runtime::new()?;
    let store = work::open(&runtime, url, 1)?;
    let started = Instant::now();
    runtime.block_on(new_job(store, chunks))?;
    Ok(Sample { seconds: started.elapsed().as_secs_f64(), peak_mib: machine::peak_memory_mib()? })
}

/// Seconds of the bare statement.
fn insert(scene: &Scene, database: &Database<'_>, chunks: u64) -> Result<f64> {
    let store = work::open(&scene.runtime, &database.url(), 1)?;
    let jobs = CrawlJobService::new(store);
    let job_id = scene.runtime.block_on(jobs.create_crawl_job(NewCrawlJob::named("bench")))?.id.get();
    let sql = format!(
        "INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at) \
         SELECT {job_id}, i, 5, i * {CHUNK_SIZE}, i * {CHUNK_SIZE} + {CHUNK_SIZE} - 1, now(), now() \
         FROM generate_series(0::bigint, {chunks} - 1) i; \
         UPDATE crawl_job_rows SET max_images = {chunks} * {CHUNK_SIZE}, total_chunks = {chunks}, \
         next_chunk_index = {chunks} WHERE id = {job_id}"
    );
    let started = Instant::now();
    database.sql(&sql)?;
    Ok(started.elapsed().as_secs_f64())
}

fn check(database: &Database<'_>, chunks: u64) -> Result<()> {
    let found = database.sql("SELECT count(*), max(last_image) + 1 FROM job_chunks")?;
    let wanted = format!("{chunks}|{}", chunks * CHUNK_SIZE);
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{found} chunks and images instead of {wanted}").into())
    }
}
