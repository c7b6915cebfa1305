//! Carries out transitions: chunk, counters and activity log in one transaction.

use super::error::Doing;
use super::rows::{CHUNK_COLUMNS, JOB_COLUMNS};
use super::threads::WriteContext;
use super::{clock, rows};
use crate::repository::Actor;
use ream_core::effects::{Effects, LogEntry};
use ream_core::event::Event;
use ream_core::job::Counters;
use ream_core::transition::{Context, transition};
use ream_core::{
    Action, ChunkId, ChunkState, CrawlJob, DatabaseFault, Error, JobChunk, JobChunkStatus, JobDelta, JobId,
    Lease, Result, TaskId, Timestamp,
};
use rusqlite::{Connection, OptionalExtension, named_params, params};
use std::collections::BTreeMap;

/// Moves of any number of chunks within one transaction. Each job is read once and written once, at the end.
pub(super) struct Moves<'c> {
    pub(super) conn: &'c Connection,
    pub(super) now: Timestamp,
    actor: Actor,
    jobs: BTreeMap<JobId, MovedJob>,
    wakes_claimers: bool,
}

struct MovedJob {
    job: CrawlJob,
    delta: Counters,
    starts: bool,
    changed: bool,
}

impl<'c> Moves<'c> {
    pub(super) fn begin(cx: &WriteContext<'c>, actor: &Actor) -> Result<Self> {
        Ok(Self {
            conn: cx.conn,
            now: clock::now(cx.conn)?,
            actor: actor.clone(),
            jobs: BTreeMap::new(),
            wakes_claimers: false,
        })
    }

    /// The job as it was before these moves, read at most once.
    pub(super) fn job(&mut self, job_id: JobId) -> Result<Option<&CrawlJob>> {
        if !self.jobs.contains_key(&job_id) {
            let Some(job) = load_job(self.conn, job_id)? else { return Ok(None) };
            self.jobs
                .insert(job_id, MovedJob { job, delta: Counters::default(), starts: false, changed: false });
        }
        Ok(self.jobs.get(&job_id).map(|moved| &moved.job))
    }

    /// Loads a chunk of a job that is not deleted and has its chunks.
    pub(super) fn load(&mut self, chunk_id: ChunkId) -> Result<JobChunk> {
        let chunk = load_chunk(self.conn, chunk_id)?.ok_or_else(|| Error::no_chunk(chunk_id))?;
        match self.job(chunk.job_id)? {
            Some(job) if job.counters.total_chunks > 0 => Ok(chunk),
            _ => Err(Error::no_chunk(chunk_id)),
        }
    }

    /// Applies one event. An error other than the database's leaves everything as it was.
    pub(super) fn step(&mut self, chunk: JobChunk, event: Event) -> Result<JobChunk> {
        let job_id = chunk.job_id;
        let (from, heartbeat) = (chunk.status(), matches!(event, Event::Heartbeat { .. }));
        let now = self.now;
        let job = self.job(job_id)?.ok_or_else(|| Error::no_chunk(chunk.id))?;
        let policy = job.policy;
        let cx = Context { now, policy: &policy, gate: job.gate, jitter: fastrand::f64() };
        let done = transition(chunk, event, &cx)?;
        if done.changed {
            if heartbeat {
                write_heartbeat(self.conn, &done.chunk)?;
            } else {
                write_move(self.conn, from, &done.chunk)?;
            }
            self.record(&done.chunk, &done.effects)?;
        }
        Ok(done.chunk)
    }

    /// Notes effects of a change that was written already.
    pub(super) fn record(&mut self, chunk: &JobChunk, effects: &Effects) -> Result<()> {
        if let Some(entry) = &effects.log {
            log_chunk(self.conn, self.now, &self.actor, chunk, entry)?;
        }
        self.wakes_claimers |= effects.wakes_claimers;
        if let Some(moved) = self.jobs.get_mut(&chunk.job_id) {
            moved.delta = moved.delta.plus(effects.counters);
            moved.changed |= effects.starts_job || effects.counters != Counters::default();
            moved.starts |= effects.starts_job;
        }
        Ok(())
    }

    /// Writes the jobs' counters and what follows from them.
    pub(super) fn finish(self, cx: &mut WriteContext<'_>) -> Result<()> {
        for mut moved in self.jobs.into_values().filter(|moved| moved.changed) {
            let delta = JobDelta {
                counters: moved.delta,
                first_start: moved.starts.then_some(self.now),
                at: self.now,
                reopens: moved.delta.unfinished_chunks() > 0,
            };
            delta.add_to(&mut moved.job);
            write_counters(self.conn, &moved.job)?;
        }
        cx.wakes_claimers |= self.wakes_claimers;
        Ok(())
    }
}

/// A job that is not deleted.
pub(super) fn load_job(conn: &Connection, job_id: JobId) -> Result<Option<CrawlJob>> {
    let sql = format!("SELECT {JOB_COLUMNS} FROM crawl_jobs WHERE id = ?1 AND deleted_at IS NULL");
    let mut statement = conn.prepare_cached(&sql).doing("read a job")?;
    let found = statement.query_row([job_id.get()], |row| Ok(rows::job(row))).optional();
    found.doing("read a job")?.transpose()
}

fn load_chunk(conn: &Connection, chunk_id: ChunkId) -> Result<Option<JobChunk>> {
    let sql = format!("SELECT {CHUNK_COLUMNS} FROM job_chunks WHERE id = ?1");
    let mut statement = conn.prepare_cached(&sql).doing("read a chunk")?;
    let found = statement.query_row([chunk_id.get()], |row| Ok(rows::chunk(row))).optional();
    found.doing("read a chunk")?.transpose()
}

fn json<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(serde_json::to_string).transpose().map_err(|error| Error::Database {
        fault: DatabaseFault::Constraint,
        message: format!("a value has no JSON form: {error}"),
    })
}

/// Writes what a transition from this status has changed. The two moves that every chunk makes leave other columns,
/// and so their indexes, alone.
fn write_move(conn: &Connection, from: JobChunkStatus, chunk: &JobChunk) -> Result<()> {
    match (from, &chunk.state) {
        (JobChunkStatus::Pending, ChunkState::Processing { lease, .. }) => write_start(conn, chunk, *lease),
        (JobChunkStatus::Processing, ChunkState::Completed { unpublished }) => {
            write_completion(conn, chunk, *unpublished)
        }
        _ => write_chunk(conn, chunk),
    }?;
    debug_assert_eq!(load_chunk(conn, chunk.id)?.as_ref(), Some(chunk), "a column was not written");
    Ok(())
}

/// pending → processing.
fn write_start(conn: &Connection, chunk: &JobChunk, lease: Lease) -> Result<()> {
    let sql = "UPDATE job_chunks SET status = 'processing', task_id = ?2, updated_at = ?3, attempt = ?4, \
        lease_expires_at = ?5, timeout_at = ?6, progress = NULL, dispatched_at = NULL, redispatch_at = NULL, \
        last_move = ?7, started_at = ?8, finished_at = ?9 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("start a chunk")?;
    let written = statement.execute(params![
        chunk.id.get(),
        chunk.task_id.as_ref().map(TaskId::as_str),
        chunk.updated_at.unix_ms(),
        chunk.attempt.get(),
        lease.expires_at.unix_ms(),
        lease.timeout_at.unix_ms(),
        chunk.last_move.as_str(),
        chunk.started_at.map(Timestamp::unix_ms),
        chunk.finished_at.map(Timestamp::unix_ms),
    ]);
    written.map(|_| ()).doing("start a chunk")
}

/// processing → completed.
fn write_completion(conn: &Connection, chunk: &JobChunk, unpublished: bool) -> Result<()> {
    let sql = "UPDATE job_chunks SET status = 'completed', error_message = ?2, updated_at = ?3, \
        lease_expires_at = NULL, timeout_at = NULL, progress = NULL, outcome = ?4, unpublished = ?5, last_move = ?6, \
        finished_at = ?7 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("complete a chunk")?;
    let written = statement.execute(params![
        chunk.id.get(),
        chunk.error_message,
        chunk.updated_at.unix_ms(),
        json(chunk.outcome.as_ref())?,
        unpublished,
        chunk.last_move.as_str(),
        chunk.finished_at.map(Timestamp::unix_ms),
    ]);
    written.map(|_| ()).doing("complete a chunk")
}

/// Everything of a chunk that a transition may change.
fn write_chunk(conn: &Connection, chunk: &JobChunk) -> Result<()> {
    let (mut lease, mut progress, mut retry_at, mut dispatch, mut unpublished) =
        (None, None, None, None, false);
    match &chunk.state {
        ChunkState::Pending { dispatch: d } => dispatch = *d,
        ChunkState::Processing { lease: l, progress: p } => (lease, progress) = (Some(*l), json(p.as_ref())?),
        ChunkState::Completed { unpublished: u } => unpublished = *u,
        ChunkState::Failed { retry_at: at } => retry_at = *at,
    }
    let sql = "UPDATE job_chunks SET status = :status, error_message = :error_message, \
        retry_count = :retry_count, task_id = :task_id, updated_at = :updated_at, attempt = :attempt, \
        lease_expires_at = :lease_expires_at, timeout_at = :timeout_at, progress = :progress, \
        retry_at = :retry_at, policy_retries = :policy_retries, expiry_count = :expiry_count, \
        dispatched_at = :dispatched_at, redispatch_at = :redispatch_at, outcome = :outcome, \
        unpublished = :unpublished, last_move = :last_move, started_at = :started_at, \
        finished_at = :finished_at, priority = :priority WHERE id = :id";
    let mut statement = conn.prepare_cached(sql).doing("write a chunk")?;
    let written = statement.execute(named_params! {
        ":id": chunk.id.get(),
        ":status": chunk.status().as_str(),
        ":error_message": chunk.error_message,
        ":retry_count": chunk.retry_count,
        ":task_id": chunk.task_id.as_ref().map(TaskId::as_str),
        ":updated_at": chunk.updated_at.unix_ms(),
        ":attempt": chunk.attempt.get(),
        ":lease_expires_at": lease.map(|lease| lease.expires_at.unix_ms()),
        ":timeout_at": lease.map(|lease| lease.timeout_at.unix_ms()),
        ":progress": progress,
        ":retry_at": retry_at.map(Timestamp::unix_ms),
        ":policy_retries": chunk.policy_retries,
        ":expiry_count": chunk.expiry_count,
        ":dispatched_at": dispatch.map(|d| d.dispatched_at.unix_ms()),
        ":redispatch_at": dispatch.map(|d| d.redispatch_at.unix_ms()),
        ":outcome": json(chunk.outcome.as_ref())?,
        ":unpublished": unpublished,
        ":last_move": chunk.last_move.as_str(),
        ":started_at": chunk.started_at.map(Timestamp::unix_ms),
        ":finished_at": chunk.finished_at.map(Timestamp::unix_ms),
        ":priority": chunk.priority.get(),
    });
    written.map(|_| ()).doing("write a chunk")
}

/// A heartbeat changes little and comes often: it leaves all other columns and their indexes alone.
fn write_heartbeat(conn: &Connection, chunk: &JobChunk) -> Result<()> {
    let ChunkState::Processing { lease, progress } = &chunk.state else { return Ok(()) };
    let sql = "UPDATE job_chunks SET lease_expires_at = ?2, progress = ?3, updated_at = ?4 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("extend a lease")?;
    let written = statement.execute(params![
        chunk.id.get(),
        lease.expires_at.unix_ms(),
        json(progress.as_ref())?,
        chunk.updated_at.unix_ms()
    ]);
    written.map(|_| ()).doing("extend a lease")
}

/// A job's counters with the status, rate and times that follow from them. Status and times change seldom, and each
/// costs an index: they are written when they do.
pub(super) fn write_counters(conn: &Connection, job: &CrawlJob) -> Result<()> {
    let status = job.status();
    let sql = "UPDATE crawl_jobs SET total_chunks = ?2, active_chunks = ?3, completed_chunks = ?4, \
        failed_chunks = ?5, awaiting_retry_chunks = ?6, completed_images = ?7, window_started_at_ms = ?8, \
        window_images = ?9, previous_ms = ?10, previous_images = ?11, updated_at = ?12 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("write a job's counters")?;
    let c = &job.counters;
    let written = statement.execute(params![
        job.id.get(),
        c.total_chunks,
        c.active_chunks,
        c.completed_chunks,
        c.failed_chunks,
        c.awaiting_retry_chunks,
        c.completed_images,
        job.throughput.window_started_at_ms,
        job.throughput.window_images,
        job.throughput.previous_ms,
        job.throughput.previous_images,
        job.updated_at.unix_ms(),
    ]);
    written.doing("write a job's counters")?;
    let sql = "UPDATE crawl_jobs SET status = ?2, started_at = ?3, ended_at = ?4 \
        WHERE id = ?1 AND (status IS NOT ?2 OR started_at IS NOT ?3 OR ended_at IS NOT ?4)";
    let mut statement = conn.prepare_cached(sql).doing("write a job's status")?;
    let written = statement.execute(params![
        job.id.get(),
        status.as_str(),
        job.started_at.map(Timestamp::unix_ms),
        job.ended_at.map(Timestamp::unix_ms),
    ]);
    written.map(|_| ()).doing("write a job's status")
}

fn log_chunk(
    conn: &Connection,
    now: Timestamp,
    actor: &Actor,
    chunk: &JobChunk,
    entry: &LogEntry,
) -> Result<()> {
    let sql = "INSERT INTO activity_log (created_at, actor, action, job_id, chunk_id, from_status, to_status, \
        attempt, task_id, unfenced, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let mut statement = conn.prepare_cached(sql).doing("write the activity log")?;
    let written = statement.execute(params![
        now.unix_ms(),
        actor.as_str(),
        entry.action.as_str(),
        chunk.job_id.get(),
        chunk.id.get(),
        entry.from_status.as_str(),
        entry.to_status.as_str(),
        entry.attempt.get(),
        entry.task_id.as_ref().map(TaskId::as_str),
        entry.unfenced,
        entry.message,
    ]);
    written.map(|_| ()).doing("write the activity log")
}

/// One row of the activity log about a job.
pub(super) fn log_job(
    conn: &Connection,
    now: Timestamp,
    actor: &Actor,
    job_id: JobId,
    action: Action,
    message: Option<&str>,
) -> Result<()> {
    let sql =
        "INSERT INTO activity_log (created_at, actor, action, job_id, message) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = conn.prepare_cached(sql).doing("write the activity log")?;
    let written =
        statement.execute(params![now.unix_ms(), actor.as_str(), action.as_str(), job_id.get(), message]);
    written.map(|_| ()).doing("write the activity log")
}
