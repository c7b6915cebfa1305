//! Claims and completions over HTTP, beside the same straight on the database, each on a copy of the same one.

use super::Stage;
use super::served::Served;
use crate::postgres::cluster::Database;
use crate::postgres::work::{self, Work, Worked};
use crate::report::{Figure, Unit, quantile, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use ream::JobChunkRepository;
use std::sync::Arc;

const BACKLOG: u64 = 200_000;
/// Of which so much may be taken, so that every batch is a full one.
const TAKEN: f64 = 0.9;
const CLIENTS: u32 = 16;
/// Tasks of the library, on one store.
const TASKS: u32 = 8;
/// Chunks of each client by which their number is found.
const TRIAL: u64 = 200;
const P99_AT_MOST_MS: f64 = 50.0;

/// One of the two ways.
pub(super) struct Way {
    name: &'static str,
    batch: u32,
    at_least: f64,
}

pub(super) const IN_TENS: Way = Way { name: "claims", batch: 10, at_least: 5_000.0 };
pub(super) const ONE_BY_ONE: Way = Way { name: "claims_one", batch: 1, at_least: 1_000.0 };

/// A sample a round.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    claims_p99: Vec<f64>,
    completions_p99: Vec<f64>,
    server: Vec<f64>,
    postgres: Vec<f64>,
    clients: Vec<f64>,
}

/// Processor times, in seconds.
struct Cpu {
    server: f64,
    postgres: f64,
}

impl Side {
    fn push(&mut self, worked: &Worked, cpu: &Cpu) {
        let each = |seconds: f64| seconds * 1e6 / worked.chunks as f64;
        self.rates.push(worked.rate());
        self.claims_p99.push(quantile(&worked.claims_ms, 0.99));
        self.completions_p99.push(quantile(&worked.completing_ms, 0.99));
        self.server.push(each(cpu.server));
        self.postgres.push(each(cpu.postgres));
        self.clients.push(each(worked.client_cpu_s));
    }
}

pub(super) fn run(stage: &Stage, way: &Way) -> Result<Findings> {
    let scene = &stage.scene;
    let backlog = scene.chunks(BACKLOG);
    let (template, _) = scene.template(1, backlog)?;
    let most = (backlog as f64 * TAKEN) as u64 / u64::from(CLIENTS);
    let trial = over_http(stage, way, &template, TRIAL.min(most), &mut Side::default())?;
    let share = ((trial * scene.seconds) as u64 / u64::from(CLIENTS)).clamp(TRIAL.min(most), most);
    let (mut http, mut library) = (Side::default(), Side::default());
    let mut loads = Vec::new();
    let runs = stage.runs(3);
    for run in 1..=runs {
        say(&format!("{}: {} chunks, round {run} of {runs}", way.name, share * u64::from(CLIENTS)));
        over_http(stage, way, &template, share, &mut http)?;
        on_the_database(stage, way, &template, share * u64::from(CLIENTS / TASKS), &mut library)?;
        loads.push(machine::load());
    }
    let name = |what: &str| format!("{}: {what}", way.name);
    let figures = vec![
        Figure::ratio(name("HTTP / library"), &http.rates, &library.rates),
        Figure::new(name("HTTP"), Unit::ChunksPerSecond, http.rates).at_least(way.at_least),
        Figure::new(name("library"), Unit::ChunksPerSecond, library.rates),
        Figure::new(name("a claim, p99"), Unit::Milliseconds, http.claims_p99).at_most(P99_AT_MOST_MS),
        Figure::new(name("a call that completes, p99"), Unit::Milliseconds, http.completions_p99)
            .at_most(P99_AT_MOST_MS),
        Figure::new(name("server's CPU"), Unit::MicrosecondsPerChunk, http.server),
        Figure::new(name("PostgreSQL's CPU"), Unit::MicrosecondsPerChunk, http.postgres),
        Figure::new(name("clients' CPU"), Unit::MicrosecondsPerChunk, http.clients),
        Figure::new(name("library, its own CPU"), Unit::MicrosecondsPerChunk, library.clients),
        Figure::new(name("library, PostgreSQL's CPU"), Unit::MicrosecondsPerChunk, library.postgres),
    ];
    let fact = format!(
        "{}  {CLIENTS} clients, {TASKS} tasks of the library, {} of {backlog} chunks, batches of {}; load after each round: {}",
        way.name,
        share * u64::from(CLIENTS),
        way.batch,
        loads.join(", ")
    );
    Ok(Findings { figures, facts: vec![fact] })
}

/// Answers the rate.
fn over_http(stage: &Stage, way: &Way, template: &Database<'_>, share: u64, side: &mut Side) -> Result<f64> {
    let scene = &stage.scene;
    let served = Served::start(stage, scene.cluster.copy_of(template)?)?;
    let clients = (0..CLIENTS)
        .map(|_| -> Result<Arc<dyn JobChunkRepository>> { Ok(served.client(&served.worker)?) })
        .collect::<Result<Vec<_>>>()?;
    for client in &clients {
        // Connecting is not what is timed.
        scene.runtime.block_on(client.now())?;
    }
    let work = Work { tasks: CLIENTS, batch: way.batch, share, jobs: Vec::new() };
    let (server, postgres) = (served.cpu_s()?, scene.cluster.cpu_s()?);
    let worked = work.run(&scene.runtime, &clients, &Arc::default())?;
    let cpu = Cpu { server: served.cpu_s()? - server, postgres: scene.cluster.cpu_s()? - postgres };
    check(&served.database, &worked)?;
    side.push(&worked, &cpu);
    Ok(worked.rate())
}

fn on_the_database(
    stage: &Stage,
    way: &Way,
    template: &Database<'_>,
    share: u64,
    side: &mut Side,
) -> Result<()> {
    let scene = &stage.scene;
    let database = scene.cluster.copy_of(template)?;
    let store: Arc<dyn JobChunkRepository> = work::open(&scene.runtime, &database.url(), TASKS as usize)?;
    let work = Work { tasks: TASKS, batch: way.batch, share, jobs: Vec::new() };
    // Duties run in a server, so they do here.
    let duties = {
        let _inside = scene.runtime.enter();
        ream::Duties::start(store.clone())
    };
    let postgres = scene.cluster.cpu_s()?;
    let worked = work.run(&scene.runtime, std::slice::from_ref(&store), &Arc::default())?;
    let cpu = Cpu { server: 0.0, postgres: scene.cluster.cpu_s()? - postgres };
    scene.runtime.block_on(duties.stop());
    check(&database, &worked)?;
    side.push(&worked, &cpu);
    Ok(())
}

/// Every chunk that was claimed is completed, by its first attempt.
fn check(database: &Database<'_>, worked: &Worked) -> Result<()> {
    let done = database
        .sql("SELECT count(*), coalesce(max(attempt), 0) FROM job_chunks WHERE status <> 'pending'")?;
    let wanted = format!("{}|1", worked.chunks);
    if done == wanted { Ok(()) } else { Err(format!("chunks and attempts are {done}, not {wanted}").into()) }
}
