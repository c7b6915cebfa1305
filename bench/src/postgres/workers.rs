//! 32 workers on one job beside 32 workers on 32 jobs: whether workers of one job stand in each other's way.

use super::cluster::Database;
use super::scene::Scene;
use super::work::{self, Work};
use crate::Result;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use ream::{JobChunkRepository, JobId};
use std::sync::Arc;

const WORKERS: u32 = 32;
const BACKLOG: u64 = 200_000;
const BATCH: u32 = 10;
/// The part of the backlog that is taken. A job of its own has enough for its worker.
const TAKEN: f64 = 0.8;
/// Chunks by which the number of chunks is found.
const TRIAL: u64 = 100;
const AT_LEAST: f64 = 0.9;

pub(super) fn run(scene: &Scene) -> Result<Findings> {
    let per_job = scene.chunks(BACKLOG) / u64::from(WORKERS);
    let one = scene.template(1, per_job * u64::from(WORKERS))?;
    let many = scene.template(u64::from(WORKERS), per_job)?;
    let share = {
        let most = ((per_job as f64 * TAKEN) as u64).max(1);
        let trial = TRIAL.min(most);
        let rate = rate(scene, &one.0, Vec::new(), trial)?;
        ((rate * scene.seconds) as u64 / u64::from(WORKERS)).clamp(1, most)
    };
    let [mut any_of_one, mut any_of_many, mut named_one, mut own_of_many] = [const { Vec::<f64>::new() }; 4];
    let runs = scene.runs(5);
    for run in 1..=runs {
        say(&format!("workers: {WORKERS} of them, {share} chunks each, round {run} of {runs}"));
        any_of_one.push(rate(scene, &one.0, Vec::new(), share)?);
        any_of_many.push(rate(scene, &many.0, Vec::new(), share)?);
        named_one.push(rate(scene, &one.0, one.1.clone(), share)?);
        own_of_many.push(rate(scene, &many.0, many.1.clone(), share)?);
    }
    let name = format!("{WORKERS} workers");
    let figures = vec![
        Figure::ratio(format!("{name}, any job: 1 job / {WORKERS} jobs"), &any_of_one, &any_of_many)
            .at_least(AT_LEAST),
        Figure::ratio(format!("{name}, own job: 1 job / {WORKERS} jobs"), &named_one, &own_of_many)
            .at_least(AT_LEAST),
        Figure::new(format!("{name}, any job: 1 job"), Unit::ChunksPerSecond, any_of_one),
        Figure::new(format!("{name}, any job: {WORKERS} jobs"), Unit::ChunksPerSecond, any_of_many),
        Figure::new(format!("{name}, own job: 1 job"), Unit::ChunksPerSecond, named_one),
        Figure::new(format!("{name}, own job: {WORKERS} jobs"), Unit::ChunksPerSecond, own_of_many),
    ];
    let fact = format!("workers  {WORKERS} tasks and connections, batches of {BATCH}, {share} chunks each");
    Ok(Findings { figures, facts: vec![fact] })
}

/// Chunks per second on a copy of a database.
fn rate(scene: &Scene, template: &Database<'_>, jobs: Vec<JobId>, share: u64) -> Result<f64> {
    let database = scene.cluster.copy_of(template)?;
    let repository: Arc<dyn JobChunkRepository> =
        work::open(&scene.runtime, &database.url(), WORKERS as usize)?;
    let work = Work { tasks: WORKERS, batch: BATCH, share, jobs };
    Ok(work.run(&scene.runtime, std::slice::from_ref(&repository), &Arc::default())?.rate())
}
