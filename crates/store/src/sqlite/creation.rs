//! Creating a job's chunks: in steps that hold nobody up, shown to everybody by the last one.

use super::clock;
use super::error::Doing;
use super::moves::{load_job, log_job, write_counters};
use super::rows::signed;
use super::threads::WriteContext;
use crate::repository::{Actor, Creation, NewChunk};
use ream_core::cover::Cover;
use ream_core::error::{ConflictCode, FieldError};
use ream_core::{Action, ChunkPlan, CrawlJob, Error, JobGate, JobId, Priority, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// Chunks per step: some tens of milliseconds of work.
const STEP_CHUNKS: u64 = 16_384;

/// What the job's row knows about the creation of its chunks.
struct Begun {
    images: Option<u64>,
    priority: Option<Priority>,
    next_chunk_index: u64,
}

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
        let stored_chunks = job.counters.total_chunks.unsigned_abs();
        return Ok(Creation { total_chunks: stored_chunks, stored_chunks, done: true, created: false });
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

fn check_same_numbers(
    job: &CrawlJob,
    begun: &Begun,
    max_images: u64,
    priority: Option<Priority>,
) -> Result<()> {
    let conflict = |message| Err(Error::conflict(ConflictCode::AlreadyChunked, message));
    if let Some(images) = begun.images
        && images != max_images
    {
        return conflict(format!("job {} has chunks for {images} images, not {max_images}", job.id));
    }
    if let (Some(first), Some(now)) = (begun.priority, priority)
        && first != now
    {
        return conflict(format!(
            "job {} has chunks created with priority {first}, not {now}; set its priority instead",
            job.id
        ));
    }
    if job.image_list.is_some() && job.max_images != Some(max_images) {
        let rows = job.max_images.unwrap_or(0);
        return conflict(format!("the image list of job {} has {rows} images, not {max_images}", job.id));
    }
    Ok(())
}

fn check_not_cancelled(job: &CrawlJob) -> Result<()> {
    if job.gate == JobGate::Cancelled {
        return Err(Error::conflict(
            ConflictCode::JobNotRunning,
            format!("job {} is cancelled, no chunks can be created for it", job.id),
        ));
    }
    Ok(())
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
    mut chunks: Vec<NewChunk>,
    actor: &Actor,
) -> Result<Creation> {
    chunks.sort_unstable_by_key(|chunk| chunk.image_range.start());
    let max_images = check_exact_cover(&chunks)?;
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if load_begun(cx.conn, job_id)?.images.is_some() {
        return Err(Error::conflict(
            ConflictCode::AlreadyChunked,
            format!("job {job_id} has chunks already"),
        ));
    }
    if let Some(images) = job.max_images.filter(|images| *images != max_images) {
        return Err(Error::conflict(
            ConflictCode::AlreadyChunked,
            format!("job {job_id} has {images} images, the chunks cover {max_images}"),
        ));
    }
    check_not_cancelled(&job)?;
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

/// How many images chunks in the order of their images cover exactly.
fn check_exact_cover(chunks: &[NewChunk]) -> Result<u64> {
    let Some(last) = chunks.last() else {
        return Err(Error::invalid("chunks", "an empty list", "at least one chunk"));
    };
    let max_images = last.image_range.end() + 1;
    let mut cover = Cover::default();
    for chunk in chunks {
        cover.push(chunk.image_range);
    }
    let faults = cover.finish(max_images);
    let mut errors: Vec<FieldError> = faults
        .iter()
        .map(|fault| FieldError {
            field: "chunks.image_range".to_owned(),
            value: fault.to_string(),
            allowed: "ranges that cover every image from 0 exactly once".to_owned(),
        })
        .collect();
    let mut indexes: Vec<u64> = chunks.iter().map(|chunk| chunk.chunk_index).collect();
    indexes.sort_unstable();
    if let Some(twice) = indexes.windows(2).find(|pair| pair[0] == pair[1]) {
        errors.push(FieldError {
            field: "chunks.chunk_index".to_owned(),
            value: format!("{} twice", twice[0]),
            allowed: "a number of its own for each chunk".to_owned(),
        });
    }
    if errors.is_empty() { Ok(max_images) } else { Err(Error::Validation { errors }) }
}
