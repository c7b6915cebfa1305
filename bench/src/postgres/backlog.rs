//! How long a claim takes with a long queue and with a short one. Both are held at their length.

use super::claim::TASKS;
use super::cluster::Database;
use super::scene::{Scene, new_job};
use super::work::{self, Work};
use crate::Result;
use crate::report::{Figure, Unit, quantile, say};
use crate::scenarios::Findings;
use ream::JobChunkRepository;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const LONG: u64 = 2_000_000;
const SHORT: u64 = 2_000;
const BATCH: u32 = 10;
/// After so many claimed chunks comes a new job with as many; it queues behind all others.
const REFILL: u64 = 500;
/// Chunks by which the number of chunks is found.
const TRIAL: u64 = 1_000;
const AT_MOST: f64 = 1.5;

/// One queue.
struct Queue<'s> {
    database: Database<'s>,
    p99s: Vec<f64>,
    medians: Vec<f64>,
    rates: Vec<f64>,
}

impl<'s> Queue<'s> {
    fn of(scene: &'s Scene, chunks: u64) -> Result<Self> {
        say(&format!("backlog: creating {chunks} chunks"));
        let (database, _) = scene.template(1, chunks)?;
        Ok(Self { database, p99s: Vec::new(), medians: Vec::new(), rates: Vec::new() })
    }

    /// Works on it, with duties, while what was claimed is refilled. Answers the rate.
    fn work(&self, scene: &Scene, share: u64) -> Result<work::Worked> {
        // Two more than tasks: for the duties, and for what refills.
        let repository: Arc<dyn JobChunkRepository> =
            work::open(&scene.runtime, &self.database.url(), TASKS as usize + 2)?;
        let claimed = Arc::new(AtomicU64::new(0));
        let duties = {
            let _inside = scene.runtime.enter();
            ream::Duties::start(repository.clone())
        };
        let refill = scene.runtime.spawn(refill(repository.clone(), claimed.clone()));
        let work = Work { tasks: TASKS, batch: BATCH, share, jobs: Vec::new() };
        let worked = work.run(&scene.runtime, std::slice::from_ref(&repository), &claimed);
        refill.abort();
        // An error if it was faster to fail than to be aborted.
        if let Ok(Err(error)) = scene.runtime.block_on(refill) {
            return Err(error);
        }
        scene.runtime.block_on(duties.stop());
        worked
    }

    fn round(&mut self, scene: &Scene, share: u64) -> Result<()> {
        let worked = self.work(scene, share)?;
        self.p99s.push(quantile(&worked.claims_ms, 0.99));
        self.medians.push(quantile(&worked.claims_ms, 0.5));
        self.rates.push(worked.rate());
        Ok(())
    }
}

/// Never ends by itself but with an error.
async fn refill(repository: Arc<dyn JobChunkRepository>, claimed: Arc<AtomicU64>) -> Result<()> {
    let mut refilled = 0;
    loop {
        if claimed.load(Ordering::Relaxed) >= refilled + REFILL {
            new_job(repository.clone(), REFILL).await?;
            refilled += REFILL;
        } else {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

pub(super) fn run(scene: &Scene) -> Result<Findings> {
    let mut short = Queue::of(scene, SHORT)?;
    let mut long = Queue::of(scene, scene.chunks(LONG))?;
    let share =
        (short.work(scene, TRIAL / u64::from(TASKS))?.rate() * scene.seconds) as u64 / u64::from(TASKS);
    let runs = scene.runs(5);
    for run in 1..=runs {
        say(&format!("backlog: {} chunks, round {run} of {runs}", share * u64::from(TASKS)));
        long.round(scene, share)?;
        short.round(scene, share)?;
    }
    let figures = vec![
        Figure::ratio("claim with a long queue / a short one, p99", &long.p99s, &short.p99s).at_most(AT_MOST),
        Figure::ratio("claim with a long queue / a short one, median", &long.medians, &short.medians),
        Figure::new("claim with a long queue, p99", Unit::Milliseconds, long.p99s),
        Figure::new("claim with a short queue, p99", Unit::Milliseconds, short.p99s),
        Figure::new("claim with a long queue, median", Unit::Milliseconds, long.medians),
        Figure::new("claim with a short queue, median", Unit::Milliseconds, short.medians),
        Figure::new("claim+complete with a long queue", Unit::ChunksPerSecond, long.rates),
        Figure::new("claim+complete with a short queue", Unit::ChunksPerSecond, short.rates),
    ];
    let fact = format!(
        "backlog  held at {} and at {SHORT} chunks, batches of {BATCH}, {TASKS} tasks, duties, refilled by jobs of {REFILL}",
        scene.chunks(LONG)
    );
    Ok(Findings { figures, facts: vec![fact] })
}
