//! Watchers of one job: how soon they hear its end, and what those cost that never read.

use super::Stage;
use super::served::Served;
use crate::postgres::scene::new_job;
use crate::report::{Figure, Unit, quantile, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use ream::{ChunkRef, ClaimRequest, JobChunkRepository, JobChunkingService, JobId, TaskId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

const WATCHERS: usize = 1_000;
const SILENT: usize = 500;
const PATIENCE: Duration = Duration::from_secs(30);
/// After the last has connected.
const SETTLE: Duration = Duration::from_secs(1);
/// Between two changes of the job: more than watchers are told of.
const STEP: Duration = Duration::from_millis(100);
/// As small as the system allows: who never reads is to hold up the server soon.
const SILENT_BUFFER: u32 = 1;
const END_AT_MOST_S: f64 = 2.0;
const GROWTH_AT_MOST_MIB: f64 = 4.0;

/// A sample a round.
#[derive(Default)]
struct Side {
    last: Vec<f64>,
    median: Vec<f64>,
    cpu: Vec<f64>,
    memory: Vec<f64>,
    growth: Vec<f64>,
}

pub(super) fn run(stage: &Stage) -> Result<Findings> {
    let (mut all_read, mut some_silent) = (Side::default(), Side::default());
    let mut loads = Vec::new();
    let runs = stage.runs(1);
    for run in 1..=runs {
        for (silent, side) in [(0, &mut all_read), (SILENT, &mut some_silent)] {
            say(&format!("watchers: {WATCHERS}, and {silent} that never read, round {run} of {runs}"));
            let served = Served::start(stage, stage.scene.with_schema()?)?;
            stage.scene.runtime.block_on(round(stage, &served, silent, side))?;
            loads.push(machine::load());
        }
    }
    let mut figures = Vec::new();
    let beside = format!("{WATCHERS} watchers beside {SILENT} that never read");
    for (name, side) in [(format!("{WATCHERS} watchers"), all_read), (beside, some_silent)] {
        let name = |what: &str| format!("{name}: {what}");
        figures.extend([
            Figure::new(name("the last hears the end"), Unit::Seconds, side.last).at_most(END_AT_MOST_S),
            Figure::new(name("half have heard it"), Unit::Seconds, side.median),
            Figure::new(name("server's share of a core"), Unit::Percent, side.cpu),
            Figure::new(name("server's memory"), Unit::Mebibytes, side.memory),
            Figure::new(name("what it grew by"), Unit::Mebibytes, side.growth).at_most(GROWTH_AT_MOST_MIB),
        ]);
    }
    let fact = format!(
        "watchers for {} s, of a job that changes every {STEP:?}; load after each round: {}",
        stage.scene.seconds,
        loads.join(", ")
    );
    Ok(Findings { figures, facts: vec![fact] })
}

async fn round(stage: &Stage, served: &Served<'_>, silent: usize, side: &mut Side) -> Result<()> {
    let steps = (stage.scene.seconds / STEP.as_secs_f64()).max(1.0) as u64;
    let job_id = new_job(served.client(&served.operator)?, steps).await?;
    let mut watchers = JoinSet::new();
    let http = reqwest::Client::builder().no_proxy().build()?;
    for _ in 0..WATCHERS {
        let url = format!("{}/v1/jobs/{job_id}/events", served.url);
        watchers.spawn(hear_the_end(http.get(url).bearer_auth(&served.worker)));
    }
    let mut never_read = Vec::new();
    for _ in 0..silent {
        never_read.push(connect_and_ask(served, job_id).await?);
    }
    let until = Instant::now() + PATIENCE;
    while machine::open_files(served.pid())? < WATCHERS + silent {
        if Instant::now() > until {
            return Err("not all watchers have connected".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(SETTLE).await;
    let (cpu, memory, since) = (served.cpu_s()?, served.resident_mib()?, Instant::now());
    let ended = work(served, steps).await?;
    side.cpu.push((served.cpu_s()? - cpu) / since.elapsed().as_secs_f64() * 100.0);
    let mut lags = Vec::new();
    while let Some(heard) = tokio::time::timeout(PATIENCE, watchers.join_next()).await? {
        lags.push(heard??.saturating_duration_since(ended).as_secs_f64());
    }
    let resident = served.resident_mib()?;
    side.last.push(quantile(&lags, 1.0));
    side.median.push(quantile(&lags, 0.5));
    side.memory.push(resident);
    side.growth.push(resident - memory);
    Ok(())
}

/// Works on the only job, a chunk a step. Answers when its end was asked for.
async fn work(served: &Served<'_>, steps: u64) -> Result<Instant> {
    let client = served.client(&served.worker)?;
    let service = JobChunkingService::new(client.clone());
    let mut ended = Instant::now();
    for _ in 0..steps {
        tokio::time::sleep(STEP).await;
        let claimed = client.claim(ClaimRequest::new(TaskId::new("bench-worker")?, 1)).await?;
        let chunk = claimed.first().ok_or("there are chunks left, but none to claim")?;
        ended = Instant::now();
        service.mark_chunk_completed(ChunkRef::from(chunk)).await?;
    }
    Ok(ended)
}

/// Reads events until the last one.
async fn hear_the_end(request: reqwest::RequestBuilder) -> Result<Instant> {
    let mut response = request.send().await?.error_for_status()?;
    let mut text = Vec::new();
    while let Some(piece) = response.chunk().await? {
        text.extend_from_slice(&piece);
        // An event ends with an empty line.
        let Some(end) = text.windows(2).rposition(|two| two == b"\n\n") else { continue };
        let events = String::from_utf8(text.drain(..end + 2).collect())?;
        if events.lines().any(|line| line == "event: end") {
            return Ok(Instant::now());
        }
    }
    Err("the events ended without the job's end".into())
}

/// Asks for events, and that is all.
async fn connect_and_ask(served: &Served<'_>, job_id: JobId) -> Result<TcpStream> {
    let address: SocketAddr = served.url.trim_start_matches("http://").parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SILENT_BUFFER)?;
    let mut stream = socket.connect(address).await?;
    let head = format!(
        "GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\r\n",
        served.worker
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}
