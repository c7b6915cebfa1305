//! One old snapshot is held open while a whole job is done: nothing that dies can be removed.

use super::bare::Script;
use super::claim::TASKS;
use super::cluster::Database;
use super::pgbench::pgbench;
use super::scene::Scene;
use super::work::{self, Work};
use crate::Result;
use crate::claim::outcome;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use ream::JobChunkRepository;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

const CHUNKS: u64 = 200_000;
const BATCH: u32 = 10;
/// The first and the last so many are compared.
const ENDS: u64 = 20_000;
/// The bare script goes in slices of so many, and no further when it has taken too long.
const SLICE: u64 = 4_000;
const BARE_LIMIT: Duration = Duration::from_secs(150);
const AT_LEAST: f64 = 0.7;

pub(super) fn run(scene: &Scene) -> Result<Findings> {
    let clients = u64::from(TASKS * BATCH);
    let chunks = scene.chunks(CHUNKS) / clients * clients;
    let (template, jobs) = scene.template(1, chunks)?;
    let job_id = *jobs.first().ok_or("no job")?;
    let ends = ENDS.min(chunks / 4);
    let mut facts =
        vec![format!("snapshot {chunks} chunks, batches of {BATCH}, {TASKS} tasks or clients, duties")];
    let [mut first, mut last, mut bare_first, mut bare_last] = [const { Vec::<f64>::new() }; 4];
    let runs = scene.runs(1);
    for run in 1..=runs {
        say(&format!("snapshot: {chunks} chunks, round {run} of {runs}"));
        let (at_first, at_last) = service(scene, &template, chunks, ends)?;
        first.push(at_first);
        last.push(at_last);
        say("snapshot: the bare script");
        let script = Script { job_id: job_id.get(), batch: BATCH, log: true }
            .text(&serde_json::to_string(&outcome())?);
        let slices = bare(scene, &template, &script, chunks)?;
        let (at_first, at_last) = ends_of(&slices, ends.min(slices.iter().map(|(_, n)| n).sum::<u64>() / 2));
        bare_first.push(at_first);
        bare_last.push(at_last);
        let done: u64 = slices.iter().map(|(_, chunks)| chunks).sum();
        if done < chunks {
            facts.push(format!("snapshot the bare script was stopped after {done} chunks"));
        }
    }
    let name = "old snapshot";
    let figures = vec![
        Figure::ratio(format!("{name}: service, last / first {ends}"), &last, &first).at_least(AT_LEAST),
        Figure::ratio(format!("{name}: bare, last / first {ends}"), &bare_last, &bare_first),
        Figure::new(format!("{name}: service, first {ends}"), Unit::ChunksPerSecond, first),
        Figure::new(format!("{name}: service, last {ends}"), Unit::ChunksPerSecond, last),
        Figure::new(format!("{name}: bare, first {ends}"), Unit::ChunksPerSecond, bare_first),
        Figure::new(format!("{name}: bare, last {ends}"), Unit::ChunksPerSecond, bare_last),
    ];
    Ok(Findings { figures, facts })
}

/// Rates at both ends.
fn service(scene: &Scene, template: &Database<'_>, chunks: u64, ends: u64) -> Result<(f64, f64)> {
    let database = scene.cluster.copy_of(template)?;
    let held = hold_snapshot(scene, &database)?;
    let repository: Arc<dyn JobChunkRepository> =
        work::open(&scene.runtime, &database.url(), TASKS as usize + 1)?;
    let duties = {
        let _inside = scene.runtime.enter();
        ream::Duties::start(repository.clone())
    };
    let work = Work { tasks: TASKS, batch: BATCH, share: chunks / u64::from(TASKS), jobs: Vec::new() };
    let worked = work.run(&scene.runtime, std::slice::from_ref(&repository), &Arc::default())?;
    scene.runtime.block_on(duties.stop());
    let mut before = 0.0;
    let steps: Vec<(f64, u64)> = worked
        .completions
        .iter()
        .map(|(at, chunks)| (at - std::mem::replace(&mut before, *at), *chunks))
        .collect();
    let answer = ends_of(&steps, ends);
    still_held(scene, held)?;
    Ok(answer)
}

/// Seconds and chunks of each slice.
fn bare(scene: &Scene, template: &Database<'_>, script: &str, chunks: u64) -> Result<Vec<(f64, u64)>> {
    let database = scene.cluster.copy_of(template)?;
    let held = hold_snapshot(scene, &database)?;
    let (started, clients) = (Instant::now(), u64::from(TASKS * BATCH));
    let mut slices = Vec::new();
    let mut done = 0;
    while done < chunks && started.elapsed() < BARE_LIMIT {
        let times = (SLICE.min(chunks - done) / clients).max(1);
        slices.push((pgbench(&database, script, TASKS, times)?.seconds, times * clients));
        done += times * clients;
    }
    still_held(scene, held)?;
    Ok(slices)
}

/// Chunks per second over the first and over the last so many, from steps of seconds and chunks.
fn ends_of(steps: &[(f64, u64)], ends: u64) -> (f64, f64) {
    fn rate<'s>(steps: impl Iterator<Item = &'s (f64, u64)>, ends: u64) -> f64 {
        let (mut seconds, mut chunks) = (0.0, 0);
        for (took, moved) in steps {
            if chunks >= ends {
                break;
            }
            seconds += took;
            chunks += moved;
        }
        chunks as f64 / seconds
    }
    (rate(steps.iter(), ends), rate(steps.iter().rev(), ends))
}

/// A transaction that has read and then stands idle.
fn hold_snapshot(scene: &Scene, database: &Database<'_>) -> Result<Client> {
    scene.runtime.block_on(async {
        let (client, wire) = tokio_postgres::connect(&database.url(), NoTls).await?;
        tokio::spawn(wire);
        client
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM crawl_jobs")
            .await?;
        Ok(client)
    })
}

/// Whether it still sees what it saw: nothing completed.
fn still_held(scene: &Scene, held: Client) -> Result<()> {
    let sql = "SELECT count(*) FROM job_chunks WHERE status <> 'pending'";
    let moved: i64 = scene.runtime.block_on(held.query_one(sql, &[]))?.get(0);
    drop(held);
    if moved == 0 { Ok(()) } else { Err("the old snapshot was not held".into()) }
}
