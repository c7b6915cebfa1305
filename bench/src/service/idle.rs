//! What workers cost that wait for a chunk, and how soon one has it.

use super::Stage;
use super::served::Served;
use crate::postgres::scene::new_job;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use ream::{ClaimRequest, JobChunkRepository, TaskId};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const WORKERS: usize = 1_000;
/// How long a claim waits at the server.
const WAIT: Duration = Duration::from_secs(60);
/// All connected, but not for so long, is a fault of the bench.
const PATIENCE: Duration = Duration::from_secs(30);
/// After the last has connected.
const SETTLE: Duration = Duration::from_secs(1);
/// Of one core, in percent.
const CPU_AT_MOST: f64 = 5.0;
const MEMORY_AT_MOST_MIB: f64 = 200.0;
const START_AT_MOST_S: f64 = 1.0;

pub(super) fn run(stage: &Stage) -> Result<Findings> {
    let [mut cpu, mut memory, mut starts] = [const { Vec::new() }; 3];
    let mut loads = Vec::new();
    let runs = stage.runs(1);
    for run in 1..=runs {
        say(&format!("idle: {WORKERS} workers for {} s, round {run} of {runs}", stage.scene.seconds));
        let served = Served::start(stage, stage.scene.with_schema()?)?;
        let (share, resident, start) = stage.scene.runtime.block_on(round(stage, &served))?;
        cpu.push(share);
        memory.push(resident);
        starts.push(start);
        loads.push(machine::load());
    }
    let figures = vec![
        Figure::new("idle: server's share of a core", Unit::Percent, cpu).at_most(CPU_AT_MOST),
        Figure::new("idle: server's memory", Unit::Mebibytes, memory).at_most(MEMORY_AT_MOST_MIB),
        Figure::new("idle: a chunk is there, until one has it", Unit::Seconds, starts)
            .at_most(START_AT_MOST_S),
    ];
    let fact = format!(
        "idle     {WORKERS} workers, each with a connection, for {} s; load after each round: {}",
        stage.scene.seconds,
        loads.join(", ")
    );
    Ok(Findings { figures, facts: vec![fact] })
}

/// The server's share of a core and its memory, then the wait for the one chunk.
async fn round(stage: &Stage, served: &Served<'_>) -> Result<(f64, f64, f64)> {
    let (told, mut heard) = mpsc::unbounded_channel();
    let client = served.client(&served.worker)?;
    let mut workers = JoinSet::new();
    for n in 0..WORKERS {
        let request =
            ClaimRequest { wait: WAIT, ..ClaimRequest::new(TaskId::new(format!("bench-worker-{n}"))?, 1) };
        workers.spawn(wait_for_one(client.clone(), request, told.clone()));
    }
    let until = Instant::now() + PATIENCE;
    while machine::open_files(served.pid())? < WORKERS {
        if Instant::now() > until {
            return Err(format!("not all of {WORKERS} workers have connected").into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(SETTLE).await;
    let (before, since) = (served.cpu_s()?, Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(stage.scene.seconds)).await;
    let share = (served.cpu_s()? - before) / since.elapsed().as_secs_f64() * 100.0;
    let resident = served.resident_mib()?;
    let asked = Instant::now();
    new_job(served.client(&served.operator)?, 1).await?;
    let had = tokio::time::timeout(PATIENCE, heard.recv()).await?.ok_or("all workers have gone")??;
    let start = had.saturating_duration_since(asked).as_secs_f64();
    workers.shutdown().await;
    Ok((share, resident, start))
}

/// Asks until there is one, and tells when.
async fn wait_for_one(
    client: Arc<dyn JobChunkRepository>,
    request: ClaimRequest,
    told: mpsc::UnboundedSender<ream::Result<Instant>>,
) {
    let had = loop {
        match client.claim(request.clone()).await {
            Ok(claimed) if claimed.is_empty() => {}
            Ok(_) => break Ok(Instant::now()),
            Err(error) => break Err(error),
        }
    };
    // Nobody hears it at the end.
    let _ = told.send(had);
}
