//! Checks on a live database: rules 1 to 3 of one job, and the schema.

use super::connect::Connection;
use super::error::{Tried, corrupt};
use super::jobs::{self, lock};
use super::rows::Columns;
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::repository::{Actor, JobVerdict};
use crate::verdict::{Check, ChunkFacts};
use ream_core::job::MAX_TASK_IDS;
use ream_core::{Action, CrawlJob, Error, JobId, TaskId};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub(super) static JOB: Sql = Sql::new(
    "check a job",
    concat!(select_jobs!(", j.chunked_images IS NOT NULL"), "WHERE j.id = $1 AND j.deleted_at IS NULL"),
    &[Type::INT8],
);

pub(super) static CHUNKS: Sql = Sql::new(
    "check a job",
    "SELECT id, first_image, last_image, status, lease_expires_at IS NOT NULL AND timeout_at IS NOT NULL, \
     retry_at IS NOT NULL, attempt FROM job_chunks WHERE job_id = $1 ORDER BY first_image",
    &[Type::INT8],
);

/// Deltas that nobody counts any more: what a copy of the database from elsewhere may bring along.
pub(super) static DROP_STALE: Sql = Sql::new(
    "count chunks",
    "DELETE FROM counter_deltas WHERE job_id = $1 \
     AND xid < (SELECT ream_settled(settled_xid) FROM crawl_job_rows WHERE id = $1)",
    &[Type::INT8],
);

/// A count of the chunks, and what the deltas of that very moment add to the job's row. Chunks move meanwhile.
pub(super) static RECOUNT: Sql = Sql::new(
    "count chunks",
    "SELECT c.*, d.* FROM (SELECT count(*), count(*) FILTER (WHERE status = 'processing'), \
     count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed'), \
     count(*) FILTER (WHERE retry_at IS NOT NULL), \
     coalesce(sum(last_image - first_image + 1) FILTER (WHERE status = 'completed'), 0)::bigint \
     FROM job_chunks WHERE job_id = $1) c CROSS JOIN (SELECT coalesce(sum(total_chunks), 0)::bigint, \
     coalesce(sum(active_chunks), 0)::bigint, coalesce(sum(completed_chunks), 0)::bigint, \
     coalesce(sum(failed_chunks), 0)::bigint, coalesce(sum(awaiting_retry_chunks), 0)::bigint, \
     coalesce(sum(completed_images), 0)::bigint FROM counter_deltas WHERE job_id = $1 AND (job_id, xid) >= \
     ($1, (SELECT ream_settled(settled_xid) FROM crawl_job_rows WHERE id = $1))) d",
    &[Type::INT8],
);

/// Names and definitions of what the schema consists of. Of constraints and functions only the names: servers of
/// different versions write their definitions differently.
pub(super) static SCHEMA: Sql = Sql::new(
    "read the schema",
    "SELECT line FROM (\
     SELECT 'column ' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) \
     || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END AS line \
     FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v') \
     AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped \
     UNION ALL SELECT 'index ' || replace(pg_get_indexdef(i.indexrelid), current_schema() || '.', '') \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE c.relnamespace = current_schema()::regnamespace AND NOT c.relispartition AND i.indisvalid \
     UNION ALL SELECT 'constraint ' || c.relname || ' ' || n.conname FROM pg_constraint n \
     JOIN pg_class c ON c.oid = n.conrelid WHERE c.relnamespace = current_schema()::regnamespace \
     AND NOT c.relispartition AND n.contype IN ('c', 'f', 'p', 'u') \
     UNION ALL SELECT 'trigger ' || c.relname || ' ' || t.tgname FROM pg_trigger t \
     JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = current_schema()::regnamespace \
     AND NOT t.tgisinternal AND t.tgenabled = 'O' \
     UNION ALL SELECT 'function ' || p.proname FROM pg_proc p \
     WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'ream%' \
     ) schema WHERE line NOT LIKE '%refinery_schema_history%' ORDER BY line COLLATE \"C\"",
    &[],
);

/// What [`SCHEMA`] finds in a fresh database. A test writes it anew where it differs.
const WANTED: &str = include_str!("schema.txt");

fn facts(row: &Row) -> Tried<ChunkFacts> {
    let mut columns = Columns::of(row);
    Ok(ChunkFacts {
        id: columns.get()?,
        first_image: columns.get()?,
        last_image: columns.get()?,
        status: columns.word(|text| text.parse().ok())?,
        is_leased: columns.get()?,
        awaits_retry: columns.get()?,
        attempt: columns.get()?,
    })
}

async fn check(tx: &Transaction, job_id: JobId) -> Tried<Check> {
    let mut check = Check::default();
    let chunks = tx.ready(&CHUNKS).await?;
    chunks.each(&[&job_id.get()], |row| Ok(check.see(&facts(row)?)?)).await?;
    Ok(check)
}

/// In one snapshot.
pub(super) async fn verify_job(tx: &Transaction, job_id: JobId) -> Tried<Done<JobVerdict>> {
    tx.begin().await?;
    let rows = tx.ready(&JOB).await?.rows(&[&job_id.get()]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| Error::no_job(job_id))?);
    let (job, is_begun) = (columns.job()?, columns.get()?);
    let checked = if job.counters.total_chunks > 0 { Some(check(tx, job_id).await?) } else { None };
    Ok(Done::answer(Check::verdict(checked, &job, is_begun)))
}

/// What the job's row must say so that it is true together with the deltas that are there now.
pub(super) async fn repair_counters(tx: &Transaction, job_id: JobId, actor: &Actor) -> Tried<Done<CrawlJob>> {
    tx.begin().await?;
    let mut locked = lock(tx, job_id).await?;
    if locked.job.counters.total_chunks > 0 {
        tx.ready(&DROP_STALE).await?.run(&[&job_id.get()]).await?;
        let rows = tx.ready(&RECOUNT).await?.rows(&[&job_id.get()]).await?;
        let mut columns = Columns::of(rows.first().ok_or_else(|| corrupt("no count"))?);
        let (counted, since) = (columns.counters()?, columns.counters()?);
        let said = locked.job.counters.plus(since);
        if counted != said {
            let told = crate::verdict::told_difference(&said, &counted);
            locked.job.counters = counted.minus(since);
            locked.job.updated_at = locked.now;
            jobs::log(tx, locked.now, actor, job_id, Action::Repaired, Some(&told)).await?;
        }
    }
    locked.write(tx).await?;
    let rows = tx.ready(&jobs::TASK_IDS).await?.rows(&[&job_id.get(), &(MAX_TASK_IDS as i64)]).await?;
    locked.job.task_ids =
        super::rows::collect(&rows, |columns| TaskId::new(columns.get::<String>()?).map_err(corrupt))?;
    Ok(Done::answer(locked.job))
}

pub(super) async fn verify_schema(connection: &Connection) -> Tried<Vec<String>> {
    let found = schema(connection).await?;
    let wanted: Vec<&str> = WANTED.lines().collect();
    let missing = wanted.iter().filter(|line| !found.iter().any(|found| found == *line));
    Ok(missing.map(|line| format!("{line}: is missing or was changed")).collect())
}

/// The schema as it is.
pub(super) async fn schema(connection: &Connection) -> Tried<Vec<String>> {
    let rows = connection.ready(&SCHEMA).await?.rows(&[]).await?;
    Ok(super::rows::collect(&rows, Columns::get)?)
}

#[cfg(test)]
mod tests {
    use super::WANTED;
    use crate::postgres::{PostgresOptions, PostgresStore};
    use ream_test_servers::Postgres;
    use std::path::Path;

    #[tokio::test]
    async fn schema_txt_says_what_a_fresh_database_has() {
        let database =
            tokio::task::spawn_blocking(|| Postgres::shared().fresh_database().unwrap()).await.unwrap();
        let store = PostgresStore::open(&PostgresOptions::new(database.url())).await.unwrap();
        let found: String = store.schema().await.unwrap().iter().map(|line| format!("{line}\n")).collect();
        if found != WANTED {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres/schema.txt");
            std::fs::write(&file, found).unwrap();
            panic!("{} differed and was written anew: look at it, and run the test again", file.display());
        }
    }
}
