//! The bare loop: what a hand-written program would do with one connection, prepared statements and no service.
//! It writes the same rows to the same schema, and reads no more than it must.

use crate::Result;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Those of the store's writer.
pub(crate) const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
    PRAGMA wal_autocheckpoint = 8192; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; \
    PRAGMA temp_store = MEMORY;";

const WORKER: &str = "bench-worker-1";

/// A connection like the store's writer has.
pub(crate) fn connect(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(std::time::Duration::from_secs(10))?;
    conn.execute_batch(PRAGMAS)?;
    // Else SQLite would parse a statement with a bound limit anew at each run.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(conn)
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// All chunks of a job in one statement and one transaction.
pub(crate) fn create(conn: &mut Connection, job_id: i64, chunks: i64, chunk_size: i64) -> Result<()> {
    let tx = conn.transaction()?;
    tx.execute(
        "WITH RECURSIVE step (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM step WHERE i + 1 < ?2) \
         INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at) \
         SELECT ?1, i, 5, i * ?3, i * ?3 + ?3 - 1, ?4, ?4 FROM step",
        params![job_id, chunks, chunk_size, now_ms()?],
    )?;
    tx.execute(
        "UPDATE crawl_jobs SET max_images = ?2 * ?3, total_chunks = ?2, next_chunk_index = ?2, updated_at = ?4 \
         WHERE id = ?1",
        params![job_id, chunks, chunk_size, now_ms()?],
    )?;
    tx.commit()?;
    Ok(())
}

struct Held {
    id: i64,
    attempt: i64,
    images: i64,
}

/// Claims and completes `batch` chunks at a time until none is left, each claim and each batch of completions in a
/// transaction of its own. Answers how many. It knows how many there are, so that it writes the job's status only
/// when that changes.
pub(crate) fn claim_and_complete(
    conn: &Connection,
    job_id: i64,
    chunks: u64,
    batch: u32,
    outcome: &str,
) -> Result<u64> {
    let mut begin = conn.prepare("BEGIN IMMEDIATE")?;
    let mut commit = conn.prepare("COMMIT")?;
    let mut head = conn.prepare(
        "SELECT id, attempt, first_image, last_image FROM job_chunks INDEXED BY ix_job_chunks_priority_created \
         WHERE job_id = ?1 AND status = 'pending' AND redispatch_at IS NULL \
         ORDER BY priority DESC, chunk_index LIMIT ?2",
    )?;
    let mut start = conn.prepare(
        "UPDATE job_chunks SET status = 'processing', attempt = ?2, task_id = ?3, lease_expires_at = ?4, \
         timeout_at = ?5, last_move = 'started', started_at = ?6, updated_at = ?6 WHERE id = ?1",
    )?;
    let mut complete = conn.prepare(
        "UPDATE job_chunks SET status = 'completed', outcome = ?3, unpublished = 1, lease_expires_at = NULL, \
         timeout_at = NULL, last_move = 'completed_by_holder', finished_at = ?4, updated_at = ?4 \
         WHERE id = ?1 AND attempt = ?2 AND status = 'processing' AND lease_expires_at > ?4",
    )?;
    let mut log = conn.prepare(
        "INSERT INTO activity_log (created_at, actor, action, job_id, chunk_id, from_status, to_status, attempt, \
         task_id, unfenced, message) VALUES (?1, ?8, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, NULL)",
    )?;
    let mut count_started = conn
        .prepare("UPDATE crawl_jobs SET active_chunks = active_chunks + ?2, updated_at = ?3 WHERE id = ?1")?;
    let mut count_completed = conn.prepare(
        "UPDATE crawl_jobs SET active_chunks = active_chunks - ?2, completed_chunks = completed_chunks + ?2, \
         completed_images = completed_images + ?3, window_images = window_images + ?3, updated_at = ?4 WHERE id = ?1",
    )?;
    let mut completed = 0;
    loop {
        begin.raw_execute()?;
        let now = now_ms()?;
        let held: Vec<Held> = head
            .query_map(params![job_id, batch], |row| {
                let images = row.get::<_, i64>(3)? - row.get::<_, i64>(2)? + 1;
                Ok(Held { id: row.get(0)?, attempt: row.get::<_, i64>(1)? + 1, images })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let held_chunks = i64::try_from(held.len())?;
        for chunk in &held {
            start.execute(params![chunk.id, chunk.attempt, WORKER, now + 15_000, now + 3_600_000, now])?;
            log.execute(params![
                now,
                "claimed",
                job_id,
                chunk.id,
                "pending",
                "processing",
                chunk.attempt,
                WORKER
            ])?;
        }
        if !held.is_empty() {
            count_started.execute(params![job_id, held_chunks, now])?;
        }
        if completed == 0 {
            conn.execute(
                "UPDATE crawl_jobs SET status = 'running', started_at = ?2, window_started_at_ms = ?2 WHERE id = ?1",
                params![job_id, now],
            )?;
        }
        commit.raw_execute()?;
        if held.is_empty() {
            return Ok(completed);
        }

        begin.raw_execute()?;
        let now = now_ms()?;
        let mut images = 0;
        for chunk in &held {
            if complete.execute(params![chunk.id, chunk.attempt, outcome, now])? != 1 {
                return Err(format!("chunk {} was lost", chunk.id).into());
            }
            log.execute(params![
                now,
                "completed",
                job_id,
                chunk.id,
                "processing",
                "completed",
                chunk.attempt,
                WORKER
            ])?;
            images += chunk.images;
        }
        count_completed.execute(params![job_id, held_chunks, images, now])?;
        completed += held.len() as u64;
        if completed == chunks {
            conn.execute("UPDATE crawl_jobs SET status = 'completed' WHERE id = ?1", [job_id])?;
        }
        commit.raw_execute()?;
    }
}
