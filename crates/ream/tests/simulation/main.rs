//! Protects the rules of the design over whole histories: the real services on a real database, with workers that
//! crash, freeze and repeat themselves, messages that are lost, doubled and late, operators, duties, and processes that
//! are killed, all drawn from one seed and judged by a small model of its own.
//!
//! `REAM_SIMULATION_SEED=7` runs one history, and tells all of it if it fails; `REAM_SIMULATION_SEEDS=10000` runs so
//! many, from `REAM_SIMULATION_FIRST` on.
#![allow(clippy::unwrap_used)]

mod answer;
mod asking;
mod draw;
mod model;
mod operators;
mod ops;
mod reproductions;
mod run;
mod stories;
mod story;
mod watch;
mod workers;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Histories of a usual run.
const SEEDS: u64 = 300;

/// What any few hundred histories come to: they are worth nothing if nobody ever loses a lease in them.
const REACHED: &[&str] = &[
    "CreateChunks already_chunked",
    "BulkCreate done",
    "BulkCreate validation",
    "Pause job_not_running",
    "Pause wrong_status",
    "Cancel wrong_status",
    "UpdateJob done",
    "Delete done",
    "DeleteAndDie done",
    "Claim not_found",
    "Claim done",
    "Heartbeat done",
    "Heartbeat lease_lost",
    "Complete done",
    "Complete lease_lost",
    "Complete not_found",
    "Fail done",
    "Fail wrong_status",
    "Fail lease_lost",
    "Release done",
    "Release lease_lost",
    "Start done",
    "Start wrong_status",
    "Start job_not_running",
    "Dispatch done",
    "Dispatch job_not_running",
    "Retry done",
    "Retry wrong_status",
    "Split done",
    "Split wrong_status",
    "Publish done",
    "Together done",
    "Locked unavailable",
    "Reopen done",
    "Kill done",
];

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is {text:?}, allowed is a number")))
}

#[test]
fn every_history_follows_the_rules() {
    if let Some(seed) = number("REAM_SIMULATION_SEED") {
        run::seed(seed, true).unwrap_or_else(|told| panic!("{told}"));
        return;
    }
    let first = number("REAM_SIMULATION_FIRST").unwrap_or(0);
    let histories = number("REAM_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let done = all(first, first + histories).unwrap_or_else(|told| panic!("{told}"));
    let missed: Vec<_> = REACHED.iter().filter(|wanted| !done.answers.contains(**wanted)).collect();
    assert!(histories < SEEDS || missed.is_empty(), "{histories} histories never came to {missed:?}");
    let each = done.operations as u64 / histories.max(1);
    assert!(histories < SEEDS || each > 100, "{each} operations each are few");
}

#[test]
fn a_seed_tells_the_same_history_each_time() {
    for seed in 0..4 {
        let (once, again) = (run::whole_trace(seed), run::whole_trace(seed));
        let differs = once.iter().zip(&again).find(|(once, again)| once != again);
        assert_eq!((differs, once.len()), (None, again.len()), "seed {seed}");
    }
}

/// All histories of these seeds, on every core; what the first that fails tells.
fn all(first: u64, end: u64) -> Result<run::Done, String> {
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let sum = Mutex::new(Ok(run::Done::default()));
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            let done = run::seed(seed, false);
            failed.fetch_or(done.is_err(), Ordering::Relaxed);
            let mut sum = sum.lock().unwrap();
            match (sum.as_mut(), done) {
                (Ok(sum), Ok(done)) => sum.add(done),
                (Ok(_), Err(told)) => *sum = Err(told),
                (Err(_), _) => {}
            }
        }
    };
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            threads.spawn(work);
        }
    });
    sum.into_inner().unwrap()
}
