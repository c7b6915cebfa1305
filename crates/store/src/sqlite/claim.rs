//! Taking the next chunks: first a job, then chunks within it.

use super::error::Doing;
use super::moves::Moves;
use super::once;
use super::rows::{self, CHUNK_COLUMNS};
use super::threads::WriteContext;
use crate::once::{Kept, Operation, claim_life_s};
use crate::repository::{ClaimRequest, ClaimedChunk};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::{Error, JobChunk, JobGate, JobId, Result, Timestamp};
use rusqlite::{Connection, params};

/// A queue of this many overdue dispatches is cleared per claim; more wait for the next.
pub(super) const MAX_OVERDUE_DISPATCHES: u32 = 1000;

pub(super) fn claim(cx: &mut WriteContext<'_>, request: &ClaimRequest) -> Result<Vec<ClaimedChunk>> {
    let mut moves = Moves::begin(cx, &request.actor())?;
    if let Some(once) = &request.once
        && let Some(kept) = once::look(moves.conn, once, Operation::Claim, moves.now)?
    {
        let held = hold_again(&mut moves, &kept)?;
        moves.finish(cx)?;
        return Ok(held);
    }
    clear_overdue_dispatches(moves.conn, moves.now)?;
    let mut claimed = Vec::new();
    match request.job_id {
        Some(job_id) => {
            let job = moves.job(job_id)?.ok_or_else(|| Error::no_job(job_id))?;
            let wanted = request.executor.is_none_or(|executor| executor == job.executor);
            if wanted && job.gate == JobGate::Open && job.counters.pending_chunks() > 0 {
                claim_from(&mut moves, job_id, request, &mut claimed)?;
            }
        }
        None => {
            for job_id in Claimable::new(moves.conn, request.executor) {
                claim_from(&mut moves, job_id?, request, &mut claimed)?;
                if claimed.len() >= request.limit as usize {
                    break;
                }
            }
        }
    }
    if let Some(once) = request.once.as_ref().filter(|_| !claimed.is_empty()) {
        let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.id.get()).collect();
        let attempts: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.attempt.get()).collect();
        let life_s = claim_life_s(&claimed);
        once::keep(moves.conn, once, Operation::Claim, (&ids, &attempts), moves.now, life_s)?;
    }
    moves.finish(cx)?;
    Ok(claimed)
}

/// The chunks of an earlier claim that are still held, their leases extended as by a heartbeat.
fn hold_again(moves: &mut Moves<'_>, kept: &Kept) -> Result<Vec<ClaimedChunk>> {
    let mut held = Vec::new();
    for (chunk_id, attempt) in kept.claimed() {
        let heartbeat = Event::Heartbeat { attempt, progress: None };
        match moves.load(chunk_id).and_then(|chunk| moves.step(chunk, heartbeat)) {
            Ok(chunk) => {
                let policy = moves.job(chunk.job_id)?.ok_or_else(|| Error::no_job(chunk.job_id))?.policy;
                held.push(ClaimedChunk::held(chunk, &policy, moves.now));
            }
            Err(error @ Error::Database { .. }) => return Err(error),
            Err(_) => {}
        }
    }
    Ok(held)
}

fn claim_from(
    moves: &mut Moves<'_>,
    job_id: JobId,
    request: &ClaimRequest,
    claimed: &mut Vec<ClaimedChunk>,
) -> Result<()> {
    let room = i64::from(request.limit) - claimed.len() as i64;
    for chunk in head_of_queue(moves.conn, job_id, room)? {
        let chunk = moves.step(chunk, Event::Claim { task_id: request.worker.clone() })?;
        let policy = moves.job(job_id)?.ok_or_else(|| Error::no_job(job_id))?.policy;
        claimed.push(ClaimedChunk::started(chunk, &policy));
    }
    Ok(())
}

/// The first startable chunks of a job.
pub(super) fn head_of_queue(conn: &Connection, job_id: JobId, limit: i64) -> Result<Vec<JobChunk>> {
    // The condition repeats that of ix_job_chunks_priority_created word for word: only then does the planner use it.
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM job_chunks INDEXED BY ix_job_chunks_priority_created \
         WHERE job_id = ?1 AND status = 'pending' AND redispatch_at IS NULL \
         ORDER BY priority DESC, chunk_index LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql).doing("look for chunks")?;
    let mut found = statement.query(params![job_id.get(), limit]).doing("look for chunks")?;
    rows::collect(&mut found, rows::chunk)
}

/// Dispatches whose task never came go back into the queue.
fn clear_overdue_dispatches(conn: &Connection, now: Timestamp) -> Result<()> {
    let sql = "UPDATE job_chunks SET dispatched_at = NULL, redispatch_at = NULL, task_id = NULL, updated_at = ?1 \
        WHERE id IN (SELECT id FROM job_chunks WHERE redispatch_at <= ?1 ORDER BY redispatch_at LIMIT ?2)";
    let mut statement = conn.prepare_cached(sql).doing("look for overdue dispatches")?;
    statement.execute(params![now.unix_ms(), MAX_OVERDUE_DISPATCHES]).doing("clear overdue dispatches")?;
    Ok(())
}

/// Jobs that have something to start, most urgent first, read a few at a time.
struct Claimable<'c> {
    conn: &'c Connection,
    executor: Option<Executor>,
    read: std::vec::IntoIter<(i64, JobId)>,
    after: Option<(i64, JobId)>,
    ended: bool,
}

impl<'c> Claimable<'c> {
    const READ_AT_ONCE: usize = 16;

    fn new(conn: &'c Connection, executor: Option<Executor>) -> Self {
        Self { conn, executor, read: Vec::new().into_iter(), after: None, ended: false }
    }

    fn read_more(&mut self) -> Result<()> {
        let sql = "SELECT priority, id FROM crawl_jobs INDEXED BY ix_crawl_jobs_claimable \
            WHERE gate = 'open' AND deleted_at IS NULL \
            AND total_chunks > active_chunks + completed_chunks + failed_chunks \
            AND (?1 IS NULL OR executor = ?1) AND (priority < ?2 OR (priority = ?2 AND id > ?3)) \
            ORDER BY priority DESC, id LIMIT ?4";
        let (priority, id) = self.after.map_or((i64::MAX, 0), |(priority, id)| (priority, id.get()));
        let mut statement = self.conn.prepare_cached(sql).doing("look for jobs")?;
        let executor = self.executor.map(Executor::as_str);
        let mut found = statement
            .query(params![executor, priority, id, Self::READ_AT_ONCE as i64])
            .doing("look for jobs")?;
        let read = rows::collect(&mut found, |row| {
            Ok((row.get(0).doing("look for jobs")?, JobId::new(row.get(1).doing("look for jobs")?)))
        })?;
        self.ended = read.len() < Self::READ_AT_ONCE;
        self.after = read.last().copied();
        self.read = read.into_iter();
        Ok(())
    }
}

impl Iterator for Claimable<'_> {
    type Item = Result<JobId>;

    fn next(&mut self) -> Option<Result<JobId>> {
        loop {
            if let Some((_, job_id)) = self.read.next() {
                return Some(Ok(job_id));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.read_more() {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }
}
