//! Reading chunks, and moving those that are named.

use super::claim::{MAX_OVERDUE_DISPATCHES, head_of_queue};
use super::clock;
use super::error::Doing;
use super::moves::{Moves, load_job};
use super::rows::{self, CHUNK_COLUMNS, signed};
use super::threads::WriteContext;
use crate::page::{Page, PageRequest};
use crate::repository::{Actor, MovedChunk};
use ream_core::event::Event;
use ream_core::split::{check_parts, split as split_chunk};
use ream_core::{ChunkId, Error, JobChunk, JobChunkStatus, JobGate, JobId, Result};
use rusqlite::{Connection, OptionalExtension, params};
use std::cmp::Reverse;

/// Chunks of jobs that are deleted, or whose chunks are still being created, are not there for anybody.
const VISIBLE: &str = "EXISTS (SELECT 1 FROM crawl_jobs j WHERE j.id = job_chunks.job_id \
    AND j.deleted_at IS NULL AND j.total_chunks > 0)";

pub(super) fn get(conn: &Connection, chunk_id: ChunkId) -> Result<JobChunk> {
    let sql = format!("SELECT {CHUNK_COLUMNS} FROM job_chunks WHERE id = ?1 AND {VISIBLE}");
    let mut statement = conn.prepare_cached(&sql).doing("read a chunk")?;
    let found = statement.query_row([chunk_id.get()], |row| Ok(rows::chunk(row))).optional();
    found.doing("read a chunk")?.unwrap_or_else(|| Err(Error::no_chunk(chunk_id)))
}

pub(super) fn list(
    conn: &Connection,
    job_id: JobId,
    status: Option<JobChunkStatus>,
    page: PageRequest,
) -> Result<Page<JobChunk>> {
    let job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if job.counters.total_chunks == 0 {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let of_status = if status.is_some() { "AND status = ?4" } else { "AND ?4 IS NULL" };
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM job_chunks WHERE job_id = ?1 AND first_image > ?2 {of_status} \
         ORDER BY first_image LIMIT ?3"
    );
    let after = page.cursor().map_or(-1, |cursor| cursor.0);
    let mut statement = conn.prepare_cached(&sql).doing("list chunks")?;
    let mut found = statement
        .query(params![job_id.get(), after, page.limit() + 1, status.map(JobChunkStatus::as_str)])
        .doing("list chunks")?;
    let items = rows::collect(&mut found, rows::chunk)?;
    // Image numbers are below 2⁶³ by the type.
    Ok(Page::cut(items, page, |chunk| chunk.image_range.start() as i64))
}

pub(super) fn next_pending(conn: &Connection, job_id: JobId) -> Result<Option<JobChunk>> {
    let job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if job.gate != JobGate::Open || job.counters.pending_chunks() == 0 {
        return Ok(None);
    }
    let head = head_of_queue(conn, job_id, 1)?.pop();
    let overdue = head_of_overdue(conn, job_id)?;
    let place = |chunk: &JobChunk| (chunk.priority, Reverse(chunk.chunk_index));
    Ok(head.into_iter().chain(overdue).max_by_key(place))
}

/// The first of the overdue dispatches that the next claim puts back into the queue.
fn head_of_overdue(conn: &Connection, job_id: JobId) -> Result<Option<JobChunk>> {
    let sql = format!(
        "SELECT {CHUNK_COLUMNS} FROM \
         (SELECT * FROM job_chunks WHERE redispatch_at <= ?1 ORDER BY redispatch_at LIMIT ?3) \
         WHERE job_id = ?2 ORDER BY priority DESC, chunk_index LIMIT 1"
    );
    let mut statement = conn.prepare_cached(&sql).doing("look for overdue dispatches")?;
    let now = clock::now(conn)?.unix_ms();
    let found = statement
        .query_row(params![now, job_id.get(), MAX_OVERDUE_DISPATCHES], |row| Ok(rows::chunk(row)))
        .optional();
    found.doing("look for overdue dispatches")?.transpose()
}

pub(super) fn apply(
    cx: &mut WriteContext<'_>,
    events: Vec<(ChunkId, Event)>,
    actor: &Actor,
) -> Result<Vec<Result<MovedChunk>>> {
    let mut moves = Moves::begin(cx, actor)?;
    let mut answers = Vec::with_capacity(events.len());
    for (chunk_id, event) in events {
        let answer = apply_one(&mut moves, chunk_id, event);
        if let Err(error @ Error::Database { .. }) = answer {
            return Err(error);
        }
        answers.push(answer);
    }
    moves.finish(cx)?;
    Ok(answers)
}

fn apply_one(moves: &mut Moves<'_>, chunk_id: ChunkId, event: Event) -> Result<MovedChunk> {
    event.validate()?;
    let chunk = moves.load(chunk_id)?;
    let chunk = moves.step(chunk, event)?;
    let gate = moves.job(chunk.job_id)?.map_or(JobGate::Open, |job| job.gate);
    Ok(MovedChunk { chunk, gate })
}

pub(super) fn split(
    cx: &mut WriteContext<'_>,
    chunk_id: ChunkId,
    parts: u64,
    actor: &Actor,
) -> Result<Vec<JobChunk>> {
    check_parts(parts)?;
    let mut moves = Moves::begin(cx, actor)?;
    let chunk = moves.load(chunk_id)?;
    let done = split_chunk(chunk, parts, moves.now)?;
    let conn = moves.conn;
    let sql = "UPDATE job_chunks SET last_image = ?2, updated_at = ?3 WHERE id = ?1";
    let mut shrink = conn.prepare_cached(sql).doing("split a chunk")?;
    let (now, job_id) = (moves.now.unix_ms(), done.chunk.job_id.get());
    shrink
        .execute(params![chunk_id.get(), signed(done.chunk.image_range.end())?, now])
        .doing("split a chunk")?;
    let sql = "INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, \
        updated_at, split_from) SELECT id, next_chunk_index, priority, ?2, ?3, ?4, ?4, ?5 \
        FROM crawl_jobs WHERE id = ?1";
    let mut insert = conn.prepare_cached(sql).doing("split a chunk")?;
    let sql = "UPDATE crawl_jobs SET next_chunk_index = next_chunk_index + 1 WHERE id = ?1";
    let mut advance = conn.prepare_cached(sql).doing("split a chunk")?;
    let mut ids = vec![chunk_id];
    for range in &done.new_ranges {
        let (start, end) = (signed(range.start())?, signed(range.end())?);
        insert.execute(params![job_id, start, end, now, chunk_id.get()]).doing("split a chunk")?;
        ids.push(ChunkId::new(conn.last_insert_rowid()));
        advance.execute([job_id]).doing("split a chunk")?;
    }
    moves.record(&done.chunk, &done.effects)?;
    let all = ids.into_iter().map(|id| moves.load(id)).collect::<Result<Vec<JobChunk>>>()?;
    moves.finish(cx)?;
    Ok(all)
}
