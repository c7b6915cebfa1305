//! What the service does by itself: expiry, retry by policy, deadlines, ends, upkeep, and work that goes in steps.

use super::clock::NOW;
use super::connect::Connection;
use super::error::{Tried, corrupt};
use super::jobs::{self, lock};
use super::moves::{JOBS_OF_CHUNKS, Moves, read_jobs};
use super::rows::{Columns, Time, collect};
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::repository::Actor;
use ream_core::event::Event;
use ream_core::job::CrawlJobStatus;
use ream_core::job_event::JobEvent;
use ream_core::{Action, ChunkId, ChunkState, CrawlJob, Error, JobChunk, JobId, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::types::{FromSqlOwned, Type};

/// Rows per step of work that may touch a whole job.
const STEP_ROWS: i64 = 10_000;

/// Chunks of deleted jobs only wait to be removed; they may not fill up the steps of the duties.
macro_rules! of_a_job_that_is_there {
    () => {
        "EXISTS (SELECT FROM crawl_job_rows j WHERE j.id = job_chunks.job_id AND j.deleted_at IS NULL)"
    };
}

/// From `$2` on, so that nobody reads past what was found to be gone a moment ago.
pub(super) static EXPIRED: Sql = Sql::new(
    "look for leases that are over",
    concat!(
        "SELECT ",
        chunk_columns!(),
        " FROM job_chunks WHERE status IN ('processing', 'failed') AND status = 'processing' \
         AND lease_expires_at >= $2 AND lease_expires_at <= (SELECT ream_now()) AND ",
        of_a_job_that_is_there!(),
        " ORDER BY lease_expires_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
    ),
    &[Type::INT8, Type::TIMESTAMPTZ],
);

pub(super) static RETRIABLE: Sql = Sql::new(
    "look for chunks to retry",
    concat!(
        "SELECT ",
        chunk_columns!(),
        " FROM job_chunks WHERE retry_at >= $2 AND retry_at <= (SELECT ream_now()) AND ",
        of_a_job_that_is_there!(),
        " ORDER BY retry_at LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED"
    ),
    &[Type::INT8, Type::TIMESTAMPTZ],
);

pub(super) static OVERDUE_JOBS: Sql = Sql::new(
    "look for overdue jobs",
    "SELECT id FROM crawl_job_rows WHERE deadline_at IS NOT NULL AND ended_at IS NULL AND deleted_at IS NULL \
     AND deadline_at <= (SELECT ream_now()) AND status NOT IN ('completed', 'failed', 'cancelled') \
     AND (total_chunks = 0 OR completed_chunks < total_chunks) LIMIT 100",
    &[],
);

/// Since a transaction that the caller knows of; and the first that is still under way.
pub(super) static MOVED_JOBS: Sql = Sql::new(
    "look for counters to add up",
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, \
     ARRAY(SELECT DISTINCT job_id FROM \
     (SELECT job_id FROM counter_deltas WHERE xid >= $1::text::xid8 ORDER BY xid OFFSET 0) d)",
    &[Type::TEXT],
);

/// Whoever adds up a job's counters already is not waited for.
pub(super) static TRY_LOCK: Sql = Sql::new(
    "lock a job",
    "SELECT id FROM crawl_job_rows WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED",
    &[Type::INT8],
);

/// What a deleted job still did to its counters.
pub(super) static DROP_DELTAS: Sql = Sql::new(
    "remove counters",
    "DELETE FROM counter_deltas WHERE job_id = $1 \
     AND NOT EXISTS (SELECT FROM crawl_job_rows WHERE id = $1 AND deleted_at IS NULL)",
    &[Type::INT8],
);

pub(super) static UNANNOUNCED: Sql = Sql::new(
    "look for ended jobs",
    "SELECT id FROM crawl_job_rows WHERE status IN ('completed', 'failed') AND ended_at IS NULL \
     AND deleted_at IS NULL ORDER BY id LIMIT 1000",
    &[],
);

pub(super) static NEW_PRIORITY: Sql = Sql::new(
    "look for new priorities",
    "SELECT id, priority, priority_from_image, pg_current_xact_id()::text::bigint FROM crawl_job_rows \
     WHERE priority_from_image IS NOT NULL ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED",
    &[],
);

/// OFFSET only measures out one bounded step, never the way through the whole job.
pub(super) static PRIORITY_STEP: Sql = Sql::new(
    "give chunks their priority",
    "WITH step AS MATERIALIZED (SELECT first_image FROM job_chunks WHERE job_id = $1 AND first_image >= $3 \
     ORDER BY first_image LIMIT 1 OFFSET $4), \
     moved AS (UPDATE job_chunks SET priority = $2, updated_at = (SELECT ream_now()) WHERE job_id = $1 \
     AND first_image >= $3 AND first_image < coalesce((SELECT first_image FROM step), 9223372036854775807) \
     AND status <> 'completed' AND priority <> $2) \
     UPDATE crawl_job_rows SET priority_from_image = (SELECT first_image FROM step) WHERE id = $1",
    &[Type::INT8, Type::INT4, Type::INT8, Type::INT8],
);

pub(super) static DELETED_JOB: Sql = Sql::new(
    "look for deleted jobs",
    "SELECT id, pg_current_xact_id()::text::bigint FROM crawl_job_rows WHERE deleted_at IS NOT NULL \
     ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    &[],
);

/// An array, because the server takes an unknown limit for a tenth of the job, and would rather read all ids there are.
pub(super) static PURGE_CHUNKS: Sql = Sql::new(
    "remove chunks",
    "DELETE FROM job_chunks WHERE id = ANY (ARRAY(SELECT id FROM job_chunks WHERE job_id = $1 LIMIT $2))",
    &[Type::INT8, Type::INT8],
);

pub(super) static PURGE_JOB: Sql =
    Sql::new("remove a job", "DELETE FROM crawl_job_rows WHERE id = $1", &[Type::INT8]);

pub(super) static UNPUBLISHED: Sql = Sql::new(
    "look for unpublished chunks",
    concat!(
        "SELECT ",
        chunk_columns!(),
        " FROM job_chunks WHERE job_id = $1 AND unpublished ORDER BY first_image LIMIT $2"
    ),
    &[Type::INT8, Type::INT8],
);

/// As a number, so that the chunk is found by its id and not among all that are, or just were, unpublished.
pub(super) static PUBLISH: Sql = Sql::new(
    "note a published chunk",
    "UPDATE job_chunks SET unpublished = false, updated_at = (SELECT ream_now()) \
     WHERE id = $1 AND attempt = $2 AND status = 'completed' AND unpublished::integer = 1",
    &[Type::INT8, Type::INT8],
);

/// From one job that has such chunks to the next, however many there are of one.
pub(super) static WAITING_DATASETS: Sql = Sql::new(
    "look for datasets",
    "WITH RECURSIVE waiting AS ( \
     (SELECT job_id FROM job_chunks WHERE unpublished AND job_id > $3 ORDER BY job_id, first_image LIMIT 1) \
     UNION ALL SELECT n.job_id FROM waiting w CROSS JOIN LATERAL (SELECT c.job_id FROM job_chunks c \
     WHERE c.unpublished AND c.job_id > w.job_id ORDER BY c.job_id, c.first_image LIMIT 1) n) \
     SELECT j.id FROM waiting w JOIN crawl_job_rows j ON j.id = w.job_id \
     WHERE j.dataset IS NOT NULL AND j.executor = 'ream' AND j.deleted_at IS NULL AND EXISTS (SELECT FROM job_chunks c \
     WHERE c.job_id = j.id AND c.unpublished \
     AND c.updated_at <= (SELECT ream_now()) - $1 * interval '1 millisecond') LIMIT $2",
    &[Type::INT8, Type::INT8, Type::INT8],
);

pub(super) static UNFINISHED_DATASETS: Sql = Sql::new(
    "look for datasets",
    "SELECT id FROM crawl_job_rows WHERE dataset IS NOT NULL AND executor = 'ream' AND deleted_at IS NULL AND ended_at IS NOT NULL \
     AND (summary_end IS DISTINCT FROM ended_at OR summary_chunks IS DISTINCT FROM completed_chunks) \
     AND id > $2 ORDER BY id LIMIT $1",
    &[Type::INT8, Type::INT8],
);

pub(super) static FINISH_DATASET: Sql = Sql::new(
    "note a finished dataset",
    "UPDATE crawl_job_rows SET summary_end = ended_at, summary_chunks = $3 \
     WHERE id = $1 AND ended_at IS NOT DISTINCT FROM $2 RETURNING id",
    &[Type::INT8, Type::TIMESTAMPTZ, Type::INT8],
);

pub(super) static MAINTAIN_LOG: Sql = Sql::new(
    "make room in the activity log",
    "SELECT ream_maintain_activity_log($1 * interval '1 day')",
    &[Type::INT8],
);

/// What a look for due chunks came to.
pub(super) struct Looked {
    /// Chunks that were moved.
    pub(super) moved: u64,
    /// The time of the look. When it found fewer than it was to find, nothing before this is due any more.
    pub(super) at: Timestamp,
}

/// Moves up to `limit` chunks that `due` finds from `from` on, each by `step`.
async fn move_due(
    tx: &Transaction,
    due: &'static Sql,
    (limit, from): (u32, Timestamp),
    step: impl Fn(&mut Moves, ChunkId) -> ream_core::Result<()>,
) -> Tried<Done<Looked>> {
    let (due, jobs) = (tx.ready(due).await?, tx.ready(&JOBS_OF_CHUNKS).await?);
    let clock = tx.ready(&NOW).await?;
    let limit = i64::from(limit);
    let (begun, at, rows) = futures::join!(tx.begin(), async { clock.rows(&[]).await }, async {
        due.rows(&[&limit, &Time(from)]).await
    });
    begun?;
    let at = collect(&at?, Columns::time)?.pop().ok_or_else(|| corrupt("no time"))?;
    let chunks: Vec<JobChunk> = collect(&rows?, Columns::chunk)?;
    if chunks.is_empty() {
        return Ok(Done::answer(Looked { moved: 0, at }));
    }
    let ids: Vec<ChunkId> = chunks.iter().map(|chunk| chunk.id).collect();
    let raw: Vec<i64> = ids.iter().map(|id| id.get()).collect();
    let (now, jobs) = read_jobs(tx, &jobs.rows(&[&raw]).await?)?;
    let mut moves = Moves::new(now, Actor::service(), jobs, chunks);
    let mut moved = 0;
    for id in ids {
        match step(&mut moves, id) {
            // Deleted in this very moment.
            Err(Error::NotFound { .. }) => {}
            result => {
                result?;
                moved += 1;
            }
        }
    }
    Ok(Done { answer: Looked { moved, at }, writes: moves.into_writes() })
}

pub(super) async fn expire_due(tx: &Transaction, limit: u32, from: Timestamp) -> Tried<Done<Looked>> {
    move_due(tx, &EXPIRED, (limit, from), |moves, id| {
        let chunk = moves.step(id, Event::Expire)?;
        if matches!(chunk.state, ChunkState::Failed { retry_at: Some(at) } if at <= moves.now) {
            moves.step(id, Event::RetryByPolicy)?;
        }
        Ok(())
    })
    .await
}

pub(super) async fn retry_due(tx: &Transaction, limit: u32, from: Timestamp) -> Tried<Done<Looked>> {
    let due = (limit, from);
    move_due(tx, &RETRIABLE, due, |moves, id| moves.step(id, Event::RetryByPolicy).map(|_| ())).await
}

fn first_column<T: FromSqlOwned>(rows: &[tokio_postgres::Row]) -> ream_core::Result<Vec<T>> {
    collect(rows, Columns::get)
}

/// The jobs that are past their deadline; each is cancelled in a transaction of its own.
pub(super) async fn overdue_jobs(connection: &Connection) -> Tried<Vec<JobId>> {
    let rows = connection.ready(&OVERDUE_JOBS).await?.rows(&[]).await?;
    Ok(first_column(&rows)?.into_iter().map(JobId::new).collect())
}

/// Cancels a job if it is still past its deadline and has not ended.
pub(super) async fn cancel_overdue(tx: &Transaction, job_id: JobId) -> Tried<Done<bool>> {
    tx.begin().await?;
    tx.ready(&jobs::CLOSE_GATE).await?.rows(&[&job_id.get()]).await?;
    let locked = match lock(tx, job_id).await {
        Err(super::error::Failure::Final(Error::NotFound { .. })) => return Ok(Done::answer(false)),
        locked => locked?,
    };
    locked.write(tx).await?;
    let job = &locked.job;
    let over = matches!(
        job.status(),
        CrawlJobStatus::Completed | CrawlJobStatus::Failed | CrawlJobStatus::Cancelled
    );
    if over || job.is_done() || job.deadline_at.is_none_or(|deadline_at| deadline_at > locked.now) {
        return Ok(Done::answer(false));
    }
    let deadline_s = job.policy.job_deadline_s.unwrap_or_default();
    let reason = Some(format!("job deadline of {deadline_s} s over"));
    let done = jobs::apply(tx, job_id, &JobEvent::Cancel { reason }, &Actor::service()).await?;
    Ok(Done { answer: true, writes: done.writes })
}

/// Jobs that transactions from `since` on have moved, and which transaction is the first that is still under way.
pub(super) async fn moved_jobs(connection: &Connection, since: &str) -> Tried<(String, Vec<JobId>)> {
    let rows = connection.ready(&MOVED_JOBS).await?.rows(&[&since]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| corrupt("no snapshot"))?);
    let (settled, ids): (String, Vec<i64>) = (columns.get()?, columns.get()?);
    Ok((settled, ids.into_iter().map(JobId::new).collect()))
}

/// Adds up a job's counters, unless somebody else is about it: answers whether it did.
pub(super) async fn add_up(tx: &Transaction, job_id: JobId) -> Tried<Done<bool>> {
    tx.begin().await?;
    if tx.ready(&TRY_LOCK).await?.rows(&[&job_id.get()]).await?.is_empty() {
        tx.ready(&DROP_DELTAS).await?.run(&[&job_id.get()]).await?;
        return Ok(Done::answer(false));
    }
    match lock(tx, job_id).await {
        Ok(locked) => locked.write(tx).await?,
        Err(super::error::Failure::Final(Error::NotFound { .. })) => {
            tx.ready(&DROP_DELTAS).await?.run(&[&job_id.get()]).await?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(Done::answer(true))
}

/// Jobs that seem to have ended, after the counters were added up.
pub(super) async fn unannounced(connection: &Connection) -> Tried<Vec<JobId>> {
    let rows = connection.ready(&UNANNOUNCED).await?.rows(&[]).await?;
    Ok(first_column(&rows)?.into_iter().map(JobId::new).collect())
}

/// Notes the end of a job, if it has ended and nobody has noted it: answers whether it did.
pub(super) async fn announce(tx: &Transaction, job_id: JobId) -> Tried<Done<bool>> {
    tx.begin().await?;
    let mut locked = match lock(tx, job_id).await {
        Err(super::error::Failure::Final(Error::NotFound { .. })) => return Ok(Done::answer(false)),
        locked => locked?,
    };
    let (now, job) = (locked.now, &mut locked.job);
    let action = match job.status() {
        CrawlJobStatus::Completed if job.ended_at.is_none() => Action::JobCompleted,
        CrawlJobStatus::Failed if job.ended_at.is_none() => Action::JobFailed,
        // Taken back in this very moment, or noted by another.
        _ => {
            locked.write(tx).await?;
            return Ok(Done::answer(false));
        }
    };
    job.ended_at = Some(now);
    job.updated_at = now;
    let c = &job.counters;
    let told =
        format!("{} of {} chunks completed, {} failed", c.completed_chunks, c.total_chunks, c.failed_chunks);
    jobs::log(tx, now, &Actor::service(), job_id, action, Some(&told)).await?;
    locked.write(tx).await?;
    Ok(Done::answer(true))
}

pub(super) async fn propagate_priority_step(tx: &Transaction) -> Tried<Done<bool>> {
    let look = tx.ready(&NEW_PRIORITY).await?;
    let (begun, rows) = futures::join!(tx.begin(), look.rows(&[]));
    begun?;
    let rows = rows?;
    let Some(row) = rows.first() else { return Ok(Done::answer(false)) };
    let mut columns = Columns::of(row);
    let (job_id, priority, from): (i64, i32, i64) = (columns.get()?, columns.get()?, columns.get()?);
    tx.note_xid(columns.get()?);
    tx.ready(&PRIORITY_STEP).await?.run(&[&job_id, &priority, &from, &STEP_ROWS]).await?;
    Ok(Done::answer(true))
}

pub(super) async fn purge_step(tx: &Transaction) -> Tried<Done<bool>> {
    let look = tx.ready(&DELETED_JOB).await?;
    let (begun, rows) = futures::join!(tx.begin(), look.rows(&[]));
    begun?;
    let rows = rows?;
    let Some(row) = rows.first() else { return Ok(Done::answer(false)) };
    let mut columns = Columns::of(row);
    let job_id: i64 = columns.get()?;
    tx.note_xid(columns.get()?);
    let removed = tx.ready(&PURGE_CHUNKS).await?.run(&[&job_id, &STEP_ROWS]).await?;
    if removed == 0 {
        tx.ready(&PURGE_JOB).await?.run(&[&job_id]).await?;
    }
    Ok(Done::answer(true))
}

pub(super) async fn list_unpublished(
    connection: &Connection,
    job_id: JobId,
    limit: u32,
) -> Tried<Vec<JobChunk>> {
    let (exists, list) =
        (connection.ready(&super::claim::JOB_EXISTS).await?, connection.ready(&UNPUBLISHED).await?);
    if exists.rows(&[&job_id.get()]).await?.is_empty() {
        return Err(Error::no_job(job_id).into());
    }
    Ok(collect(&list.rows(&[&job_id.get(), &i64::from(limit)]).await?, Columns::chunk)?)
}

/// Setting it twice is harmless, so it needs no transaction of several statements.
pub(super) async fn mark_published(connection: &Connection, chunk: &JobChunk) -> Tried<()> {
    super::chunks::get(connection, chunk.id).await?;
    let publish = connection.ready(&PUBLISH).await?;
    publish.run(&[&chunk.id.get(), &chunk.attempt.get()]).await.map(|_| ())
}

pub(super) async fn list_unfinished_datasets(
    connection: &Connection,
    waiting_for: Duration,
    after: Option<JobId>,
    limit: u32,
) -> Tried<Vec<JobId>> {
    let (waiting, unfinished) =
        (connection.ready(&WAITING_DATASETS).await?, connection.ready(&UNFINISHED_DATASETS).await?);
    let ms = i64::try_from(waiting_for.as_millis()).unwrap_or(i64::MAX);
    let (after, most) = (after.map_or(0, JobId::get), i64::from(limit));
    let mut found: BTreeSet<i64> =
        first_column(&waiting.rows(&[&ms, &most, &after]).await?)?.into_iter().collect();
    found.extend(first_column::<i64>(&unfinished.rows(&[&most, &after]).await?)?);
    Ok(found.into_iter().take(limit as usize).map(JobId::new).collect())
}

/// Setting it twice is harmless, so it needs no transaction of several statements.
pub(super) async fn mark_dataset_finished(connection: &Connection, job: &CrawlJob) -> Tried<bool> {
    let (exists, finish) =
        (connection.ready(&super::claim::JOB_EXISTS).await?, connection.ready(&FINISH_DATASET).await?);
    if exists.rows(&[&job.id.get()]).await?.is_empty() {
        return Err(Error::no_job(job.id).into());
    }
    let completed = job.counters.completed_chunks;
    let written = finish.rows(&[&job.id.get(), &job.ended_at.map(Time), &completed]).await?;
    Ok(!written.is_empty())
}

/// Partitions of the log to come are made, those older than `keep_days` dropped. Answers how many that were; `None` while
/// somebody reads the log for long.
pub(super) async fn maintain_log(connection: &Connection, keep_days: u32) -> Tried<Option<u64>> {
    let rows = connection.ready(&MAINTAIN_LOG).await?.rows(&[&i64::from(keep_days)]).await?;
    let changed: Vec<i32> = first_column(&rows)?;
    Ok(changed.first().and_then(|changed| u64::try_from(*changed).ok()))
}
