//! Between rows and the domain's types. A row that cannot be such a value is an error, never a guess.

use super::error::corrupt;
use crate::tokens::StoredToken;
use ream_core::Token;
use ream_core::chunk::Dispatch;
use ream_core::job::Counters;
use ream_core::last_move::LastMove;
use ream_core::policy::PolicyFields;
use ream_core::throughput::Throughput;
use ream_core::{
    Activity, Attempt, ChunkId, ChunkState, CrawlJob, Error, ImageRange, JobChunk, JobChunkStatus, JobGate,
    JobId, Lease, Policy, Priority, Result, TaskId, Timestamp, TokenId,
};
use rusqlite::Row;
use rusqlite::types::FromSql;
use serde::de::DeserializeOwned;

/// The columns that [`chunk`] reads, in its order.
pub(super) const CHUNK_COLUMNS: &str = "id, job_id, chunk_index, status, priority, first_image, last_image, \
    error_message, retry_count, task_id, created_at, updated_at, attempt, lease_expires_at, timeout_at, progress, \
    split_from, retry_at, policy_retries, expiry_count, dispatched_at, redispatch_at, outcome, unpublished, \
    last_move, started_at, finished_at";

/// The columns that [`job`] reads, in its order.
pub(super) const JOB_COLUMNS: &str = "id, name, gate, priority, max_images, chunk_size, executor, image_list, \
    dataset, recipe, total_chunks, active_chunks, completed_chunks, failed_chunks, awaiting_retry_chunks, completed_images, \
    window_started_at_ms, window_images, previous_ms, previous_images, \
    heartbeat_interval_s, lease_duration_s, chunk_timeout_s, job_deadline_s, max_retries, backoff_initial_s, \
    backoff_max_s, redispatch_after_s, robots, created_at, updated_at, started_at, ended_at, deadline_at";

/// The columns that [`activity`] reads, in its order.
pub(super) const ACTIVITY_COLUMNS: &str = "id, created_at, actor, action, job_id, chunk_id, from_status, to_status, \
    attempt, task_id, unfenced, message";

/// The columns that [`token`] reads, in its order.
pub(super) const TOKEN_COLUMNS: &str =
    "id, name, role, created_at, created_by, expires_at, revoked_at, revoked_by";

/// Reads columns from left to right.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    const fn new(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    fn get<T: FromSql>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.get(index).map_err(corrupt)
    }

    fn time(&mut self) -> Result<Timestamp> {
        self.get().map(Timestamp::from_unix_ms)
    }

    fn maybe_time(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>()?.map(Timestamp::from_unix_ms))
    }

    fn unsigned(&mut self) -> Result<u64> {
        u64::try_from(self.get::<i64>()?).map_err(corrupt)
    }

    fn small(&mut self) -> Result<u32> {
        u32::try_from(self.get::<i64>()?).map_err(corrupt)
    }

    fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let index = self.next;
        self.next += 1;
        let text = self.row.get_ref(index).map_err(corrupt)?.as_str_or_null().map_err(corrupt)?;
        text.map(|text| serde_json::from_str(text).map_err(corrupt)).transpose()
    }

    fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let index = self.next;
        self.next += 1;
        let text = self.row.get_ref(index).map_err(corrupt)?.as_str().map_err(corrupt)?;
        parse(text).ok_or_else(|| corrupt(format!("{text:?}")))
    }
}

fn stored<T>(value: std::result::Result<T, Error>) -> Result<T> {
    value.map_err(corrupt)
}

/// A chunk from [`CHUNK_COLUMNS`].
pub(super) fn chunk(row: &Row<'_>) -> Result<JobChunk> {
    let mut c = Columns::new(row);
    let id = ChunkId::new(c.get()?);
    let job_id = JobId::new(c.get()?);
    let chunk_index = c.unsigned()?;
    let status: JobChunkStatus = c.word(|text| text.parse().ok())?;
    let priority = stored(Priority::new(c.get()?))?;
    let image_range = stored(ImageRange::new(c.unsigned()?, c.unsigned()?))?;
    let error_message = c.get()?;
    let retry_count = c.small()?;
    let task_id = c.get::<Option<String>>()?.map(TaskId::new).transpose().map_err(corrupt)?;
    let created_at = c.time()?;
    let updated_at = c.time()?;
    let attempt = Attempt::new(c.get()?);
    let lease_expires_at = c.maybe_time()?;
    let timeout_at = c.maybe_time()?;
    let progress = c.json()?;
    let split_from = c.get::<Option<i64>>()?.map(ChunkId::new);
    let retry_at = c.maybe_time()?;
    let policy_retries = c.small()?;
    let expiry_count = c.small()?;
    let dispatched_at = c.maybe_time()?;
    let redispatch_at = c.maybe_time()?;
    let outcome = c.json()?;
    let unpublished = c.get()?;
    let last_move = c.word(LastMove::parse)?;
    let started_at = c.maybe_time()?;
    let finished_at = c.maybe_time()?;
    let state = match status {
        JobChunkStatus::Pending => ChunkState::Pending {
            dispatch: dispatched_at
                .zip(redispatch_at)
                .map(|(dispatched_at, redispatch_at)| Dispatch { dispatched_at, redispatch_at }),
        },
        JobChunkStatus::Processing => {
            let (expires_at, timeout_at) = lease_expires_at
                .zip(timeout_at)
                .ok_or_else(|| corrupt(format!("chunk {id} is processing without a lease")))?;
            ChunkState::Processing { lease: Lease { expires_at, timeout_at }, progress }
        }
        JobChunkStatus::Completed => ChunkState::Completed { unpublished },
        JobChunkStatus::Failed => ChunkState::Failed { retry_at },
    };
    Ok(JobChunk {
        id,
        job_id,
        chunk_index,
        image_range,
        priority,
        state,
        attempt,
        retry_count,
        policy_retries,
        expiry_count,
        task_id,
        error_message,
        outcome,
        split_from,
        last_move,
        created_at,
        updated_at,
        started_at,
        finished_at,
    })
}

/// A job from [`JOB_COLUMNS`], without task ids.
pub(super) fn job(row: &Row<'_>) -> Result<CrawlJob> {
    let mut c = Columns::new(row);
    Ok(CrawlJob {
        id: JobId::new(c.get()?),
        name: c.get()?,
        gate: c.word(JobGate::parse)?,
        priority: stored(Priority::new(c.get()?))?,
        max_images: c.get::<Option<i64>>()?.map(u64::try_from).transpose().map_err(corrupt)?,
        chunk_size: c.unsigned()?,
        executor: c.word(|text| text.parse().ok())?,
        image_list: c.get()?,
        dataset: c.get()?,
        recipe: c.json()?,
        counters: Counters {
            total_chunks: c.get()?,
            active_chunks: c.get()?,
            completed_chunks: c.get()?,
            failed_chunks: c.get()?,
            awaiting_retry_chunks: c.get()?,
            completed_images: c.get()?,
        },
        throughput: Throughput {
            window_started_at_ms: c.get()?,
            window_images: c.get()?,
            previous_ms: c.get()?,
            previous_images: c.get()?,
        },
        policy: stored(Policy::new(PolicyFields {
            heartbeat_interval_s: c.small()?,
            lease_duration_s: c.small()?,
            chunk_timeout_s: c.small()?,
            job_deadline_s: c.get::<Option<i64>>()?.map(u32::try_from).transpose().map_err(corrupt)?,
            max_retries: c.small()?,
            backoff_initial_s: c.small()?,
            backoff_max_s: c.small()?,
            redispatch_after_s: c.small()?,
            robots: c.word(|text| text.parse().ok())?,
        }))?,
        task_ids: Vec::new(),
        created_at: c.time()?,
        updated_at: c.time()?,
        started_at: c.maybe_time()?,
        ended_at: c.maybe_time()?,
        deadline_at: c.maybe_time()?,
    })
}

/// A row of the activity log from [`ACTIVITY_COLUMNS`].
pub(super) fn activity(row: &Row<'_>) -> Result<Activity> {
    let mut c = Columns::new(row);
    let status = |text: Option<String>| text.map(|text| text.parse()).transpose().map_err(corrupt);
    Ok(Activity {
        id: c.get()?,
        created_at: c.time()?,
        actor: c.get()?,
        action: c.word(|text| text.parse().ok())?,
        job_id: JobId::new(c.get()?),
        chunk_id: c.get::<Option<i64>>()?.map(ChunkId::new),
        from_status: status(c.get()?)?,
        to_status: status(c.get()?)?,
        attempt: c.get::<Option<i64>>()?.map(Attempt::new),
        task_id: c.get::<Option<String>>()?.map(TaskId::new).transpose().map_err(corrupt)?,
        unfenced: c.get()?,
        message: c.get()?,
    })
}

/// A token from [`TOKEN_COLUMNS`].
pub(super) fn token(row: &Row<'_>) -> Result<Token> {
    read_token(&mut Columns::new(row))
}

/// A token from [`TOKEN_COLUMNS`] with the digest of its secret, read at this moment.
pub(super) fn stored_token(row: &Row<'_>, now: Timestamp) -> Result<StoredToken> {
    let mut c = Columns::new(row);
    Ok(StoredToken { token: read_token(&mut c)?, secret_sha256: c.get()?, now })
}

fn read_token(c: &mut Columns<'_, '_>) -> Result<Token> {
    Ok(Token {
        id: TokenId::new(c.get()?),
        name: c.get()?,
        role: c.word(|text| text.parse().ok())?,
        created_at: c.time()?,
        created_by: c.get()?,
        expires_at: c.maybe_time()?,
        revoked_at: c.maybe_time()?,
        revoked_by: c.get()?,
    })
}

/// All rows of a query, each through `read`.
pub(super) fn collect<T>(
    rows: &mut rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while let Some(row) = rows.next().map_err(|error| super::error::database_error("read rows", &error))? {
        items.push(read(row)?);
    }
    Ok(items)
}

/// For a column that cannot hold an unsigned number.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::invalid("number", number, format!("0 to {}", i64::MAX)))
}
