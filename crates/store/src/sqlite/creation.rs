//! Creating a job's chunks: in steps that hold nobody up, shown to everybody by the last one.

use super::clock;
use super::error::Doing;
use super::moves::{load_job, log_job, write_counters};
use super::rows::signed;
use super::threads::WriteContext;
use crate::creation::{Begun, check_bulk, check_not_cancelled, check_same_numbers, in_order};
use crate::repository::{Actor, Creation, NewChunk};
use ream_core::{Action, ChunkPlan, CrawlJob, Error, JobId, Priority, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// Chunks per step: some tens of milliseconds of work.
const STEP_CHUNKS: u64 = 16_384;

fn load_begun(conn: &Connection, job_id: JobId) -> Result<Begun> {
    let sql = "SELECT chunked_images, chunked_priority, next_chunk_index FROM crawl_jobs WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("read a job")?;
    let found: Option<(Option<i64>, Option<i64>, i64)> = statement
        .query_row([job_id.get()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()
        .doing("read a job")?;
    let (images, priority, next_chunk_index) = found.ok_or_else(|| Error::no_job(job_id))?;
    Ok(Begun {
        images: images.and_then(|images| u64::try_from(images).ok()),
        priority: priority.and_then(|priority| Priority::new(priority).ok()),
        next_chunk_index: u64::try_from(next_chunk_index).unwrap_or(0),
    })
}

pub(super) fn create_step(
    cx: &mut WriteContext<'_>,
    job_id: JobId,
    max_images: u64,
    priority: Option<Priority>,
    actor: &Actor,
) -> Result<Creation> {
    // The chunk size comes from the job; here only what does not depend on it.
    ChunkPlan::new(max_images, 1)?;
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let plan = ChunkPlan::new(max_images, job.chunk_size)?;
    plan.check_storable()?;
    let begun = load_begun(cx.conn, job_id)?;
    check_same_numbers(&job, &begun, max_images, priority)?;
    let total_chunks = plan.total_chunks();
    if job.counters.total_chunks > 0 {
        return Ok(Creation::of(&job));
    }
    check_not_cancelled(&job)?;
    let now = clock::now(cx.conn)?;
    if begun.images.is_none() {
        job.priority = priority.unwrap_or(job.priority);
        begin(cx.conn, &job, max_images, now)?;
    }
    let end = total_chunks.min(begun.next_chunk_index + STEP_CHUNKS);
    insert_planned(cx.conn, &job, plan, begun.next_chunk_index..end, now)?;
    set_next_chunk_index(cx.conn, job_id, end)?;
    let done = end == total_chunks;
    if done {
        show(cx, &mut job, max_images, total_chunks, now, actor)?;
    }
    Ok(Creation { total_chunks, stored_chunks: end, done, created: true })
}

fn begin(conn: &Connection, job: &CrawlJob, max_images: u64, now: Timestamp) -> Result<()> {
    let sql = "UPDATE crawl_jobs SET chunked_images = ?2, chunked_priority = ?3, priority = ?3, updated_at = ?4 \
        WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("begin to create chunks")?;
    let written =
        statement.execute(params![job.id.get(), signed(max_images)?, job.priority.get(), now.unix_ms()]);
    written.map(|_| ()).doing("begin to create chunks")
}

fn insert_planned(
    conn: &Connection,
    job: &CrawlJob,
    plan: ChunkPlan,
    indexes: std::ops::Range<u64>,
    now: Timestamp,
) -> Result<()> {
    let sql = "WITH RECURSIVE step (i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM step WHERE i + 1 < ?2) \
        INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at) \
        SELECT ?3, i, ?4, i * ?5, min(i * ?5 + ?5, ?6) - 1, ?7, ?7 FROM step";
    let mut statement = conn.prepare_cached(sql).doing("create chunks")?;
    let written = statement.execute(params![
        signed(indexes.start)?,
        signed(indexes.end)?,
        job.id.get(),
        job.priority.get(),
        signed(plan.chunk_size())?,
        signed(plan.images())?,
        now.unix_ms(),
    ]);
    written.map(|_| ()).doing("create chunks")
}

fn set_next_chunk_index(conn: &Connection, job_id: JobId, next: u64) -> Result<()> {
    let sql = "UPDATE crawl_jobs SET next_chunk_index = ?2 WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("create chunks")?;
    statement.execute(params![job_id.get(), signed(next)?]).map(|_| ()).doing("create chunks")
}

/// The commit of this is the one that creates the chunks for everybody else.
fn show(
    cx: &mut WriteContext<'_>,
    job: &mut CrawlJob,
    max_images: u64,
    total_chunks: u64,
    now: Timestamp,
    actor: &Actor,
) -> Result<()> {
    let deadline_at = job.policy.job_deadline_s.map(|deadline_s| now.plus_s(deadline_s).unix_ms());
    let sql = "UPDATE crawl_jobs SET max_images = ?2, deadline_at = ?3 WHERE id = ?1";
    let mut statement = cx.conn.prepare_cached(sql).doing("create chunks")?;
    statement.execute(params![job.id.get(), signed(max_images)?, deadline_at]).doing("create chunks")?;
    job.counters.total_chunks = signed(total_chunks)?;
    job.updated_at = now;
    write_counters(cx.conn, job)?;
    let told = format!("{total_chunks} chunks for {max_images} images, priority {}", job.priority);
    log_job(cx.conn, now, actor, job.id, Action::ChunksCreated, Some(&told))?;
    cx.wakes_claimers = true;
    Ok(())
}

pub(super) fn bulk_create(
    cx: &mut WriteContext<'_>,
    job_id: JobId,
    chunks: &[NewChunk],
    actor: &Actor,
) -> Result<Creation> {
    let (chunks, max_images) = in_order(chunks)?;
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    check_bulk(&job, &load_begun(cx.conn, job_id)?, max_images)?;
    let now = clock::now(cx.conn)?;
    begin(cx.conn, &job, max_images, now)?;
    let sql = "INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, \
        updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    let mut insert = cx.conn.prepare_cached(sql).doing("create chunks")?;
    let mut next_chunk_index = 0;
    for chunk in &chunks {
        let written = insert.execute(params![
            job_id.get(),
            signed(chunk.chunk_index)?,
            chunk.priority.unwrap_or(job.priority).get(),
            signed(chunk.image_range.start())?,
            signed(chunk.image_range.end())?,
            now.unix_ms(),
        ]);
        written.doing("create chunks")?;
        next_chunk_index = next_chunk_index.max(chunk.chunk_index.saturating_add(1));
    }
    set_next_chunk_index(cx.conn, job_id, next_chunk_index)?;
    let total_chunks = chunks.len() as u64;
    show(cx, &mut job, max_images, total_chunks, now, actor)?;
    Ok(Creation { total_chunks, stored_chunks: total_chunks, done: true, created: true })
}
