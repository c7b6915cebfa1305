//! Protects what was acknowledged: a process is killed over and over at arbitrary moments while it creates, claims,
//! reports, splits; whatever it had been told is done stays done, and every rule holds on what it left behind.
#![allow(clippy::unwrap_used)]

mod sqlite_kit;

use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::{Attempt, ChunkId, JobChunkStatus, JobId, Priority, TaskId};
use ream_store::{
    Actor, ClaimRequest, JobChunkRepository, JobFilter, PageRequest, SqliteOptions, SqliteStore,
};
use sqlite_kit::TestFile;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

const DATABASE: &str = "REAM_TEST_CRASH_DATABASE";
const SEED: &str = "REAM_TEST_CRASH_SEED";
const ROUNDS: u64 = 30;

fn actor() -> Actor {
    Actor::new("victim").unwrap()
}

/// Tells the parent what was acknowledged, in one write: a kill tears no line that came before.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n@{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// The process that is killed: does nothing when run as a test of its own.
#[test]
fn victim() {
    let Ok(path) = std::env::var(DATABASE) else { return };
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let store = Arc::new(SqliteStore::open(&SqliteOptions::new(path)).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let mut loops = tokio::task::JoinSet::new();
        for n in 0..3 {
            loops.spawn(work(store.clone(), fastrand::Rng::with_seed(seed * 3 + n)));
        }
        loops.join_all().await;
    });
}

/// Works until it is killed.
async fn work(store: Arc<SqliteStore>, mut random: fastrand::Rng) {
    let worker = TaskId::new("worker").unwrap();
    let mut held: Vec<(ChunkId, Attempt)> = Vec::new();
    loop {
        let mine = held.pop();
        match (random.u32(..20), mine) {
            (0, _) => {
                let steps = random.u32(..20) == 0;
                let images = if steps { 17_000 } else { random.u64(1..200) };
                // A job that takes several steps is the last to be worked on.
                let (chunk_size, priority) =
                    if steps { (1, Priority::new(0)) } else { (7, Priority::new(5)) };
                let new =
                    NewCrawlJob { chunk_size, priority: priority.unwrap(), ..NewCrawlJob::named("victim") };
                let job = store.create_job(new, &actor()).await.unwrap();
                tell(&format!("job {}", job.id));
                while !store.create_chunks_step(job.id, images, None, &actor()).await.unwrap().done {}
                tell(&format!("chunked {} {images}", job.id));
            }
            (1..=6, _) | (_, None) => {
                let request = ClaimRequest::new(worker.clone(), random.u32(1..6));
                let claimed = store.claim(request).await.unwrap();
                held.extend(claimed.iter().map(|claimed| (claimed.chunk.id, claimed.chunk.attempt)));
                for (chunk_id, attempt) in held.iter().rev().take(claimed.len()) {
                    tell(&format!("held {chunk_id} {attempt}"));
                }
                held.extend(mine);
            }
            (kind, Some((chunk_id, attempt))) => {
                let (event, word) = match kind {
                    7..=9 => (Event::Heartbeat { attempt, progress: None }, "held"),
                    10 | 11 => {
                        (Event::Fail { attempt: Some(attempt), message: Some("fault".to_owned()) }, "failed")
                    }
                    12 => (Event::Release { attempt }, "released"),
                    _ => (Event::Complete { attempt: Some(attempt), outcome: None }, "completed"),
                };
                if store.apply(vec![(chunk_id, event)], &actor()).await.unwrap().remove(0).is_ok() {
                    tell(&format!("{word} {chunk_id} {attempt}"));
                }
                if word == "held" {
                    held.insert(0, (chunk_id, attempt));
                } else if word != "completed" {
                    if let Ok(parts) = store.split_chunk(chunk_id, 2, &actor()).await {
                        tell(&format!("split {chunk_id} {}", parts[1].id));
                    }
                    let _ = store.apply(vec![(chunk_id, Event::Retry)], &actor()).await.unwrap();
                }
            }
        }
    }
}

/// All that was acknowledged, over all rounds.
#[derive(Default)]
struct Acknowledged {
    jobs: BTreeSet<JobId>,
    chunked: BTreeMap<JobId, u64>,
    attempts: BTreeMap<ChunkId, Attempt>,
    completed: BTreeSet<ChunkId>,
    parts: BTreeSet<ChunkId>,
    lines: u64,
}

impl Acknowledged {
    fn note(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |n: usize| words[n].parse::<i64>().unwrap();
        self.lines += 1;
        match words[0] {
            "job" => drop(self.jobs.insert(JobId::new(number(1)))),
            "chunked" => drop(self.chunked.insert(JobId::new(number(1)), number(2).unsigned_abs())),
            "split" => drop(self.parts.insert(ChunkId::new(number(2)))),
            word => {
                let (chunk_id, attempt) = (ChunkId::new(number(1)), Attempt::new(number(2)));
                let last = self.attempts.entry(chunk_id).or_insert(attempt);
                *last = attempt.max(*last);
                if word == "completed" {
                    self.completed.insert(chunk_id);
                }
            }
        }
    }
}

/// Starts the victim, lets it be acknowledged `after` times, and kills it in the midst of what comes next.
fn kill_one(file: &TestFile, seed: u64, after: u64, known: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["victim", "--exact", "--nocapture", "--test-threads=1"])
        .env(DATABASE, file.path())
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut line, mut seen) = (String::new(), 0);
    loop {
        if seen == after {
            // Where exactly the other process is at this moment nobody knows.
            child.kill().unwrap();
        }
        line.clear();
        if lines.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // What was written before the kill still comes; a line that the kill tore has no end.
        if let Some(told) = line.strip_prefix('@').and_then(|line| line.strip_suffix('\n')) {
            known.note(told);
            seen += 1;
        }
    }
    let status = child.wait().unwrap();
    assert!(!status.success() && status.code().is_none(), "killed, not failed: {status}");
}

async fn check(file: &TestFile, known: &Acknowledged) {
    assert_eq!(file.integrity(), "ok");
    let store = file.open();
    let mut page = PageRequest::largest();
    let mut jobs = BTreeSet::new();
    loop {
        let found = store.list_jobs(JobFilter::default(), page).await.unwrap();
        jobs.extend(found.items.iter().map(|job| job.id));
        let Some(next) = found.next else { break };
        page = page.at(Some(next));
    }
    assert!(known.jobs.is_subset(&jobs), "a job was acknowledged and is gone");
    for job_id in &jobs {
        let verdict = store.verify_job(*job_id).await.unwrap();
        assert!(verdict.is_sound(), "{verdict:?}");
        if let Some(images) = known.chunked.get(job_id) {
            assert!(!verdict.creation_unfinished && verdict.chunks > 0, "{verdict:?}");
            assert_eq!(store.get_job(*job_id).await.unwrap().max_images, Some(*images));
        }
    }
    for (chunk_id, attempt) in &known.attempts {
        let chunk = store.get_chunk(*chunk_id).await.unwrap();
        assert!(chunk.attempt >= *attempt, "the attempt of chunk {chunk_id} went back from {attempt}");
        if known.completed.contains(chunk_id) {
            assert_eq!(chunk.status(), JobChunkStatus::Completed, "chunk {chunk_id} was completed");
        }
    }
    for chunk_id in &known.parts {
        store.get_chunk(*chunk_id).await.unwrap();
    }
    // The victims' leases run out, and what they held goes on.
    file.shift_clock(20_000);
    while store.expire_due(500).await.unwrap() > 0 {}
}

#[tokio::test]
async fn what_was_acknowledged_survives_any_number_of_kills() {
    let file = TestFile::new();
    drop(file.open());
    let mut known = Acknowledged::default();
    let mut random = fastrand::Rng::with_seed(20_240_115);
    for round in 0..ROUNDS {
        // At once, after a few answers, or after many: some rounds die while they open the file.
        let after = [0, random.u64(1..5), random.u64(5..60), random.u64(60..400)][round as usize % 4];
        kill_one(&file, round, after, &mut known);
        check(&file, &known).await;
    }
    assert!(
        known.completed.len() > 100 && known.parts.len() > 10,
        "the victims did little work: {} completed, {} split, {} lines",
        known.completed.len(),
        known.parts.len(),
        known.lines
    );
    // Nothing that they left behind is in the way of the next.
    let store = file.open();
    for job_id in &known.jobs {
        if store.verify_job(*job_id).await.unwrap().creation_unfinished {
            while !store.create_chunks_step(*job_id, 17_000, None, &actor()).await.unwrap().done {}
        }
        assert!(store.verify_job(*job_id).await.unwrap().is_sound());
    }
}
