//! What the service does by itself: expiry, retry by policy, deadlines, ends, and work that goes in steps.

use super::clock;
use super::error::Doing;
use super::jobs;
use super::moves::{Moves, load_job, log_job};
use super::rows::{self, CHUNK_COLUMNS, signed};
use super::threads::WriteContext;
use crate::repository::Actor;
use ream_core::event::Event;
use ream_core::job::CrawlJobStatus;
use ream_core::job_event::JobEvent;
use ream_core::{Action, ChunkState, CrawlJob, Error, JobChunk, JobId, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;
use std::time::Duration;

/// Rows per step of work that may touch a whole job.
const STEP_ROWS: u32 = 10_000;

/// Chunks of deleted jobs only wait to be removed; they may not fill up the steps of the duties.
const NOT_DELETED: &str =
    "EXISTS (SELECT 1 FROM crawl_jobs j WHERE j.id = job_chunks.job_id AND j.deleted_at IS NULL)";

pub(super) fn expire_due(cx: &mut WriteContext<'_>, limit: u32) -> Result<u64> {
    let mut moves = Moves::begin(cx, &Actor::service())?;
    // The condition of ix_job_chunks_status word for word: only then does the planner use it.
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM job_chunks INDEXED BY ix_job_chunks_status \
         WHERE status IN ('processing', 'failed') AND status = 'processing' AND lease_expires_at <= ?1 \
         AND {NOT_DELETED} ORDER BY lease_expires_at LIMIT ?2"
    );
    let mut expired = 0;
    for chunk in due(moves.conn, &sql, moves.now.unix_ms(), limit)? {
        let chunk = moves.step(chunk, Event::Expire)?;
        expired += 1;
        if matches!(chunk.state, ChunkState::Failed { retry_at: Some(at) } if at <= moves.now) {
            moves.step(chunk, Event::RetryByPolicy)?;
        }
    }
    moves.finish(cx)?;
    Ok(expired)
}

pub(super) fn retry_due(cx: &mut WriteContext<'_>, limit: u32) -> Result<u64> {
    let mut moves = Moves::begin(cx, &Actor::service())?;
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM job_chunks WHERE retry_at <= ?1 AND {NOT_DELETED} \
         ORDER BY retry_at LIMIT ?2"
    );
    let mut retried = 0;
    for chunk in due(moves.conn, &sql, moves.now.unix_ms(), limit)? {
        moves.step(chunk, Event::RetryByPolicy)?;
        retried += 1;
    }
    moves.finish(cx)?;
    Ok(retried)
}

fn due(conn: &Connection, sql: &str, now_ms: i64, limit: u32) -> Result<Vec<JobChunk>> {
    let mut statement = conn.prepare_cached(sql).doing("look for due chunks")?;
    let mut found = statement.query(params![now_ms, limit]).doing("look for due chunks")?;
    rows::collect(&mut found, rows::chunk)
}

fn job_ids(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<JobId>> {
    let mut statement = conn.prepare_cached(sql).doing("look for jobs")?;
    let mut found = statement.query(params).doing("look for jobs")?;
    rows::collect(&mut found, |row| row.get(0).map(JobId::new).doing("look for jobs"))
}

pub(super) fn cancel_overdue_jobs(cx: &mut WriteContext<'_>) -> Result<u64> {
    let sql = "SELECT id FROM crawl_jobs WHERE deadline_at <= ?1 AND ended_at IS NULL AND deleted_at IS NULL \
        AND status NOT IN ('completed', 'failed', 'cancelled') \
        AND (total_chunks = 0 OR completed_chunks < total_chunks) LIMIT 100";
    let overdue = job_ids(cx.conn, sql, [clock::now(cx.conn)?.unix_ms()])?;
    for job_id in &overdue {
        let deadline_s = load_job(cx.conn, *job_id)?.and_then(|job| job.policy.job_deadline_s);
        let reason = Some(format!("job deadline of {} s over", deadline_s.unwrap_or_default()));
        jobs::apply(cx, *job_id, JobEvent::Cancel { reason }, &Actor::service())?;
    }
    Ok(overdue.len() as u64)
}

pub(super) fn announce_ends(cx: &mut WriteContext<'_>) -> Result<Vec<JobId>> {
    let sql = "SELECT id FROM crawl_jobs WHERE status IN ('completed', 'failed') AND ended_at IS NULL \
        AND deleted_at IS NULL LIMIT 1000";
    let ended = job_ids(cx.conn, sql, [])?;
    let now = clock::now(cx.conn)?;
    for job_id in &ended {
        let Some(mut job) = load_job(cx.conn, *job_id)? else { continue };
        job.ended_at = Some(now);
        job.updated_at = now;
        jobs::write(cx.conn, &job)?;
        let action = match job.status() {
            CrawlJobStatus::Completed => Action::JobCompleted,
            _ => Action::JobFailed,
        };
        let c = &job.counters;
        let told = format!(
            "{} of {} chunks completed, {} failed",
            c.completed_chunks, c.total_chunks, c.failed_chunks
        );
        log_job(cx.conn, now, &Actor::service(), *job_id, action, Some(&told))?;
    }
    Ok(ended)
}

pub(super) fn propagate_priority_step(cx: &WriteContext<'_>) -> Result<bool> {
    let sql = "SELECT id, priority, priority_from_image FROM crawl_jobs WHERE priority_from_image IS NOT NULL \
        ORDER BY id LIMIT 1";
    let mut statement = cx.conn.prepare_cached(sql).doing("look for new priorities")?;
    let found: Option<(i64, i64, i64)> = statement
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .doing("look for new priorities")?;
    let Some((job_id, priority, from_image)) = found else { return Ok(false) };
    let sql = "SELECT first_image FROM job_chunks WHERE job_id = ?1 AND first_image >= ?2 \
        ORDER BY first_image LIMIT 1 OFFSET ?3";
    let mut statement = cx.conn.prepare_cached(sql).doing("give chunks their priority")?;
    // OFFSET only measures out one bounded step, never the way through the whole job.
    let end: Option<i64> = statement
        .query_row(params![job_id, from_image, STEP_ROWS], |row| row.get(0))
        .optional()
        .doing("give chunks their priority")?;
    let sql = "UPDATE job_chunks SET priority = ?2, updated_at = ?5 WHERE job_id = ?1 AND first_image >= ?3 \
        AND first_image < ?4 AND status <> 'completed' AND priority <> ?2";
    let mut statement = cx.conn.prepare_cached(sql).doing("give chunks their priority")?;
    let now = clock::now(cx.conn)?.unix_ms();
    statement
        .execute(params![job_id, priority, from_image, end.unwrap_or(i64::MAX), now])
        .doing("give chunks their priority")?;
    let sql = "UPDATE crawl_jobs SET priority_from_image = ?2 WHERE id = ?1";
    let mut statement = cx.conn.prepare_cached(sql).doing("give chunks their priority")?;
    statement.execute(params![job_id, end]).doing("give chunks their priority")?;
    Ok(true)
}

pub(super) fn purge_step(cx: &WriteContext<'_>) -> Result<bool> {
    let sql = "SELECT id FROM crawl_jobs WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1";
    let Some(job_id) = job_ids(cx.conn, sql, [])?.pop() else { return Ok(false) };
    let sql = "DELETE FROM job_chunks WHERE id IN (SELECT id FROM job_chunks WHERE job_id = ?1 LIMIT ?2)";
    let mut statement = cx.conn.prepare_cached(sql).doing("remove chunks")?;
    let removed = statement.execute(params![job_id.get(), STEP_ROWS]).doing("remove chunks")?;
    if removed == 0 {
        let mut statement =
            cx.conn.prepare_cached("DELETE FROM crawl_jobs WHERE id = ?1").doing("remove a job")?;
        statement.execute([job_id.get()]).doing("remove a job")?;
    }
    Ok(true)
}

pub(super) fn list_unpublished(conn: &Connection, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>> {
    load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM job_chunks WHERE job_id = ?1 AND unpublished = 1 \
         ORDER BY first_image LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql).doing("look for unpublished chunks")?;
    let mut found = statement.query(params![job_id.get(), limit]).doing("look for unpublished chunks")?;
    rows::collect(&mut found, rows::chunk)
}

pub(super) fn mark_published(cx: &WriteContext<'_>, chunk: &JobChunk) -> Result<()> {
    super::chunks::get(cx.conn, chunk.id)?;
    let sql = "UPDATE job_chunks SET unpublished = 0, updated_at = ?3 \
        WHERE id = ?1 AND attempt = ?2 AND status = 'completed' AND unpublished = 1";
    let mut statement = cx.conn.prepare_cached(sql).doing("note a published chunk")?;
    let now = clock::now(cx.conn)?.unix_ms();
    let written =
        statement.execute(params![chunk.id.get(), signed(chunk.attempt.get().unsigned_abs())?, now]);
    written.map(|_| ()).doing("note a published chunk")
}

pub(super) fn list_unfinished_datasets(
    conn: &Connection,
    waiting_for: Duration,
    after: Option<JobId>,
    limit: u32,
) -> Result<Vec<JobId>> {
    // From one job that has such chunks to the next, however many there are of one.
    let sql = "WITH RECURSIVE waiting (job_id) AS (SELECT min(job_id) FROM job_chunks WHERE unpublished = 1 AND job_id > ?3 \
        UNION ALL SELECT (SELECT min(c.job_id) FROM job_chunks c WHERE c.unpublished = 1 AND c.job_id > w.job_id) \
        FROM waiting w WHERE w.job_id IS NOT NULL) \
        SELECT j.id FROM waiting w CROSS JOIN crawl_jobs j ON j.id = w.job_id \
        WHERE j.dataset IS NOT NULL AND j.executor = 'ream' AND j.deleted_at IS NULL AND EXISTS (SELECT 1 FROM job_chunks c \
        WHERE c.job_id = j.id AND c.unpublished = 1 AND c.updated_at <= ?1) LIMIT ?2";
    let waiting_ms = i64::try_from(waiting_for.as_millis()).unwrap_or(i64::MAX);
    let since = clock::now(conn)?.unix_ms().saturating_sub(waiting_ms);
    let after = after.map_or(0, JobId::get);
    let mut found = job_ids(conn, sql, params![since, limit, after])?;
    let sql = "SELECT id FROM crawl_jobs WHERE dataset IS NOT NULL AND executor = 'ream' AND deleted_at IS NULL AND ended_at IS NOT NULL \
        AND (summary_end IS NOT ended_at OR summary_chunks IS NOT completed_chunks) AND id > ?2 ORDER BY id LIMIT ?1";
    found.extend(job_ids(conn, sql, params![limit, after])?);
    let found: BTreeSet<JobId> = found.into_iter().collect();
    Ok(found.into_iter().take(limit as usize).collect())
}

pub(super) fn mark_dataset_finished(cx: &WriteContext<'_>, job: &CrawlJob) -> Result<bool> {
    load_job(cx.conn, job.id)?.ok_or_else(|| Error::no_job(job.id))?;
    let sql =
        "UPDATE crawl_jobs SET summary_end = ended_at, summary_chunks = ?3 WHERE id = ?1 AND ended_at IS ?2";
    let mut statement = cx.conn.prepare_cached(sql).doing("note a finished dataset")?;
    let ended_at = job.ended_at.map(Timestamp::unix_ms);
    let written = statement.execute(params![job.id.get(), ended_at, job.counters.completed_chunks]);
    Ok(written.doing("note a finished dataset")? > 0)
}
