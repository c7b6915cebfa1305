//! Creating a job's chunks: in steps that hold nobody up, shown to everybody by the last one.

use super::error::Tried;
use super::jobs::{self, LockedJob, lock, small_priority};
use super::rows::{Time, signed};
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use super::writes::Writes;
use crate::creation::{Begun, check_bulk, check_not_cancelled, check_same_numbers};
use crate::repository::{Actor, Creation, NewChunk};
use ream_core::{Action, ChunkPlan, JobGate, JobId, Priority, Result};
use tokio_postgres::types::Type;

/// Chunks per step: some hundred milliseconds of work.
const STEP_CHUNKS: u64 = 65_536;

pub(super) static BEGIN: Sql = Sql::new(
    "begin to create chunks",
    "UPDATE crawl_job_rows SET chunked_images = $2, chunked_priority = $3 WHERE id = $1",
    &[Type::INT8, Type::INT8, Type::INT4],
);

pub(super) static INSERT_PLANNED: Sql = Sql::new(
    "create chunks",
    "INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at) \
     SELECT $1, i, $2, i * $3, least(i * $3 + $3, $4) - 1, $7, $7 FROM generate_series($5, $6 - 1) i",
    &[Type::INT8, Type::INT4, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::TIMESTAMPTZ],
);

pub(super) static INSERT_GIVEN: Sql = Sql::new(
    "create chunks",
    "INSERT INTO job_chunks (job_id, chunk_index, priority, first_image, last_image, created_at, updated_at) \
     SELECT $1, chunk_index, priority, first_image, last_image, $6, $6 \
     FROM unnest($2, $3, $4, $5) AS chunk (chunk_index, priority, first_image, last_image)",
    &[Type::INT8, Type::INT8_ARRAY, Type::INT4_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::TIMESTAMPTZ],
);

pub(super) static NEXT_INDEX: Sql = Sql::new(
    "create chunks",
    "UPDATE crawl_job_rows SET next_chunk_index = $2 WHERE id = $1",
    &[Type::INT8, Type::INT8],
);

pub(super) static MAKE_QUEUE: Sql = Sql::new(
    "create chunks",
    "INSERT INTO job_queues (job_id, open, priority, executor, from_rank, from_index) VALUES ($1, $2, $3, $4, 0, 0)",
    &[Type::INT8, Type::BOOL, Type::INT4, Type::TEXT],
);

impl LockedJob {
    fn creation_begun(&self) -> Begun {
        Begun {
            images: self.begun.images.and_then(|images| u64::try_from(images).ok()),
            priority: self.begun.priority.and_then(|priority| Priority::new(i64::from(priority)).ok()),
            next_chunk_index: u64::try_from(self.begun.next_chunk_index).unwrap_or(0),
        }
    }
}

pub(super) async fn create_step(
    tx: &Transaction,
    job_id: JobId,
    max_images: u64,
    priority: Option<Priority>,
    actor: &Actor,
) -> Tried<Done<Creation>> {
    // The chunk size comes from the job; here only what does not depend on it.
    ChunkPlan::new(max_images, 1)?;
    tx.begin().await?;
    let mut locked = lock(tx, job_id).await?;
    let plan = ChunkPlan::new(max_images, locked.job.chunk_size)?;
    plan.check_storable()?;
    let begun = locked.creation_begun();
    check_same_numbers(&locked.job, &begun, max_images, priority)?;
    let total_chunks = plan.total_chunks();
    if locked.job.counters.total_chunks > 0 {
        locked.write(tx).await?;
        return Ok(Done::answer(Creation::of(&locked.job)));
    }
    check_not_cancelled(&locked.job)?;
    if begun.images.is_none() {
        locked.job.priority = priority.unwrap_or(locked.job.priority);
        begin(tx, &mut locked, max_images).await?;
    }
    let end = total_chunks.min(begun.next_chunk_index + STEP_CHUNKS);
    let job_priority = small_priority(locked.job.priority);
    let insert = tx.ready(&INSERT_PLANNED).await?;
    insert
        .run(&[
            &job_id.get(),
            &job_priority,
            &signed(plan.chunk_size())?,
            &signed(plan.images())?,
            &signed(begun.next_chunk_index)?,
            &signed(end)?,
            &Time(locked.now),
        ])
        .await?;
    tx.ready(&NEXT_INDEX).await?.run(&[&job_id.get(), &signed(end)?]).await?;
    let done = end == total_chunks;
    if done {
        show(tx, &mut locked, max_images, total_chunks, actor).await?;
    } else {
        locked.write(tx).await?;
    }
    let answer = Creation { total_chunks, stored_chunks: end, done, created: true };
    Ok(Done { answer, writes: Writes::waking(done) })
}

async fn begin(tx: &Transaction, locked: &mut LockedJob, max_images: u64) -> Tried<()> {
    locked.job.updated_at = locked.now;
    let priority = small_priority(locked.job.priority);
    let begin = tx.ready(&BEGIN).await?;
    begin.run(&[&locked.job.id.get(), &signed(max_images)?, &priority]).await.map(|_| ())
}

/// The commit of this is the one that creates the chunks for everybody else.
async fn show(
    tx: &Transaction,
    locked: &mut LockedJob,
    max_images: u64,
    total_chunks: u64,
    actor: &Actor,
) -> Tried<()> {
    let now = locked.now;
    let job = &mut locked.job;
    job.max_images = Some(max_images);
    job.deadline_at = job.policy.job_deadline_s.map(|deadline_s| now.plus_s(deadline_s));
    job.counters.total_chunks = signed(total_chunks)?;
    job.updated_at = now;
    locked.write(tx).await?;
    let job = &locked.job;
    let (is_open, priority) = (job.gate == JobGate::Open, small_priority(job.priority));
    let queue = tx.ready(&MAKE_QUEUE).await?;
    queue.run(&[&job.id.get(), &is_open, &priority, &job.executor.as_str()]).await?;
    let told = format!("{total_chunks} chunks for {max_images} images, priority {}", job.priority);
    jobs::log(tx, now, actor, job.id, Action::ChunksCreated, Some(&told)).await
}

/// In a transaction that has begun.
pub(super) async fn bulk_create(
    tx: &Transaction,
    job_id: JobId,
    chunks: &[NewChunk],
    actor: &Actor,
) -> Tried<Done<Creation>> {
    let (chunks, max_images) = crate::creation::in_order(chunks)?;
    let mut locked = lock(tx, job_id).await?;
    check_bulk(&locked.job, &locked.creation_begun(), max_images)?;
    begin(tx, &mut locked, max_images).await?;
    let column = |of: &dyn Fn(&NewChunk) -> Result<i64>| chunks.iter().map(of).collect::<Result<Vec<i64>>>();
    let indexes = column(&|chunk| signed(chunk.chunk_index))?;
    let firsts = column(&|chunk| signed(chunk.image_range.start()))?;
    let lasts = column(&|chunk| signed(chunk.image_range.end()))?;
    let job_priority = locked.job.priority;
    let priorities: Vec<i32> =
        chunks.iter().map(|chunk| small_priority(chunk.priority.unwrap_or(job_priority))).collect();
    let insert = tx.ready(&INSERT_GIVEN).await?;
    insert.run(&[&job_id.get(), &indexes, &priorities, &firsts, &lasts, &Time(locked.now)]).await?;
    let next = chunks.iter().map(|chunk| chunk.chunk_index.saturating_add(1)).max().unwrap_or(0);
    tx.ready(&NEXT_INDEX).await?.run(&[&job_id.get(), &signed(next)?]).await?;
    let total_chunks = chunks.len() as u64;
    show(tx, &mut locked, max_images, total_chunks, actor).await?;
    let answer = Creation { total_chunks, stored_chunks: total_chunks, done: true, created: true };
    Ok(Done { answer, writes: Writes::waking(true) })
}
