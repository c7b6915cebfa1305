//! Reading chunks, and moving those that are named.

use super::connect::Connection;
use super::error::Tried;
use super::jobs;
use super::moves::{Lock, Moves};
use super::rows::{Columns, collect, signed};
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::page::{Page, PageRequest};
use crate::repository::{Actor, MovedChunk};
use futures::future::try_join_all;
use ream_core::event::Event;
use ream_core::split::{check_parts, split as split_chunk};
use ream_core::{ChunkId, Error, JobChunk, JobChunkStatus, JobGate, JobId, Result};
use tokio_postgres::types::Type;

/// Chunks of jobs that are deleted, or whose chunks are still being created, are not there for anybody.
macro_rules! visible {
    () => {
        "EXISTS (SELECT FROM crawl_job_rows j WHERE j.id = job_chunks.job_id AND j.deleted_at IS NULL \
         AND j.total_chunks > 0)"
    };
}

pub(super) static GET: Sql = Sql::new(
    "read a chunk",
    concat!("SELECT ", chunk_columns!(), " FROM job_chunks WHERE id = $1 AND ", visible!()),
    &[Type::INT8],
);

pub(super) static LIST: Sql = Sql::new(
    "list chunks",
    concat!(
        "SELECT ",
        chunk_columns!(),
        " FROM job_chunks WHERE job_id = $1 AND first_image > $2 AND ",
        visible!(),
        " ORDER BY first_image LIMIT $3"
    ),
    &[Type::INT8, Type::INT8, Type::INT8],
);

/// Compared as rows, only one index can serve it, whatever the statistics say.
pub(super) static LIST_OF_STATUS: Sql = Sql::new(
    "list chunks",
    concat!(
        "SELECT ",
        chunk_columns!(),
        " FROM job_chunks WHERE (job_id, status, first_image) > ($1, $4, $2) AND (job_id, status) <= ($1, $4) AND ",
        visible!(),
        " ORDER BY job_id, status, first_image LIMIT $3"
    ),
    &[Type::INT8, Type::INT8, Type::INT8, Type::TEXT],
);

/// The head of a job's queue, or the first of the overdue dispatches that the next claim puts back into it.
pub(super) static NEXT_PENDING: Sql = Sql::new(
    "look for chunks",
    concat!(
        "WITH clock AS MATERIALIZED (SELECT ream_now() AS now), \
         open_queue AS MATERIALIZED (SELECT q.job_id, q.from_rank, q.from_index FROM job_queues q \
         JOIN crawl_job_rows j ON j.id = q.job_id WHERE q.job_id = $1 AND j.gate = 'open' \
         AND j.deleted_at IS NULL AND j.total_chunks > 0), \
         head AS (SELECT c.* FROM open_queue q CROSS JOIN LATERAL (SELECT * FROM job_chunks c \
         WHERE c.job_id = q.job_id AND c.status = 'pending' AND c.redispatch_at IS NULL \
         AND (10 - c.priority, c.chunk_index) >= (q.from_rank, q.from_index) \
         ORDER BY 10 - c.priority, c.chunk_index LIMIT 1) c), \
         overdue AS (SELECT c.* FROM (SELECT * FROM job_chunks \
         WHERE redispatch_at <= (SELECT now FROM clock) ORDER BY redispatch_at LIMIT 1000) c \
         JOIN open_queue q ON q.job_id = c.job_id) \
         SELECT ",
        chunk_columns!(),
        " FROM (SELECT * FROM head UNION ALL SELECT * FROM overdue) c ORDER BY 10 - priority, chunk_index LIMIT 1"
    ),
    &[Type::INT8],
);

pub(super) static SHRINK: Sql = Sql::new(
    "split a chunk",
    "UPDATE job_chunks SET last_image = $2, updated_at = $3 WHERE id = $1",
    &[Type::INT8, Type::INT8, Type::TIMESTAMPTZ],
);

/// New chunks take the next free indexes: the job's row is locked first.
pub(super) static INSERT_PARTS: Sql = Sql::new(
    "split a chunk",
    concat!(
        "WITH job AS (UPDATE crawl_job_rows SET next_chunk_index = next_chunk_index + cardinality($2) \
         WHERE id = $1 RETURNING id, next_chunk_index - cardinality($2) AS next, priority) \
         INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at, \
         split_from) \
         SELECT job.id, job.next + n - 1, job.priority, first_image, last_image, $4, $4, $5 \
         FROM job CROSS JOIN unnest($2, $3) WITH ORDINALITY AS part (first_image, last_image, n) ORDER BY n \
         RETURNING ",
        chunk_columns!()
    ),
    &[Type::INT8, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::TIMESTAMPTZ, Type::INT8],
);

pub(super) static QUEUE_BEGINS_AT: Sql = Sql::new(
    "put chunks into the queue",
    "SELECT ream_queue_begins_at($1, $2, $3)",
    &[Type::INT8, Type::INT4, Type::INT8],
);

pub(super) async fn get(connection: &Connection, chunk_id: ChunkId) -> Tried<JobChunk> {
    let rows = connection.ready(&GET).await?.rows(&[&chunk_id.get()]).await?;
    let row = rows.first().ok_or_else(|| Error::no_chunk(chunk_id))?;
    Ok(Columns::of(row).chunk()?)
}

pub(super) async fn list(
    connection: &Connection,
    job_id: JobId,
    status: Option<JobChunkStatus>,
    page: PageRequest,
) -> Tried<Page<JobChunk>> {
    let exists = connection.ready(&super::claim::JOB_EXISTS).await?;
    let after = page.cursor().map_or(-1, |cursor| cursor.0);
    let limit = i64::from(page.limit()) + 1;
    let list = connection.ready(if status.is_some() { &LIST_OF_STATUS } else { &LIST }).await?;
    let rows = async {
        match status {
            None => list.rows(&[&job_id.get(), &after, &limit]).await,
            Some(status) => list.rows(&[&job_id.get(), &after, &limit, &status.as_str()]).await,
        }
    };
    let (found, rows) = futures::join!(async { exists.rows(&[&job_id.get()]).await }, rows);
    if found?.is_empty() {
        return Err(Error::no_job(job_id).into());
    }
    let items = collect(&rows?, Columns::chunk)?;
    // Image numbers are below 2⁶³ by the type.
    Ok(Page::cut(items, page, |chunk| chunk.image_range.start() as i64))
}

pub(super) async fn next_pending(connection: &Connection, job_id: JobId) -> Tried<Option<JobChunk>> {
    let (exists, next) =
        (connection.ready(&super::claim::JOB_EXISTS).await?, connection.ready(&NEXT_PENDING).await?);
    let id = job_id.get();
    let (found, rows) =
        futures::join!(async { exists.rows(&[&id]).await }, async { next.rows(&[&id]).await });
    if found?.is_empty() {
        return Err(Error::no_job(job_id).into());
    }
    Ok(collect(&rows?, Columns::chunk)?.pop())
}

/// What somebody asks of some chunks.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) events: Vec<(ChunkId, Event)>,
    pub(super) actor: Actor,
}

impl Call {
    fn ids(&self) -> impl Iterator<Item = ChunkId> {
        self.events.iter().map(|(id, _)| *id)
    }

    /// Whether it needs gates to be open.
    pub(super) fn starts(&self) -> bool {
        self.events.iter().any(|(_, event)| event.needs_open_gate())
    }

    /// Whether it may share a transaction: words of holders, which come often and wait for neither gates nor queues.
    pub(super) fn is_sociable(&self) -> bool {
        self.events.iter().all(|(_, event)| {
            matches!(
                event,
                Event::Heartbeat { .. }
                    | Event::Complete { attempt: Some(_), .. }
                    | Event::Fail { attempt: Some(_), .. }
            )
        })
    }
}

/// One call, which waits for whoever has locked one of its chunks.
pub(super) async fn apply(tx: &Transaction, call: &Call) -> Tried<Done<Vec<Result<MovedChunk>>>> {
    let how = if call.starts() { Lock::WaitAndHoldGates } else { Lock::Wait };
    let mut moves = Moves::begin(tx, &call.ids().collect::<Vec<_>>(), how, &call.actor).await?;
    let answer = step_all(&mut moves, call)?;
    Ok(Done { answer, writes: moves.into_writes() })
}

/// Several calls, which wait for nobody: `None` to one with a chunk that is not there, or that somebody else has locked.
pub(super) async fn apply_group(
    tx: &Transaction,
    calls: &[Call],
) -> Tried<Done<Vec<Option<Vec<Result<MovedChunk>>>>>> {
    let ids: Vec<ChunkId> = calls.iter().flat_map(Call::ids).collect();
    let mut moves = Moves::begin(tx, &ids, Lock::Free, &Actor::service()).await?;
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        let is_free = call.ids().all(|id| moves.chunks.contains_key(&id));
        moves.actor = call.actor.clone();
        answers.push(is_free.then(|| step_all(&mut moves, call)).transpose()?);
    }
    Ok(Done { answer: answers, writes: moves.into_writes() })
}

fn step_all(moves: &mut Moves, call: &Call) -> Result<Vec<Result<MovedChunk>>> {
    let mut answers = Vec::with_capacity(call.events.len());
    for (chunk_id, event) in &call.events {
        let moved = event.validate().and_then(|()| moves.step(*chunk_id, event.clone()));
        let answer = moved.map(|chunk| {
            let gate = moves.jobs.get(&chunk.job_id).map_or(JobGate::Open, |job| job.gate);
            MovedChunk { chunk, gate }
        });
        match answer {
            Err(error @ Error::Database { .. }) => return Err(error),
            answer => answers.push(answer),
        }
    }
    Ok(answers)
}

/// Chunks by their ids, in that order, within a transaction.
pub(super) async fn get_all(tx: &Transaction, ids: &[i64]) -> Tried<Vec<JobChunk>> {
    let get = tx.ready(&GET).await?;
    let one = async |id: &i64| {
        let rows = get.rows(&[id]).await?;
        Ok(Columns::of(rows.first().ok_or_else(|| Error::no_chunk(*id))?).chunk()?)
    };
    try_join_all(ids.iter().map(one)).await
}

/// In a transaction that has begun.
pub(super) async fn split(
    tx: &Transaction,
    chunk_id: ChunkId,
    parts: u64,
    actor: &Actor,
) -> Tried<Done<Vec<JobChunk>>> {
    check_parts(parts)?;
    let mut moves = Moves::read(tx, &[chunk_id], Lock::Wait, actor).await?;
    let done = split_chunk(moves.chunk(chunk_id)?.clone(), parts, moves.now)?;
    let job_id = done.chunk.job_id.get();
    let now = super::rows::Time(moves.now);
    let shrink = tx.ready(&SHRINK).await?;
    shrink.run(&[&chunk_id.get(), &signed(done.chunk.image_range.end())?, &now]).await?;
    let firsts = done.new_ranges.iter().map(|range| signed(range.start())).collect::<Result<Vec<_>>>()?;
    let lasts = done.new_ranges.iter().map(|range| signed(range.end())).collect::<Result<Vec<_>>>()?;
    let insert = tx.ready(&INSERT_PARTS).await?;
    let rows = insert.rows(&[&job_id, &firsts, &lasts, &now, &chunk_id.get()]).await?;
    let mut new = collect(&rows, Columns::chunk)?;
    new.sort_by_key(|chunk| chunk.image_range.start());
    if let Some(first) = new.first() {
        jobs::queue_begins_at(tx, first).await?;
    }
    moves.record(&done.chunk, done.effects);
    let all = std::iter::once(done.chunk).chain(new).collect();
    Ok(Done { answer: all, writes: moves.into_writes() })
}
