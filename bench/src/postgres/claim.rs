//! Claiming and completing with eight tasks, beside a bare script with eight clients on a copy of the same database.

use super::bare::Script;
use super::cluster::Database;
use super::pgbench::pgbench;
use super::scene::Scene;
use super::statements;
use super::work::{self, Work, Worked};
use crate::Result;
use crate::claim::outcome;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use ream::{JobChunkRepository, JobId, SqliteOptions, SqliteStore};
use std::sync::Arc;

/// The backlog at the beginning of each side.
const BACKLOG: u64 = 200_000;
/// Of which so much may be taken, so that every batch is a full one.
const TAKEN: f64 = 0.9;
pub(super) const TASKS: u32 = 8;
/// Batches of each client by which the number of batches is found.
const TRIAL: u64 = 50;
const AT_LEAST: f64 = 0.7;

/// Rates and processor times of one side, a sample a round.
#[derive(Default)]
struct Side {
    rates: Vec<f64>,
    server: Vec<f64>,
    client: Vec<f64>,
    /// What statements cost in the last round, where that is asked for.
    costs: Vec<String>,
}

impl Side {
    fn push(&mut self, chunks: u64, seconds: f64, server_cpu_s: f64, client_cpu_s: f64) {
        let each = |cpu_s: f64| cpu_s * 1e6 / chunks as f64;
        self.rates.push(chunks as f64 / seconds);
        self.server.push(each(server_cpu_s));
        self.client.push(each(client_cpu_s));
    }

    fn figures(self, name: &str) -> [Figure; 3] {
        [
            Figure::new(name, Unit::ChunksPerSecond, self.rates),
            Figure::new(format!("{name}, server's CPU"), Unit::MicrosecondsPerChunk, self.server),
            Figure::new(format!("{name}, client's CPU"), Unit::MicrosecondsPerChunk, self.client),
        ]
    }
}

/// How the service is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All tasks in one process on one store: their calls share transactions.
    OneStore,
    /// The same, with the duties of a process that serves.
    WithDuties,
    /// As if each task were a process: nothing is shared.
    StorePerTask,
}

/// One batch size on both sides.
struct Match<'s> {
    scene: &'s Scene,
    template: &'s Database<'s>,
    job_id: JobId,
    batch: u32,
    outcome: String,
    /// Batches of each task.
    times: u64,
}

pub(super) fn run(scene: &Scene, batch: u32) -> Result<Findings> {
    let backlog = scene.chunks(BACKLOG);
    let (template, jobs) = scene.template(1, backlog)?;
    let job_id = *jobs.first().ok_or("no job")?;
    let outcome = serde_json::to_string(&outcome())?;
    let mut on = Match { scene, template: &template, job_id, batch, outcome, times: TRIAL };
    on.times = on.times_for(backlog)?;
    let (mut service, mut bare, mut no_log) = (Side::default(), Side::default(), Side::default());
    let (mut duties, mut apart) = (Side::default(), Side::default());
    let runs = scene.runs(5);
    for run in 1..=runs {
        say(&format!("claim batch {batch}: {} chunks of {backlog}, round {run} of {runs}", on.chunks()));
        let rows = on.service(&mut service, Way::OneStore)?;
        let bare_rows = on.bare(&mut bare, true)?;
        if rows != bare_rows {
            return Err(format!("the two sides wrote different rows: {rows:?} and {bare_rows:?}").into());
        }
        on.bare(&mut no_log, false)?;
        on.service(&mut duties, Way::WithDuties)?;
        on.service(&mut apart, Way::StorePerTask)?;
    }
    let name = format!("claim+complete batch {batch}");
    let mut figures = vec![
        Figure::ratio(format!("{name}: service / bare"), &service.rates, &bare.rates).at_least(AT_LEAST),
        Figure::ratio(format!("{name}: service / bare without log"), &service.rates, &no_log.rates),
        Figure::ratio(format!("{name}: service with duties / bare"), &duties.rates, &bare.rates),
        Figure::ratio(format!("{name}: service, a store per task / bare"), &apart.rates, &bare.rates),
    ];
    let fact =
        format!("claim    batch {batch}: {} of {backlog} chunks, {TASKS} tasks or clients", on.chunks());
    let facts = [vec![fact], std::mem::take(&mut service.costs), std::mem::take(&mut bare.costs)].concat();
    figures.extend(service.figures(&format!("{name}: service")));
    figures.extend(bare.figures(&format!("{name}: bare")));
    figures.extend(no_log.figures(&format!("{name}: bare without log")));
    figures.extend(duties.figures(&format!("{name}: service with duties")));
    figures.extend(apart.figures(&format!("{name}: service, a store per task")));
    for survive_power_loss in [false, true] {
        let how = if survive_power_loss { "each commit flushed" } else { "as it comes" };
        say(&format!("claim batch {batch}: the same on SQLite, {how}"));
        let rate = on.on_sqlite(survive_power_loss)?;
        figures.push(Figure::new(format!("{name}: SQLite, {how}"), Unit::ChunksPerSecond, vec![rate]));
    }
    Ok(Findings { figures, facts })
}

impl Match<'_> {
    fn chunks(&self) -> u64 {
        self.times * u64::from(self.batch * TASKS)
    }

    /// As many batches as the bare script does in the time that a side should take.
    fn times_for(&self, backlog: u64) -> Result<u64> {
        let clients = u64::from(self.batch * TASKS);
        let most = ((backlog as f64 * TAKEN) as u64 / clients).max(1);
        let database = self.scene.cluster.copy_of(self.template)?;
        let trial = TRIAL.min(most);
        let ran = pgbench(&database, &self.script(true), TASKS, trial)?;
        // Batches are few enough to count in a float.
        let times = (trial as f64 / ran.seconds * self.scene.seconds) as u64;
        Ok(times.clamp(1, most))
    }

    fn script(&self, log: bool) -> String {
        Script { job_id: self.job_id.get(), batch: self.batch, log }.text(&self.outcome)
    }

    fn work(&self) -> Work {
        Work { tasks: TASKS, batch: self.batch, share: self.times * u64::from(self.batch), jobs: Vec::new() }
    }

    fn service(&self, side: &mut Side, way: Way) -> Result<Vec<String>> {
        let Scene { cluster, runtime, .. } = self.scene;
        let database = cluster.copy_of(self.template)?;
        let (count, each) = if way == Way::StorePerTask { (TASKS, 1) } else { (1, TASKS) };
        let stores = (0..count)
            .map(|_| -> Result<Arc<dyn JobChunkRepository>> {
                Ok(work::open(runtime, &database.url(), each as usize)?)
            })
            .collect::<Result<Vec<_>>>()?;
        let with_duties = stores.first().filter(|_| way == Way::WithDuties);
        let duties = with_duties.map(|store| {
            let _inside = runtime.enter();
            ream::Duties::start(store.clone())
        });
        if self.scene.statements {
            statements::reset(&database)?;
        }
        let before = cluster.cpu_s()?;
        let worked = self.work().run(runtime, &stores, &Arc::default())?;
        side.push(worked.chunks, worked.seconds, cluster.cpu_s()? - before, worked.client_cpu_s);
        if let Some(duties) = duties {
            runtime.block_on(duties.stop());
        }
        drop(stores);
        if self.scene.statements {
            side.costs = statements::told("service", &database, worked.chunks)?;
        }
        self.check(&database, worked.chunks)
    }

    fn bare(&self, side: &mut Side, log: bool) -> Result<Vec<String>> {
        let database = self.scene.cluster.copy_of(self.template)?;
        if self.scene.statements {
            statements::reset(&database)?;
        }
        let ran = pgbench(&database, &self.script(log), TASKS, self.times)?;
        if self.scene.statements {
            side.costs = statements::told("bare", &database, self.chunks())?;
        }
        side.push(self.chunks(), ran.seconds, ran.server_cpu_s, ran.client_cpu_s);
        self.check(&database, self.chunks())
    }

    /// All that was written apart from times and counters, added up; that all was done.
    fn check(&self, database: &Database<'_>, chunks: u64) -> Result<Vec<String>> {
        let completed = database.sql("SELECT count(*) FROM job_chunks WHERE status = 'completed'")?;
        if completed != self.chunks().to_string() || chunks != self.chunks() {
            return Err(format!("{completed} of {} chunks were completed", self.chunks()).into());
        }
        let sums = [
            "SELECT status, count(*), sum(id * attempt), min(task_id), max(task_id), min(outcome::text), \
             max(outcome::text), count(*) FILTER (WHERE unpublished), min(last_move), max(last_move), \
             count(lease_expires_at), count(timeout_at), count(started_at), count(finished_at), \
             count(error_message), sum(retry_count) FROM job_chunks GROUP BY status ORDER BY status",
            "SELECT actor = task_id, action, from_status, to_status, unfenced, count(*), sum(chunk_id * attempt), \
             count(message), count(DISTINCT actor) FROM activity_log WHERE chunk_id IS NOT NULL \
             GROUP BY 1, 2, 3, 4, 5 ORDER BY 2",
        ];
        sums.iter().map(|sql| database.sql(sql)).collect()
    }

    /// The same code and the same number of chunks on the embedded backend, once.
    fn on_sqlite(&self, survive_power_loss: bool) -> Result<f64> {
        let folder = tempfile::Builder::new().prefix("ream-bench-").tempdir()?;
        let mut options = SqliteOptions::new(folder.path().join("ream.db"));
        options.survive_power_loss = survive_power_loss;
        let repository: Arc<dyn JobChunkRepository> = Arc::new(SqliteStore::open(&options)?);
        self.scene.runtime.block_on(super::scene::new_job(repository.clone(), self.scene.chunks(BACKLOG)))?;
        let worked: Worked =
            self.work().run(&self.scene.runtime, std::slice::from_ref(&repository), &Arc::default())?;
        Ok(worked.rate())
    }
}
