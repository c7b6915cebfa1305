//! Checks on a live database: rules 1 to 3 of one job, and the schema.

use super::clock;
use super::error::{Doing, corrupt};
use super::jobs;
use super::moves::{load_job, log_job, write_counters};
use super::threads::WriteContext;
use crate::repository::{Actor, JobVerdict};
use ream_core::cover::Cover;
use ream_core::job::Counters;
use ream_core::{Action, CrawlJob, Error, ImageRange, JobId, Result};
use rusqlite::Connection;

/// The most lease faults that are named; more would tell nothing new.
const MAX_LEASE_FAULTS: usize = 100;

pub(super) fn verify_job(conn: &Connection, job_id: JobId) -> Result<JobVerdict> {
    let job = load_job(conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    let shown = job.counters.total_chunks > 0;
    let begun = conn
        .prepare_cached("SELECT chunked_images IS NOT NULL FROM crawl_jobs WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([job_id.get()], |row| row.get::<_, bool>(0)))
        .doing("check a job")?;
    let mut verdict = JobVerdict {
        job_id,
        chunks: 0,
        cover_faults: Vec::new(),
        lease_faults: Vec::new(),
        counters: job.counters,
        counted: Counters::default(),
        creation_unfinished: begun && !shown,
    };
    if shown {
        let mut cover = Cover::default();
        let lease_faults = &mut verdict.lease_faults;
        verdict.counted = count(conn, job_id, |range, lease_fault| {
            cover.push(range);
            if let Some(fault) = lease_fault
                && lease_faults.len() < MAX_LEASE_FAULTS
            {
                lease_faults.push(fault);
            }
        })?;
        verdict.chunks = cover.chunks();
        verdict.cover_faults = cover.finish(job.max_images.unwrap_or(0));
    }
    Ok(verdict)
}

/// Counts a job's chunks by reading each in the order of its images, showing its range and a fault of its lease.
fn count(
    conn: &Connection,
    job_id: JobId,
    mut see: impl FnMut(ImageRange, Option<String>),
) -> Result<Counters> {
    let sql = "SELECT id, first_image, last_image, status, lease_expires_at, timeout_at, retry_at, attempt \
        FROM job_chunks WHERE job_id = ?1 ORDER BY first_image";
    let mut statement = conn.prepare(sql).doing("check a job")?;
    let mut found = statement.query([job_id.get()]).doing("check a job")?;
    let mut counted = Counters::default();
    while let Some(row) = found.next().doing("check a job")? {
        let number = |index: usize| row.get::<_, i64>(index).map_err(corrupt);
        let maybe = |index: usize| row.get::<_, Option<i64>>(index).map_err(corrupt);
        let id = number(0)?;
        let first = u64::try_from(number(1)?).map_err(corrupt)?;
        let last = u64::try_from(number(2)?).map_err(corrupt)?;
        let range = ImageRange::new(first, last).map_err(corrupt)?;
        let status = row.get_ref(3).map_err(corrupt)?.as_str().map_err(corrupt)?;
        let leased = maybe(4)?.is_some() && maybe(5)?.is_some();
        counted.total_chunks += 1;
        match status {
            "processing" => counted.active_chunks += 1,
            "completed" => {
                counted.completed_chunks += 1;
                counted.completed_images += last as i64 - first as i64 + 1;
            }
            "failed" => {
                counted.failed_chunks += 1;
                counted.awaiting_retry_chunks += i64::from(maybe(6)?.is_some());
            }
            _ => {}
        }
        let fault = if leased != (status == "processing") {
            Some(format!("chunk {id} is {status} {} a lease", if leased { "with" } else { "without" }))
        } else if leased && number(7)? < 1 {
            Some(format!("chunk {id} is processing, but was never started"))
        } else {
            None
        };
        see(range, fault);
    }
    Ok(counted)
}

pub(super) fn repair_counters(cx: &WriteContext<'_>, job_id: JobId, actor: &Actor) -> Result<CrawlJob> {
    let mut job = load_job(cx.conn, job_id)?.ok_or_else(|| Error::no_job(job_id))?;
    if job.counters.total_chunks == 0 {
        return jobs::get(cx.conn, job_id);
    }
    let counted = count(cx.conn, job_id, |_, _| {})?;
    if counted != job.counters {
        let now = clock::now(cx.conn)?;
        let changes = job.counters.named().into_iter().zip(counted.named());
        let told: Vec<String> = changes
            .filter(|((_, said), (_, counted))| said != counted)
            .map(|((name, said), (_, counted))| format!("{name} {said} to {counted}"))
            .collect();
        job.counters = counted;
        job.updated_at = now;
        write_counters(cx.conn, &mut job)?;
        log_job(cx.conn, now, actor, job_id, Action::Repaired, Some(&told.join(", ")))?;
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
