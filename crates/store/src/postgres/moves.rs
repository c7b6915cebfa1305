//! Moves of chunks within one transaction: each chunk is read and locked once, moved by the pure function as often as
//! asked, and written once, at the end.

use super::error::Tried;
use super::rows::{Columns, collect};
use super::statement::Sql;
use super::transaction::Transaction;
use super::writes::{Change, LogRow, Writes};
use crate::repository::Actor;
use ream_core::effects::Effects;
use ream_core::event::Event;
use ream_core::job::Counters;
use ream_core::transition::{Context, transition};
use ream_core::{
    ChunkId, ChunkState, Error, JobChunk, JobChunkStatus, JobGate, JobId, Policy, Result, Timestamp,
};
use std::collections::BTreeMap;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

macro_rules! lock_chunks {
    ($how:literal) => {
        concat!(
            "SELECT ",
            chunk_columns!(),
            " FROM job_chunks WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
            $how
        )
    };
}

/// Chunks by their ids, locked in the order of their ids: two that want the same never wait for each other in a ring.
pub(super) static LOCK_CHUNKS: Sql = Sql::new("read chunks", lock_chunks!(""), &[Type::INT8_ARRAY]);

/// The same without those that somebody else has locked.
pub(super) static LOCK_FREE_CHUNKS: Sql =
    Sql::new("read chunks", lock_chunks!(" SKIP LOCKED"), &[Type::INT8_ARRAY]);

/// Keeps the gates of these chunks' jobs from being closed before this transaction's end. In the order of the jobs, of
/// chunks that are found first: an index by job has all chunks in that order, and would be read from end to end.
pub(super) static HOLD_GATES: Sql = Sql::new(
    "hold the gates of jobs",
    "WITH named AS MATERIALIZED (SELECT job_id FROM job_chunks WHERE id = ANY ($1)) \
     SELECT pg_advisory_xact_lock_shared(ream_gate_key(job_id)) \
     FROM (SELECT DISTINCT job_id FROM named ORDER BY job_id) j",
    &[Type::INT8_ARRAY],
);

/// What the moves of these chunks depend on, and the time. Jobs that are deleted or whose chunks nobody may see yet are
/// not there. After the chunks are locked, so that leases begin when the waiting is over.
pub(super) static JOBS_OF_CHUNKS: Sql = Sql::new(
    "read the jobs of chunks",
    concat!(
        "SELECT ream_now(), pg_current_xact_id()::text::bigint, j.id, j.gate, ",
        policy_columns!("j."),
        " FROM (SELECT DISTINCT job_id FROM job_chunks WHERE id = ANY ($1)) c \
         JOIN crawl_job_rows j ON j.id = c.job_id WHERE j.deleted_at IS NULL AND j.total_chunks > 0"
    ),
    &[Type::INT8_ARRAY],
);

/// What a transition depends on besides its chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobFacts {
    pub(super) policy: Policy,
    pub(super) gate: JobGate,
}

/// What the moves did to one job.
#[derive(Debug, Default)]
pub(super) struct JobMoves {
    pub(super) delta: Counters,
    pub(super) starts: bool,
}

impl JobMoves {
    /// Whether there is anything to count.
    pub(super) fn counts(&self) -> bool {
        self.starts || self.delta != Counters::default()
    }
}

/// Moves of any number of chunks within one transaction.
pub(super) struct Moves {
    pub(super) now: Timestamp,
    pub(super) jobs: BTreeMap<JobId, JobFacts>,
    /// As they were read, and as moves have left them.
    pub(super) chunks: BTreeMap<ChunkId, JobChunk>,
    /// Who makes the next steps.
    pub(super) actor: Actor,
    writes: Writes,
}

/// What a reading of chunks does about others who use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Waits for whoever has locked one of them.
    Wait,
    /// The same, and keeps the gates of their jobs from being closed.
    WaitAndHoldGates,
    /// Takes what is free and leaves the rest: waits for nobody.
    Free,
}

impl Moves {
    /// Chunks and jobs that were read and locked in this transaction.
    pub(super) fn new(
        now: Timestamp,
        actor: Actor,
        jobs: BTreeMap<JobId, JobFacts>,
        chunks: impl IntoIterator<Item = JobChunk>,
    ) -> Self {
        let writes = Writes { now: Some(now), ..Writes::default() };
        let chunks = chunks.into_iter().map(|chunk| (chunk.id, chunk)).collect();
        Self { now, jobs, chunks, actor, writes }
    }

    /// Begins a transaction and reads and locks these chunks in it.
    pub(super) async fn begin(tx: &Transaction, ids: &[ChunkId], how: Lock, actor: &Actor) -> Tried<Self> {
        Self::read_after(tx.begin(), tx, ids, how, actor).await
    }

    /// The same in a transaction that has begun.
    pub(super) async fn read(tx: &Transaction, ids: &[ChunkId], how: Lock, actor: &Actor) -> Tried<Self> {
        Self::read_after(std::future::ready(Ok(())), tx, ids, how, actor).await
    }

    /// Sends what comes `first` together with the reading.
    async fn read_after(
        first: impl Future<Output = Tried<()>>,
        tx: &Transaction,
        ids: &[ChunkId],
        how: Lock,
        actor: &Actor,
    ) -> Tried<Self> {
        let mut ids: Vec<i64> = ids.iter().map(|id| id.get()).collect();
        ids.sort_unstable();
        ids.dedup();
        let lock = if how == Lock::Free { &LOCK_FREE_CHUNKS } else { &LOCK_CHUNKS };
        let (gates, lock) = (tx.ready(&HOLD_GATES).await?, tx.ready(lock).await?);
        let holds = how == Lock::WaitAndHoldGates;
        let jobs = tx.ready(&JOBS_OF_CHUNKS).await?;
        let hold_gates = async { if holds { gates.rows(&[&ids]).await.map(|_| ()) } else { Ok(()) } };
        let (begun, held, chunks, jobs) =
            futures::join!(first, hold_gates, async { lock.rows(&[&ids]).await }, async {
                jobs.rows(&[&ids]).await
            });
        begun?;
        held?;
        let chunks = collect(&chunks?, Columns::chunk)?;
        let (now, jobs) = read_jobs(tx, &jobs?)?;
        Ok(Self::new(now, actor.clone(), jobs, chunks))
    }

    /// The policy of a chunk's job.
    pub(super) fn policy_of(&self, chunk: &JobChunk) -> Result<Policy> {
        Ok(self.jobs.get(&chunk.job_id).ok_or_else(|| Error::no_job(chunk.job_id))?.policy)
    }

    /// A chunk of a job that is not deleted and has its chunks, as moves have left it.
    pub(super) fn chunk(&self, chunk_id: ChunkId) -> Result<&JobChunk> {
        let chunk = self.chunks.get(&chunk_id).ok_or_else(|| Error::no_chunk(chunk_id))?;
        self.jobs.get(&chunk.job_id).map(|_| chunk).ok_or_else(|| Error::no_chunk(chunk_id))
    }

    /// Applies one event. A refusal leaves everything as it was.
    pub(super) fn step(&mut self, chunk_id: ChunkId, event: Event) -> Result<JobChunk> {
        let chunk = self.chunk(chunk_id)?.clone();
        let job = *self.jobs.get(&chunk.job_id).ok_or_else(|| Error::no_chunk(chunk_id))?;
        let (from, heartbeat) = (chunk.status(), matches!(event, Event::Heartbeat { .. }));
        let cx = Context { now: self.now, policy: &job.policy, gate: job.gate, jitter: fastrand::f64() };
        let done = transition(chunk, event, &cx)?;
        if done.changed {
            self.chunks.insert(chunk_id, done.chunk.clone());
            self.note_change(change(from, heartbeat, &done.chunk), &done.chunk);
            self.record(&done.chunk, done.effects);
        }
        Ok(done.chunk)
    }

    /// Several changes of one chunk are written together, as the widest.
    fn note_change(&mut self, change: Change, chunk: &JobChunk) {
        let change = match self.writes.chunks.get(&chunk.id) {
            Some(_) => Change::Any,
            None => change,
        };
        self.writes.chunks.insert(chunk.id, (change, chunk.clone()));
    }

    /// Notes effects of a change that is written otherwise.
    pub(super) fn record(&mut self, chunk: &JobChunk, effects: Effects) {
        if let Some(entry) = effects.log {
            let actor = self.actor.clone();
            self.writes.log.push(LogRow { actor, job_id: chunk.job_id, chunk_id: chunk.id, entry });
        }
        self.writes.wakes_claimers |= effects.wakes_claimers;
        let moves = self.writes.jobs.entry(chunk.job_id).or_default();
        moves.delta = moves.delta.plus(effects.counters);
        moves.starts |= effects.starts_job;
    }

    /// What is to be written.
    pub(super) fn into_writes(self) -> Writes {
        self.writes
    }
}

fn change(from: JobChunkStatus, heartbeat: bool, chunk: &JobChunk) -> Change {
    match (from, &chunk.state) {
        _ if heartbeat => Change::Heartbeat,
        (JobChunkStatus::Pending, ChunkState::Processing { .. }) => Change::Start,
        (JobChunkStatus::Processing, ChunkState::Completed { .. }) => Change::Complete,
        _ => Change::Any,
    }
}

/// From rows of [`JOBS_OF_CHUNKS`]. Without any of them no chunk is there, and the time does not matter.
pub(super) fn read_jobs(tx: &Transaction, rows: &[Row]) -> Result<(Timestamp, BTreeMap<JobId, JobFacts>)> {
    let mut jobs = BTreeMap::new();
    let mut now = Timestamp::from_unix_ms(0);
    for row in rows {
        let mut columns = Columns::of(row);
        now = now.max(columns.time()?);
        tx.note_xid(columns.get()?);
        let id = JobId::new(columns.get()?);
        let gate = columns.word(JobGate::parse)?;
        jobs.insert(id, JobFacts { gate, policy: columns.policy()? });
    }
    Ok((now, jobs))
}
