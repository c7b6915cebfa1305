//! Between rows and the domain's types. A row that cannot be such a value is an error, never a guess.

use super::error::corrupt;
use bytes::{BufMut as _, BytesMut};
use ream_core::Token;
use ream_core::chunk::Dispatch;
use ream_core::job::Counters;
use ream_core::last_move::LastMove;
use ream_core::policy::PolicyFields;
use ream_core::throughput::Throughput;
use ream_core::{
    Activity, Attempt, ChunkId, ChunkState, CrawlJob, Error, ImageRange, JobChunk, JobChunkStatus, JobDelta,
    JobGate, JobId, Lease, Policy, Priority, Result, TaskId, Timestamp, TokenId,
};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, Json, ToSql, Type, accepts, to_sql_checked};

type BoxedError = Box<dyn std::error::Error + Sync + Send>;

/// Milliseconds from the Unix epoch to 2000-01-01, where PostgreSQL's times begin.
const EPOCH_MS: i64 = 946_684_800_000;

/// A time as a parameter or column of type `timestamptz`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Timestamp);

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, BoxedError> {
        let micros = self.0.unix_ms().checked_sub(EPOCH_MS).and_then(|ms| ms.checked_mul(1000));
        out.put_i64(micros.ok_or_else(|| format!("{} is out of the database's range", self.0))?);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Time {
    fn from_sql(_: &Type, raw: &'a [u8]) -> std::result::Result<Self, BoxedError> {
        let micros = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(Timestamp::from_unix_ms(micros.div_euclid(1000) + EPOCH_MS)))
    }

    accepts!(TIMESTAMPTZ);
}

/// An optional time as a parameter.
pub(super) fn maybe(time: Option<Timestamp>) -> Option<Time> {
    time.map(Time)
}

/// Reads columns from left to right.
pub(super) struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

fn stored<T>(value: std::result::Result<T, Error>) -> Result<T> {
    value.map_err(corrupt)
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r Row) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn get<T: FromSql<'r>>(&mut self) -> Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(corrupt)
    }

    pub(super) fn time(&mut self) -> Result<Timestamp> {
        self.get::<Time>().map(|time| time.0)
    }

    fn maybe_time(&mut self) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<Time>>()?.map(|time| time.0))
    }

    fn unsigned(&mut self) -> Result<u64> {
        u64::try_from(self.get::<i64>()?).map_err(corrupt)
    }

    fn count(&mut self) -> Result<u32> {
        u32::try_from(self.get::<i32>()?).map_err(corrupt)
    }

    fn seconds(&mut self) -> Result<u32> {
        u32::try_from(self.get::<i64>()?).map_err(corrupt)
    }

    fn priority(&mut self) -> Result<Priority> {
        stored(Priority::new(i64::from(self.get::<i32>()?)))
    }

    fn json<T: DeserializeOwned + 'r>(&mut self) -> Result<Option<T>> {
        Ok(self.get::<Option<Json<T>>>()?.map(|json| json.0))
    }

    /// From a column that holds JSON as text.
    fn json_text<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        self.get::<Option<&str>>()?.map(serde_json::from_str).transpose().map_err(corrupt)
    }

    pub(super) fn word<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
        let text: &str = self.get()?;
        parse(text).ok_or_else(|| corrupt(format!("{text:?}")))
    }

    /// A chunk from [`chunk_columns`].
    pub(super) fn chunk(&mut self) -> Result<JobChunk> {
        let id = ChunkId::new(self.get()?);
        let job_id = JobId::new(self.get()?);
        let chunk_index = self.unsigned()?;
        let status: JobChunkStatus = self.word(|text| text.parse().ok())?;
        let priority = self.priority()?;
        let image_range = stored(ImageRange::new(self.unsigned()?, self.unsigned()?))?;
        let error_message = self.get()?;
        let retry_count = self.count()?;
        let task_id = self.get::<Option<String>>()?.map(TaskId::new).transpose().map_err(corrupt)?;
        let created_at = self.time()?;
        let updated_at = self.time()?;
        let attempt = Attempt::new(self.get()?);
        let lease_expires_at = self.maybe_time()?;
        let timeout_at = self.maybe_time()?;
        let progress = self.json()?;
        let split_from = self.get::<Option<i64>>()?.map(ChunkId::new);
        let retry_at = self.maybe_time()?;
        let policy_retries = self.count()?;
        let expiry_count = self.count()?;
        let dispatched_at = self.maybe_time()?;
        let redispatch_at = self.maybe_time()?;
        let outcome = self.json()?;
        let unpublished = self.get()?;
        let last_move = self.word(LastMove::parse)?;
        let started_at = self.maybe_time()?;
        let finished_at = self.maybe_time()?;
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

    /// A policy from [`policy_columns`].
    pub(super) fn policy(&mut self) -> Result<Policy> {
        stored(Policy::new(PolicyFields {
            heartbeat_interval_s: self.seconds()?,
            lease_duration_s: self.seconds()?,
            chunk_timeout_s: self.seconds()?,
            job_deadline_s: self.get::<Option<i64>>()?.map(u32::try_from).transpose().map_err(corrupt)?,
            max_retries: self.seconds()?,
            backoff_initial_s: self.seconds()?,
            backoff_max_s: self.seconds()?,
            redispatch_after_s: self.seconds()?,
            robots: self.word(|text| text.parse().ok())?,
        }))
    }

    pub(super) fn counters(&mut self) -> Result<Counters> {
        Ok(Counters {
            total_chunks: self.get()?,
            active_chunks: self.get()?,
            completed_chunks: self.get()?,
            failed_chunks: self.get()?,
            awaiting_retry_chunks: self.get()?,
            completed_images: self.get()?,
        })
    }

    /// A job from [`stored_job_columns`] and [`delta_columns`], without task ids: the stored row and what its deltas add.
    pub(super) fn job(&mut self) -> Result<CrawlJob> {
        let mut job = CrawlJob {
            id: JobId::new(self.get()?),
            name: self.get()?,
            gate: self.word(JobGate::parse)?,
            priority: self.priority()?,
            max_images: self.get::<Option<i64>>()?.map(u64::try_from).transpose().map_err(corrupt)?,
            chunk_size: self.unsigned()?,
            executor: self.word(|text| text.parse().ok())?,
            image_list: self.get()?,
            dataset: self.get()?,
            recipe: self.json_text()?,
            counters: self.counters()?,
            throughput: Throughput {
                window_started_at_ms: self.get()?,
                window_images: self.get()?,
                previous_ms: self.get()?,
                previous_images: self.get()?,
            },
            policy: self.policy()?,
            task_ids: Vec::new(),
            created_at: self.time()?,
            updated_at: self.time()?,
            started_at: self.maybe_time()?,
            ended_at: self.maybe_time()?,
            deadline_at: self.maybe_time()?,
        };
        if let Some(delta) = self.delta()? {
            delta.add_to(&mut job);
        }
        Ok(job)
    }

    /// The sum of some deltas; `None` when there were none.
    pub(super) fn delta(&mut self) -> Result<Option<JobDelta>> {
        let counters = self.counters()?;
        let (first_start, at, reopens) = (self.maybe_time()?, self.maybe_time()?, self.get()?);
        Ok(at.map(|at| JobDelta { counters, first_start, at, reopens }))
    }

    /// A row of the activity log from [`activity_columns`].
    pub(super) fn activity(&mut self) -> Result<Activity> {
        let status = |text: Option<&str>| text.map(str::parse).transpose().map_err(corrupt);
        Ok(Activity {
            id: self.get()?,
            created_at: self.time()?,
            actor: self.get()?,
            action: self.word(|text| text.parse().ok())?,
            job_id: JobId::new(self.get()?),
            chunk_id: self.get::<Option<i64>>()?.map(ChunkId::new),
            from_status: status(self.get()?)?,
            to_status: status(self.get()?)?,
            attempt: self.get::<Option<i64>>()?.map(Attempt::new),
            task_id: self.get::<Option<String>>()?.map(TaskId::new).transpose().map_err(corrupt)?,
            unfenced: self.get()?,
            message: self.get()?,
        })
    }
}

impl Columns<'_> {
    /// A token from [`token_columns`].
    pub(super) fn token(&mut self) -> Result<Token> {
        Ok(Token {
            id: TokenId::new(self.get()?),
            name: self.get()?,
            role: self.word(|text| text.parse().ok())?,
            created_at: self.time()?,
            created_by: self.get()?,
            expires_at: self.maybe_time()?,
            revoked_at: self.maybe_time()?,
            revoked_by: self.get()?,
        })
    }
}

/// All rows of a query, each through `read`.
pub(super) fn collect<'r, T>(
    rows: &'r [Row],
    read: impl Fn(&mut Columns<'r>) -> Result<T>,
) -> Result<Vec<T>> {
    rows.iter().map(|row| read(&mut Columns::of(row))).collect()
}

/// For a column that cannot hold an unsigned number.
pub(super) fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::invalid("number", number, format!("0 to {}", i64::MAX)))
}

/// For a column of 32 bits.
pub(super) fn small(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
