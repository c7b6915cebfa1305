//! Checks on a live database: rules 1 to 3 of one job, and the schema.

use super::clock;
use super::error::{Doing, corrupt};
use super::jobs;
use super::moves::{load_job, log_job, write_counters};
use super::threads::WriteContext;
use crate::repository::{Actor, JobVerdict};
use crate::verdict::{Check, ChunkFacts, told_difference};
use ream_core::{Action, CrawlJob, Error, JobId, Result};
use rusqlite::Connection;

pub(super) fn verify_job(conn: &Connection, job_id: JobId) -> Result<JobVerdict> {
    let job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let is_begun = conn
        .prepare_cached("SELECT chunked_images IS NOT NULL FROM crawl_jobs WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([job_id.get()], |row| row.get::<_, bool>(0)))
        .doing("check a job")?;
    let checked = if job.counters.total_chunks > 0 { Some(check(conn, job_id)?) } else { None };
    Ok(Check::verdict(checked, &job, is_begun))
}

/// Reads a job's chunks in the order of their images.
fn check(conn: &Connection, job_id: JobId) -> Result<Check> {
    let sql = "SELECT id, first_image, last_image, status, \
        lease_expires_at IS NOT NULL AND timeout_at IS NOT NULL, retry_at IS NOT NULL, attempt \
        FROM job_chunks WHERE job_id = ?1 ORDER BY first_image";
    let mut statement = conn.prepare(sql).doing("check a job")?;
    let mut found = statement.query([job_id.get()]).doing("check a job")?;
    let mut check = Check::default();
    while let Some(row) = found.next().doing("check a job")? {
        let status = row.get_ref(3).map_err(corrupt)?.as_str().map_err(corrupt)?;
        let facts = ChunkFacts {
            id: row.get(0).map_err(corrupt)?,
            first_image: row.get(1).map_err(corrupt)?,
            last_image: row.get(2).map_err(corrupt)?,
            status: status.parse().map_err(corrupt)?,
            is_leased: row.get(4).map_err(corrupt)?,
            awaits_retry: row.get(5).map_err(corrupt)?,
            attempt: row.get(6).map_err(corrupt)?,
        };
        check.see(&facts).map_err(corrupt)?;
    }
    Ok(check)
}

pub(super) fn repair_counters(cx: &WriteContext<'_>, job_id: JobId, actor: &Actor) -> Result<CrawlJob> {
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if job.counters.total_chunks == 0 {
        return jobs::get(cx.conn, job_id);
    }
    let counted = check(cx.conn, job_id)?.counted;
    if counted != job.counters {
        let now = clock::now(cx.conn)?;
        let told = told_difference(&job.counters, &counted);
        job.counters = counted;
        job.updated_at = now;
        write_counters(cx.conn, &job)?;
        log_job(cx.conn, now, actor, job_id, Action::Repaired, Some(&told))?;
    }
    jobs::get(cx.conn, job_id)
}

/// Tables, indexes and constraints of a fresh database that this one lacks or has otherwise.
pub(super) fn verify_schema(conn: &Connection) -> Result<Vec<String>> {
    let mut fresh = Connection::open_in_memory().doing("lay out a schema to compare with")?;
    super::migrate::migrate(&mut fresh)?;
    let found = schema(conn)?;
    let mut faults = Vec::new();
    for (kind, name, wanted) in schema(&fresh)? {
        match found.iter().find(|(k, n, _)| (k, n) == (&kind, &name)) {
            None => faults.push(format!("{kind} `{name}` is missing")),
            Some((_, _, sql)) if *sql != wanted => faults.push(format!("{kind} `{name}` was changed")),
            Some(_) => {}
        }
    }
    Ok(faults)
}

fn schema(conn: &Connection) -> Result<Vec<(String, String, String)>> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' \
        ORDER BY type DESC, name";
    let mut statement = conn.prepare(sql).doing("read the schema")?;
    let found = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .doing("read the schema")?;
    found.collect::<rusqlite::Result<_>>().doing("read the schema")
}
