//! A worker that is killed with its lease, and how long its chunk waits for another one.

use super::Stage;
use super::served::Served;
use crate::postgres::scene::new_job;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use crate::{Result, machine, report};
use ream::{ClaimRequest, Heartbeat, JobChunkRepository as _, JobChunkingService, TaskId};
use ream_client::{AccessToken, ClientOptions, RemoteRepository};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A lease of the default policy, and two seconds.
const AT_MOST_S: f64 = 17.0;
/// How long the other worker waits.
const WAIT: Duration = Duration::from_secs(60);
/// Where the child finds its token: a command line is seen by everybody.
const TOKEN: &str = "REAM_TOKEN";

/// Arguments of the worker that is killed.
#[derive(Debug, clap::Args)]
pub(crate) struct HoldChunk {
    /// The server
    url: String,
}

impl HoldChunk {
    /// Claims a chunk, extends its lease, says so, and does nothing more.
    pub(crate) fn run(&self) -> Result<()> {
        let mut options = ClientOptions::new(self.url.parse()?);
        options.token = Some(AccessToken::new(std::env::var(TOKEN)?)?);
        let client = Arc::new(RemoteRepository::connect(&options)?);
        Runtime::new()?.block_on(async {
            let claimed = client.claim(ClaimRequest::new(TaskId::new("bench-killed")?, 1)).await?;
            let chunk = &claimed.first().ok_or("there is nothing to claim")?.chunk;
            let heartbeat = Heartbeat { chunk_id: chunk.id, attempt: chunk.attempt, progress: None };
            // The worst moment to be killed is right after it.
            JobChunkingService::new(client.clone()).heartbeat(heartbeat).await?;
            report::put(&chunk.id.to_string());
            std::future::pending().await
        })
    }
}

pub(super) fn run(stage: &Stage) -> Result<Findings> {
    let mut waits = Vec::new();
    let mut loads = Vec::new();
    let runs = stage.runs(3);
    for run in 1..=runs {
        say(&format!("dead_worker: round {run} of {runs}"));
        let served = Served::start(stage, stage.scene.with_schema()?)?;
        waits.push(round(stage, &served)?);
        loads.push(machine::load());
    }
    let figures =
        vec![Figure::new("dead_worker: its chunk runs again after", Unit::Seconds, waits).at_most(AT_MOST_S)];
    let fact = format!("dead_worker  killed after a heartbeat; load after each round: {}", loads.join(", "));
    Ok(Findings { figures, facts: vec![fact] })
}

/// Seconds from the kill to the next start of the chunk.
fn round(stage: &Stage, served: &Served<'_>) -> Result<f64> {
    let runtime = &stage.scene.runtime;
    runtime.block_on(new_job(served.client(&served.operator)?, 1))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["hold-chunk", &served.url])
        .env(TOKEN, &served.worker)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut held = String::new();
    let read =
        BufReader::new(child.stdout.take().ok_or("the worker's output is not there")?).read_line(&mut held);
    child.kill()?;
    let killed = Instant::now();
    child.wait()?;
    read?;
    let client = served.client(&served.worker)?;
    let request = ClaimRequest { wait: WAIT, ..ClaimRequest::new(TaskId::new("bench-next")?, 1) };
    let claimed = runtime.block_on(client.claim(request))?;
    let next = claimed.first().ok_or("the chunk did not come back")?;
    if next.chunk.id.to_string() != held.trim() || next.chunk.attempt.get() != 2 {
        return Err(format!("chunk {} was claimed, and not {held}", next.chunk.id).into());
    }
    Ok(killed.elapsed().as_secs_f64())
}
