//! Jobs: creating, reading, and what operators do to them.

use super::clock;
use super::error::Doing;
use super::moves::{load_job, log_job};
use super::rows::{self, JOB_COLUMNS, signed};
use super::threads::WriteContext;
use crate::creation::{check_images_kept, dataset_taken, recipe_text};
use crate::page::{Page, PageRequest};
use crate::repository::{Actor, JobFilter};
use ream_core::job::{CrawlJobStatus, MAX_TASK_IDS};
use ream_core::job_event::{JobEvent, NewCrawlJob, job_transition};
use ream_core::{Action, CrawlJob, Error, JobId, Result, TaskId, Timestamp};
use rusqlite::{Connection, named_params, params};

pub(super) fn create(cx: &WriteContext<'_>, new: &NewCrawlJob, actor: &Actor) -> Result<CrawlJob> {
    let now = clock::now(cx.conn)?;
    check_dataset_free(cx.conn, new)?;
    let sql = "INSERT INTO crawl_jobs (name, priority, max_images, chunk_size, executor, image_list, dataset, recipe, \
        created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)";
    let mut statement = cx.conn.prepare_cached(sql).doing("create a job")?;
    statement
        .execute(params![
            new.name,
            new.priority.get(),
            new.max_images.map(signed).transpose()?,
            signed(new.chunk_size)?,
            new.executor().as_str(),
            new.image_list,
            new.dataset,
            recipe_text(new)?,
            now.unix_ms()
        ])
        .doing("create a job")?;
    let job_id = JobId::new(cx.conn.last_insert_rowid());
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    job.policy = new.policy;
    write(cx.conn, &job)?;
    log_job(cx.conn, now, actor, job_id, Action::JobCreated, Some(&format!("{:?}", new.name)))?;
    Ok(job)
}

/// Nobody else writes meanwhile; the unique index says the same.
fn check_dataset_free(conn: &Connection, new: &NewCrawlJob) -> Result<()> {
    let sql = "SELECT count(*) FROM crawl_jobs WHERE dataset = ?1 AND deleted_at IS NULL";
    let mut statement = conn.prepare_cached(sql).doing("look for a dataset")?;
    let others: i64 = statement.query_row([&new.dataset], |row| row.get(0)).doing("look for a dataset")?;
    if others > 0 { Err(dataset_taken(new)) } else { Ok(()) }
}

pub(super) fn get(conn: &Connection, job_id: JobId) -> Result<CrawlJob> {
    let mut job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if job.counters.active_chunks > 0 {
        job.task_ids = task_ids(conn, job_id)?;
    }
    Ok(job)
}

pub(super) fn glance(conn: &Connection, job_id: JobId) -> Result<(CrawlJob, Timestamp)> {
    let job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    Ok((job, clock::now(conn)?))
}

fn task_ids(conn: &Connection, job_id: JobId) -> Result<Vec<TaskId>> {
    let sql = "SELECT task_id FROM job_chunks WHERE job_id = ?1 AND status = 'processing' \
        AND task_id IS NOT NULL ORDER BY first_image LIMIT ?2";
    let mut statement = conn.prepare_cached(sql).doing("read task ids")?;
    let mut found = statement.query(params![job_id.get(), MAX_TASK_IDS as i64]).doing("read task ids")?;
    rows::collect(&mut found, |row| {
        let text: String = row.get(0).doing("read task ids")?;
        TaskId::new(text).map_err(super::error::corrupt)
    })
}

pub(super) fn list(conn: &Connection, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
    let of_status = if filter.status.is_some() { "status = ?3 AND" } else { "?3 IS NULL AND" };
    let sql = format!(
        "SELECT {JOB_COLUMNS} FROM crawl_jobs WHERE {of_status} id < ?1 AND deleted_at IS NULL \
         ORDER BY id DESC LIMIT ?2"
    );
    let before = page.cursor().map_or(i64::MAX, |cursor| cursor.0);
    let mut statement = conn.prepare_cached(&sql).doing("list jobs")?;
    let mut found = statement
        .query(params![before, page.limit() + 1, filter.status.map(CrawlJobStatus::as_str)])
        .doing("list jobs")?;
    Ok(Page::cut(rows::collect(&mut found, rows::job)?, page, |job| job.id.get()))
}

pub(super) fn apply(
    cx: &mut WriteContext<'_>,
    job_id: JobId,
    event: JobEvent,
    actor: &Actor,
) -> Result<CrawlJob> {
    event.validate()?;
    let job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let now = clock::now(cx.conn)?;
    let before = job.clone();
    let done = job_transition(job, event, now)?;
    check_images_kept(&before, &done.job, is_creation_begun(cx.conn, job_id)?)?;
    if let Some((action, message)) = &done.log {
        write(cx.conn, &done.job)?;
        if done.job.policy.job_deadline_s != before.policy.job_deadline_s
            && done.job.counters.total_chunks > 0
        {
            move_deadline(cx.conn, &done.job)?;
        }
        if done.job.priority != before.priority {
            let sql = "UPDATE crawl_jobs SET priority_from_image = 0 WHERE id = ?1";
            let mut statement = cx.conn.prepare_cached(sql).doing("set a priority")?;
            statement.execute([job_id.get()]).doing("set a priority")?;
        }
        log_job(cx.conn, now, actor, job_id, *action, message.as_deref())?;
        cx.wakes_claimers |= done.wakes_claimers;
    }
    get(cx.conn, job_id)
}

fn is_creation_begun(conn: &Connection, job_id: JobId) -> Result<bool> {
    let sql = "SELECT chunked_images IS NOT NULL FROM crawl_jobs WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("write a job")?;
    statement.query_row([job_id.get()], |row| row.get(0)).doing("write a job")
}

/// A deadline counts from the creation of the chunks, also when it is set later.
fn move_deadline(conn: &Connection, job: &CrawlJob) -> Result<()> {
    let sql = "UPDATE crawl_jobs SET deadline_at = ?2 * 1000 + (SELECT created_at FROM job_chunks \
        WHERE job_id = ?1 ORDER BY first_image LIMIT 1) WHERE id = ?1";
    let mut statement = conn.prepare_cached(sql).doing("set a deadline")?;
    let written = statement.execute(params![job.id.get(), job.policy.job_deadline_s]);
    written.map(|_| ()).doing("set a deadline")
}

/// Everything of a job that an operator may change, with the status that follows from it.
pub(super) fn write(conn: &Connection, job: &CrawlJob) -> Result<()> {
    let sql = "UPDATE crawl_jobs SET name = :name, status = :status, gate = :gate, priority = :priority, \
        max_images = :max_images, executor = :executor, image_list = :image_list, heartbeat_interval_s = :heartbeat_interval_s, \
        lease_duration_s = :lease_duration_s, chunk_timeout_s = :chunk_timeout_s, \
        job_deadline_s = :job_deadline_s, max_retries = :max_retries, backoff_initial_s = :backoff_initial_s, \
        backoff_max_s = :backoff_max_s, redispatch_after_s = :redispatch_after_s, robots = :robots, updated_at = :updated_at, \
        ended_at = :ended_at WHERE id = :id";
    let mut statement = conn.prepare_cached(sql).doing("write a job")?;
    let written = statement.execute(named_params! {
        ":id": job.id.get(),
        ":name": job.name,
        ":status": job.status().as_str(),
        ":gate": job.gate.as_str(),
        ":priority": job.priority.get(),
        ":max_images": job.max_images.map(signed).transpose()?,
        ":executor": job.executor.as_str(),
        ":image_list": job.image_list,
        ":heartbeat_interval_s": job.policy.heartbeat_interval_s,
        ":lease_duration_s": job.policy.lease_duration_s,
        ":chunk_timeout_s": job.policy.chunk_timeout_s,
        ":job_deadline_s": job.policy.job_deadline_s,
        ":max_retries": job.policy.max_retries,
        ":backoff_initial_s": job.policy.backoff_initial_s,
        ":backoff_max_s": job.policy.backoff_max_s,
        ":redispatch_after_s": job.policy.redispatch_after_s,
        ":robots": job.policy.robots.as_str(),
        ":updated_at": job.updated_at.unix_ms(),
        ":ended_at": job.ended_at.map(Timestamp::unix_ms),
    });
    written.map(|_| ()).doing("write a job")
}

pub(super) fn delete(cx: &WriteContext<'_>, job_id: JobId, actor: &Actor) -> Result<()> {
    let job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let now = clock::now(cx.conn)?;
    let sql = "UPDATE crawl_jobs SET deleted_at = ?2, updated_at = ?2 WHERE id = ?1";
    let mut statement = cx.conn.prepare_cached(sql).doing("delete a job")?;
    statement.execute(params![job_id.get(), now.unix_ms()]).doing("delete a job")?;
    let told = format!("{:?}, {} chunks", job.name, job.counters.total_chunks);
    log_job(cx.conn, now, actor, job_id, Action::Deleted, Some(&told))
}
