//! Jobs: creating, reading, and what operators do to them.

use super::chunks::QUEUE_BEGINS_AT;
use super::connect::Connection;
use super::error::{Tried, corrupt};
use super::rows::{Columns, Time, collect, maybe, signed};
use super::statement::{Ready, Sql};
use super::transaction::Transaction;
use super::tries::Done;
use super::writes::Writes;
use crate::creation::{check_images_kept, dataset_taken, recipe_text};
use crate::page::{Page, PageRequest};
use crate::repository::{Actor, JobFilter};
use ream_core::job::MAX_TASK_IDS;
use ream_core::job_event::{JobEvent, NewCrawlJob, job_transition};
use ream_core::{Action, CrawlJob, Error, JobChunk, JobGate, JobId, Priority, TaskId, Timestamp};
use tokio_postgres::types::Type;

/// No row where another job has the dataset: who has just taken it is waited for.
pub(super) static CREATE: Sql = Sql::new(
    "create a job",
    concat!(
        "INSERT INTO crawl_job_rows AS j (name, priority, max_images, chunk_size, executor, image_list, dataset, recipe, \
         heartbeat_interval_s, lease_duration_s, chunk_timeout_s, job_deadline_s, max_retries, backoff_initial_s, \
         backoff_max_s, redispatch_after_s, robots, created_at, updated_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, now, now \
         FROM ream_now() AS now \
         ON CONFLICT (md5(dataset)) WHERE dataset IS NOT NULL AND deleted_at IS NULL DO NOTHING RETURNING ",
        stored_job_columns!(),
        ", ",
        no_delta!(),
        ", pg_current_xact_id()::text::bigint"
    ),
    &[
        Type::TEXT,
        Type::INT4,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
    ],
);

pub(super) static GET: Sql = Sql::new(
    "read a job",
    concat!(select_jobs!(", ream_now()"), "WHERE j.id = $1 AND j.deleted_at IS NULL"),
    &[Type::INT8],
);

pub(super) static TASK_IDS: Sql = Sql::new(
    "read task ids",
    "SELECT task_id FROM job_chunks WHERE job_id = $1 AND status = 'processing' AND task_id IS NOT NULL \
     ORDER BY first_image LIMIT $2",
    &[Type::INT8, Type::INT8],
);

pub(super) static LIST: Sql = Sql::new(
    "list jobs",
    concat!(select_jobs!(""), "WHERE j.id < $1 AND j.deleted_at IS NULL ORDER BY j.id DESC LIMIT $2"),
    &[Type::INT8, Type::INT8],
);

/// The stored status is true of all jobs but those that have deltas, which are few: theirs is computed.
pub(super) static LIST_OF_STATUS: Sql = Sql::new(
    "list jobs",
    concat!(
        "WITH moved AS MATERIALIZED (SELECT DISTINCT job_id AS id FROM counter_deltas), \
         found AS MATERIALIZED (\
         (SELECT id FROM crawl_job_rows s WHERE status = $3 AND id < $1 AND deleted_at IS NULL \
         AND NOT EXISTS (SELECT FROM moved WHERE moved.id = s.id) ORDER BY id DESC LIMIT $2) \
         UNION ALL (SELECT v.id FROM moved CROSS JOIN LATERAL (SELECT id, status FROM crawl_jobs \
         WHERE crawl_jobs.id = moved.id) v WHERE v.id < $1 AND v.status = $3 ORDER BY v.id DESC LIMIT $2)) ",
        select_jobs!(""),
        "WHERE j.id IN (SELECT id FROM found) ORDER BY j.id DESC LIMIT $2"
    ),
    &[Type::INT8, Type::INT8, Type::TEXT],
);

/// No chunk starts from here to the end of the transaction, and none is being started.
pub(super) static CLOSE_GATE: Sql =
    Sql::new("close the gate of a job", "SELECT pg_advisory_xact_lock(ream_gate_key($1))", &[Type::INT8]);

pub(super) static LOCK: Sql = Sql::new(
    "lock a job",
    "SELECT FROM crawl_job_rows WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
    &[Type::INT8],
);

/// The job with its deltas, which are taken away: the row must be written with what they add. A statement of its own
/// after [`LOCK`], so that it sees what whoever held the lock before has done.
pub(super) static TAKE_DELTAS: Sql = Sql::new(
    "read a job",
    concat!(
        "WITH taken AS (DELETE FROM counter_deltas WHERE job_id = $1 AND (job_id, xid) >= \
         ($1, (SELECT ream_settled(settled_xid) FROM crawl_job_rows WHERE id = $1)) RETURNING *), \
         d AS (SELECT ",
        delta_sums!(),
        " FROM taken) SELECT ",
        stored_job_columns!(),
        ", ",
        delta_columns!(),
        ", ream_now(), pg_current_xact_id()::text::bigint, pg_snapshot_xmin(pg_current_snapshot())::text, \
         j.chunked_images, j.chunked_priority, j.next_chunk_index \
         FROM crawl_job_rows j CROSS JOIN d WHERE j.id = $1 AND j.deleted_at IS NULL"
    ),
    &[Type::INT8],
);

pub(super) static WRITE: Sql = Sql::new(
    "write a job",
    "UPDATE crawl_job_rows SET name = $2, status = $3, gate = $4, priority = $5, max_images = $6, \
     total_chunks = $7, active_chunks = $8, completed_chunks = $9, failed_chunks = $10, \
     awaiting_retry_chunks = $11, completed_images = $12, settled_xid = $13::text::xid8, window_started_at_ms = $14, \
     window_images = $15, previous_ms = $16, previous_images = $17, heartbeat_interval_s = $18, \
     lease_duration_s = $19, chunk_timeout_s = $20, job_deadline_s = $21, max_retries = $22, \
     backoff_initial_s = $23, backoff_max_s = $24, redispatch_after_s = $25, robots = $26, updated_at = $27, \
     started_at = $28, ended_at = $29, deadline_at = $30, executor = $31, image_list = $32 WHERE id = $1",
    &[
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT,
        Type::INT4,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        Type::TIMESTAMPTZ,
        Type::TEXT,
        Type::TEXT,
    ],
);

pub(super) static QUEUE_FOLLOWS: Sql = Sql::new(
    "write a job's queue",
    "UPDATE job_queues SET open = $2, priority = $3 WHERE job_id = $1 AND (open, priority) <> ($2, $3)",
    &[Type::INT8, Type::BOOL, Type::INT4],
);

pub(super) static PRIORITY_BEGINS: Sql = Sql::new(
    "set a priority",
    "UPDATE crawl_job_rows SET priority_from_image = 0 WHERE id = $1",
    &[Type::INT8],
);

/// A deadline counts from the creation of the chunks, also when it is set later.
pub(super) static MOVE_DEADLINE: Sql = Sql::new(
    "set a deadline",
    "UPDATE crawl_job_rows SET deadline_at = job_deadline_s * interval '1 s' + (SELECT created_at FROM job_chunks \
     WHERE job_id = $1 ORDER BY first_image LIMIT 1) WHERE id = $1 RETURNING deadline_at",
    &[Type::INT8],
);

pub(super) static DELETE: Sql = Sql::new(
    "delete a job",
    "WITH q AS (DELETE FROM job_queues WHERE job_id = $1) \
     UPDATE crawl_job_rows SET deleted_at = $2, updated_at = $2 WHERE id = $1",
    &[Type::INT8, Type::TIMESTAMPTZ],
);

pub(super) static LOG: Sql = Sql::new(
    "write the activity log",
    "INSERT INTO activity_log (created_at, actor, action, job_id, message) VALUES ($1, $2, $3, $4, $5)",
    &[Type::TIMESTAMPTZ, Type::TEXT, Type::TEXT, Type::INT8, Type::TEXT],
);

/// A job that this transaction alone may write, complete with all deltas there are.
pub(super) struct LockedJob {
    pub(super) job: CrawlJob,
    pub(super) now: Timestamp,
    /// How far its chunks have been created.
    pub(super) begun: Begun,
    settled_xid: String,
}

/// What the job's row knows about the creation of its chunks.
pub(super) struct Begun {
    pub(super) images: Option<i64>,
    pub(super) priority: Option<i32>,
    pub(super) next_chunk_index: i64,
}

/// Locks a job of an open transaction. [`LockedJob::write`] has to follow: the deltas are gone.
pub(super) async fn lock(tx: &Transaction, job_id: JobId) -> Tried<LockedJob> {
    let (lock, take) = (tx.ready(&LOCK).await?, tx.ready(&TAKE_DELTAS).await?);
    let id = job_id.get();
    let (locked, rows) = futures::join!(async { lock.rows(&[&id]).await }, async { take.rows(&[&id]).await });
    locked?;
    let rows = rows?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| Error::no_job(job_id))?);
    let (job, now) = (columns.job()?, columns.time()?);
    tx.note_xid(columns.get()?);
    let settled_xid = columns.get()?;
    let begun = Begun { images: columns.get()?, priority: columns.get()?, next_chunk_index: columns.get()? };
    Ok(LockedJob { job, now, begun, settled_xid })
}

impl LockedJob {
    /// Writes the job with the status that follows from it.
    pub(super) async fn write(&self, tx: &Transaction) -> Tried<()> {
        let (job, c, p) = (&self.job, &self.job.counters, &self.job.policy);
        let written = tx
            .ready(&WRITE)
            .await?
            .run(&[
                &job.id.get(),
                &job.name,
                &job.status().as_str(),
                &job.gate.as_str(),
                &small_priority(job.priority),
                &job.max_images.map(signed).transpose()?,
                &c.total_chunks,
                &c.active_chunks,
                &c.completed_chunks,
                &c.failed_chunks,
                &c.awaiting_retry_chunks,
                &c.completed_images,
                &self.settled_xid,
                &job.throughput.window_started_at_ms,
                &job.throughput.window_images,
                &job.throughput.previous_ms,
                &job.throughput.previous_images,
                &i64::from(p.heartbeat_interval_s),
                &i64::from(p.lease_duration_s),
                &i64::from(p.chunk_timeout_s),
                &p.job_deadline_s.map(i64::from),
                &i64::from(p.max_retries),
                &i64::from(p.backoff_initial_s),
                &i64::from(p.backoff_max_s),
                &i64::from(p.redispatch_after_s),
                &p.robots.as_str(),
                &Time(job.updated_at),
                &maybe(job.started_at),
                &maybe(job.ended_at),
                &maybe(job.deadline_at),
                &job.executor.as_str(),
                &job.image_list,
            ])
            .await;
        written.map(|_| ())
    }
}

/// A priority as its columns have it.
pub(super) fn small_priority(priority: Priority) -> i32 {
    // 0 to 10.
    i32::try_from(priority.get()).unwrap_or_default()
}

/// A chunk was added to the queue.
pub(super) async fn queue_begins_at(tx: &Transaction, chunk: &JobChunk) -> Tried<()> {
    let rank = 10 - small_priority(chunk.priority);
    let begins = tx.ready(&QUEUE_BEGINS_AT).await?;
    begins.rows(&[&chunk.job_id.get(), &rank, &signed(chunk.chunk_index)?]).await.map(|_| ())
}

/// One row of the activity log about a job.
pub(super) async fn log(
    tx: &Transaction,
    now: Timestamp,
    actor: &Actor,
    job_id: JobId,
    action: Action,
    message: Option<&str>,
) -> Tried<()> {
    let log = tx.ready(&LOG).await?;
    log.run(&[&Time(now), &actor.as_str(), &action.as_str(), &job_id.get(), &message]).await.map(|_| ())
}

/// In a transaction that has begun.
pub(super) async fn create(tx: &Transaction, new: &NewCrawlJob, actor: &Actor) -> Tried<Done<CrawlJob>> {
    let insert = tx.ready(&CREATE).await?;
    let p = &new.policy;
    let (priority, max_images) = (small_priority(new.priority), new.max_images.map(signed).transpose()?);
    let chunk_size = signed(new.chunk_size)?;
    let rows = insert
        .rows(&[
            &new.name,
            &priority,
            &max_images,
            &chunk_size,
            &new.executor().as_str(),
            &new.image_list,
            &new.dataset,
            &recipe_text(new)?,
            &i64::from(p.heartbeat_interval_s),
            &i64::from(p.lease_duration_s),
            &i64::from(p.chunk_timeout_s),
            &p.job_deadline_s.map(i64::from),
            &i64::from(p.max_retries),
            &i64::from(p.backoff_initial_s),
            &i64::from(p.backoff_max_s),
            &i64::from(p.redispatch_after_s),
            &p.robots.as_str(),
        ])
        .await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| dataset_taken(new))?);
    let job = columns.job()?;
    tx.note_xid(columns.get()?);
    log(tx, job.created_at, actor, job.id, Action::JobCreated, Some(&format!("{:?}", new.name))).await?;
    Ok(Done::answer(job))
}

pub(super) async fn get(connection: &Connection, job_id: JobId) -> Tried<CrawlJob> {
    read(connection.ready(&GET).await?, connection.ready(&TASK_IDS).await?, job_id).await
}

/// The same within a transaction.
pub(super) async fn get_in(tx: &Transaction, job_id: JobId) -> Tried<CrawlJob> {
    read(tx.ready(&GET).await?, tx.ready(&TASK_IDS).await?, job_id).await
}

async fn read(get: Ready<'_>, task_ids: Ready<'_>, job_id: JobId) -> Tried<CrawlJob> {
    let (id, most) = (job_id.get(), MAX_TASK_IDS as i64);
    let (jobs, task_ids) =
        futures::join!(async { get.rows(&[&id]).await }, async { task_ids.rows(&[&id, &most]).await });
    let jobs = jobs?;
    let mut job = Columns::of(jobs.first().ok_or_else(|| Error::no_job(job_id))?).job()?;
    job.task_ids = collect(&task_ids?, |columns| TaskId::new(columns.get::<String>()?).map_err(corrupt))?;
    Ok(job)
}

pub(super) async fn glance(connection: &Connection, job_id: JobId) -> Tried<(CrawlJob, Timestamp)> {
    let rows = connection.ready(&GET).await?.rows(&[&job_id.get()]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| Error::no_job(job_id))?);
    Ok((columns.job()?, columns.time()?))
}

pub(super) async fn list(
    connection: &Connection,
    filter: JobFilter,
    page: PageRequest,
) -> Tried<Page<CrawlJob>> {
    let before = page.cursor().map_or(i64::MAX, |cursor| cursor.0);
    let limit = i64::from(page.limit()) + 1;
    let rows = match filter.status {
        None => connection.ready(&LIST).await?.rows(&[&before, &limit]).await?,
        Some(status) => {
            connection.ready(&LIST_OF_STATUS).await?.rows(&[&before, &limit, &status.as_str()]).await?
        }
    };
    Ok(Page::cut(collect(&rows, Columns::job)?, page, |job| job.id.get()))
}

/// In a transaction that has begun. Nothing starts from before the job is read to its commit.
pub(super) async fn apply(
    tx: &Transaction,
    job_id: JobId,
    event: &JobEvent,
    actor: &Actor,
) -> Tried<Done<CrawlJob>> {
    event.validate()?;
    tx.ready(&CLOSE_GATE).await?.rows(&[&job_id.get()]).await?;
    let mut locked = lock(tx, job_id).await?;
    let before = locked.job.clone();
    let done = job_transition(locked.job.clone(), event.clone(), locked.now)?;
    check_images_kept(&before, &done.job, locked.begun.images.is_some())?;
    locked.job = done.job;
    locked.write(tx).await?;
    if let Some((action, message)) = &done.log {
        let (job, is_shown) =
            (&mut locked.job, locked.begun.images.is_some() && before.counters.total_chunks > 0);
        if job.policy.job_deadline_s != before.policy.job_deadline_s && is_shown {
            let rows = tx.ready(&MOVE_DEADLINE).await?.rows(&[&job_id.get()]).await?;
            let deadline_at: Option<Time> =
                rows.first().and_then(|row| row.try_get(0).ok()).ok_or_else(|| corrupt("no deadline"))?;
            job.deadline_at = deadline_at.map(|time| time.0);
        }
        if job.priority != before.priority {
            tx.ready(&PRIORITY_BEGINS).await?.run(&[&job_id.get()]).await?;
        }
        let (is_open, priority) = (job.gate == JobGate::Open, small_priority(job.priority));
        tx.ready(&QUEUE_FOLLOWS).await?.run(&[&job_id.get(), &is_open, &priority]).await?;
        log(tx, locked.now, actor, job_id, *action, message.as_deref()).await?;
    }
    let task_ids = tx.ready(&TASK_IDS).await?.rows(&[&job_id.get(), &(MAX_TASK_IDS as i64)]).await?;
    locked.job.task_ids =
        collect(&task_ids, |columns| TaskId::new(columns.get::<String>()?).map_err(corrupt))?;
    let wakes_claimers = done.log.is_some() && done.wakes_claimers;
    Ok(Done { answer: locked.job, writes: Writes::waking(wakes_claimers) })
}

pub(super) async fn delete(tx: &Transaction, job_id: JobId, actor: &Actor) -> Tried<Done<()>> {
    tx.begin().await?;
    tx.ready(&CLOSE_GATE).await?.rows(&[&job_id.get()]).await?;
    let locked = lock(tx, job_id).await?;
    locked.write(tx).await?;
    tx.ready(&DELETE).await?.run(&[&job_id.get(), &Time(locked.now)]).await?;
    let told = format!("{:?}, {} chunks", locked.job.name, locked.job.counters.total_chunks);
    log(tx, locked.now, actor, job_id, Action::Deleted, Some(&told)).await?;
    Ok(Done::answer(()))
}
