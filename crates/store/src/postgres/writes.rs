//! What a transaction writes at its end, all sent at once with the commit: chunks, deltas of counters, activity log,
//! idempotency keys, wake-up.

use super::error::{Failure, Tried};
use super::jobs::small_priority;
use super::moves::JobMoves;
use super::once::{self, KeptKey};
use super::rows::{Time, maybe, small};
use super::statement::{Ready, Sql};
use super::transaction::Transaction;
use crate::repository::Actor;
use futures::future::{BoxFuture, join_all};
use ream_core::chunk::Dispatch;
use ream_core::effects::LogEntry;
use ream_core::outcome::ChunkProgress;
use ream_core::{ChunkId, ChunkState, JobChunk, JobId, Lease, Outcome, TaskId, Timestamp};
use std::collections::BTreeMap;
use tokio_postgres::types::{Json, Type};

/// pending → processing.
pub(super) static START: Sql = Sql::new(
    "start chunks",
    "UPDATE job_chunks c SET status = 'processing', task_id = u.task_id, updated_at = $6, attempt = u.attempt, \
     lease_expires_at = u.lease_expires_at, timeout_at = u.timeout_at, progress = NULL, dispatched_at = NULL, \
     redispatch_at = NULL, last_move = 'started', started_at = $6, finished_at = NULL \
     FROM unnest($1, $2, $3, $4, $5) AS u (id, task_id, attempt, lease_expires_at, timeout_at) WHERE c.id = u.id",
    &[
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ,
    ],
);

/// processing → completed.
pub(super) static COMPLETE: Sql = Sql::new(
    "complete chunks",
    "UPDATE job_chunks c SET status = 'completed', error_message = NULL, updated_at = $5, lease_expires_at = NULL, \
     timeout_at = NULL, progress = NULL, outcome = u.outcome, unpublished = u.unpublished, last_move = u.last_move, \
     finished_at = $5 \
     FROM unnest($1, $2, $3, $4) AS u (id, outcome, unpublished, last_move) WHERE c.id = u.id",
    &[Type::INT8_ARRAY, Type::JSONB_ARRAY, Type::BOOL_ARRAY, Type::TEXT_ARRAY, Type::TIMESTAMPTZ],
);

/// A heartbeat changes little and comes often.
pub(super) static HEARTBEAT: Sql = Sql::new(
    "extend leases",
    "UPDATE job_chunks c SET lease_expires_at = u.lease_expires_at, progress = u.progress, updated_at = $4 \
     FROM unnest($1, $2, $3) AS u (id, lease_expires_at, progress) WHERE c.id = u.id",
    &[Type::INT8_ARRAY, Type::TIMESTAMPTZ_ARRAY, Type::JSONB_ARRAY, Type::TIMESTAMPTZ],
);

/// Everything of a chunk that a transition may change.
pub(super) static ANY_MOVE: Sql = Sql::new(
    "write chunks",
    "UPDATE job_chunks c SET status = u.status, error_message = u.error_message, retry_count = u.retry_count, \
     task_id = u.task_id, updated_at = $21, attempt = u.attempt, lease_expires_at = u.lease_expires_at, \
     timeout_at = u.timeout_at, progress = u.progress, retry_at = u.retry_at, \
     policy_retries = u.policy_retries, expiry_count = u.expiry_count, dispatched_at = u.dispatched_at, \
     redispatch_at = u.redispatch_at, outcome = u.outcome, unpublished = u.unpublished, last_move = u.last_move, \
     started_at = u.started_at, finished_at = u.finished_at, priority = u.priority \
     FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) \
     AS u (id, status, error_message, retry_count, task_id, attempt, lease_expires_at, timeout_at, progress, \
     retry_at, policy_retries, expiry_count, dispatched_at, redispatch_at, outcome, unpublished, last_move, \
     started_at, finished_at, priority) WHERE c.id = u.id",
    &[
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::JSONB_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::JSONB_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::INT4_ARRAY,
        Type::TIMESTAMPTZ,
    ],
);

pub(super) static LOG: Sql = Sql::new(
    "write the activity log",
    "INSERT INTO activity_log (created_at, actor, action, job_id, chunk_id, from_status, to_status, attempt, \
     task_id, unfenced, message) \
     SELECT $1, * FROM unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    &[
        Type::TIMESTAMPTZ,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
    ],
);

pub(super) static COUNT: Sql = Sql::new(
    "count chunks",
    "INSERT INTO counter_deltas (job_id, at, total_chunks, active_chunks, completed_chunks, failed_chunks, \
     awaiting_retry_chunks, completed_images, starts, reopens) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    &[
        Type::INT8,
        Type::TIMESTAMPTZ,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::INT8,
        Type::BOOL,
        Type::BOOL,
    ],
);

/// With the sender's mark: it has woken its own claimers already.
pub(super) static WAKE_UP: Sql =
    Sql::new("wake claimers", "SELECT pg_notify('ream_wake_ups', $1)", &[Type::TEXT]);

/// How a chunk was changed: the moves that every chunk makes leave most columns alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Change {
    Start,
    Complete,
    Heartbeat,
    Any,
}

/// A row for the activity log about a chunk.
pub(super) struct LogRow {
    pub(super) actor: Actor,
    pub(super) job_id: JobId,
    pub(super) chunk_id: ChunkId,
    pub(super) entry: LogEntry,
}

/// What is to be written. Nothing at all is a bare commit.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) now: Option<Timestamp>,
    pub(super) chunks: BTreeMap<ChunkId, (Change, JobChunk)>,
    pub(super) log: Vec<LogRow>,
    pub(super) jobs: BTreeMap<JobId, JobMoves>,
    pub(super) keys: Vec<KeptKey>,
    pub(super) wakes_claimers: bool,
}

type Sent<'f> = BoxFuture<'f, Tried<()>>;

impl Writes {
    /// Everything else has been sent already.
    pub(super) fn waking(wakes_claimers: bool) -> Self {
        Self { wakes_claimers, ..Self::default() }
    }

    fn changed(&self, change: Change) -> Vec<&JobChunk> {
        self.chunks.values().filter(|(how, _)| *how == change).map(|(_, chunk)| chunk).collect()
    }

    /// Sends everything, and then the commit, without waiting in between.
    pub(super) async fn commit(&self, tx: &Transaction, mark: &str) -> Tried<()> {
        let now = Time(self.now.unwrap_or(Timestamp::from_unix_ms(0)));
        let (starts, completions) = (self.changed(Change::Start), self.changed(Change::Complete));
        let (heartbeats, others) = (self.changed(Change::Heartbeat), self.changed(Change::Any));
        let mut ready: Vec<(Ready<'_>, What<'_>)> = Vec::new();
        for (chunks, sql, what) in [
            (&starts, &START, What::Starts(&starts)),
            (&completions, &COMPLETE, What::Completions(&completions)),
            (&heartbeats, &HEARTBEAT, What::Heartbeats(&heartbeats)),
            (&others, &ANY_MOVE, What::Others(&others)),
        ] {
            if !chunks.is_empty() {
                ready.push((tx.ready(sql).await?, what));
            }
        }
        if !self.log.is_empty() {
            ready.push((tx.ready(&LOG).await?, What::Log(&self.log)));
        }
        for (job_id, moves) in self.jobs.iter().filter(|(_, moves)| moves.counts()) {
            ready.push((tx.ready(&COUNT).await?, What::Count(*job_id, moves)));
        }
        if !self.keys.is_empty() {
            ready.push((tx.ready(&once::KEEP).await?, What::Keys(&self.keys)));
        }
        if self.wakes_claimers {
            ready.push((tx.ready(&WAKE_UP).await?, What::WakeUp(mark)));
        }
        let mut sent: Vec<Sent<'_>> =
            ready.iter().map(|(ready, what)| Box::pin(what.send(ready, now)) as Sent<'_>).collect();
        sent.push(Box::pin(tx.commit()));
        let mut result = Ok(());
        for answer in join_all(sent).await {
            // The first fault is the cause, later ones follow from it; but a lost connection is worse than all.
            result = match (result, answer) {
                (Ok(()), answer) => answer,
                (_, Err(Failure::Transient(message))) => Err(Failure::Transient(message)),
                (fault, _) => fault,
            };
        }
        result
    }
}

enum What<'w> {
    Starts(&'w [&'w JobChunk]),
    Completions(&'w [&'w JobChunk]),
    Heartbeats(&'w [&'w JobChunk]),
    Others(&'w [&'w JobChunk]),
    Log(&'w [LogRow]),
    Count(JobId, &'w JobMoves),
    Keys(&'w [KeptKey]),
    WakeUp(&'w str),
}

fn each<'c, T>(chunks: &[&'c JobChunk], of: impl Fn(&'c JobChunk) -> T) -> Vec<T> {
    chunks.iter().map(|chunk| of(chunk)).collect()
}

fn lease(chunk: &JobChunk) -> Option<Lease> {
    chunk.lease()
}

fn progress(chunk: &JobChunk) -> Option<Json<&ChunkProgress>> {
    match &chunk.state {
        ChunkState::Processing { progress, .. } => progress.as_ref().map(Json),
        _ => None,
    }
}

fn outcome(chunk: &JobChunk) -> Option<Json<&Outcome>> {
    chunk.outcome.as_ref().map(Json)
}

fn dispatch(chunk: &JobChunk) -> Option<Dispatch> {
    match &chunk.state {
        ChunkState::Pending { dispatch } => *dispatch,
        _ => None,
    }
}

fn retry_at(chunk: &JobChunk) -> Option<Timestamp> {
    match &chunk.state {
        ChunkState::Failed { retry_at } => *retry_at,
        _ => None,
    }
}

const fn unpublished(chunk: &JobChunk) -> bool {
    matches!(&chunk.state, ChunkState::Completed { unpublished: true })
}

fn ids(chunks: &[&JobChunk]) -> Vec<i64> {
    each(chunks, |chunk| chunk.id.get())
}

fn task_ids<'c>(chunks: &[&'c JobChunk]) -> Vec<Option<&'c str>> {
    each(chunks, |chunk| chunk.task_id.as_ref().map(TaskId::as_str))
}

fn lease_ends(chunks: &[&JobChunk]) -> Vec<Option<Time>> {
    each(chunks, |chunk| maybe(lease(chunk).map(|lease| lease.expires_at)))
}

fn timeouts(chunks: &[&JobChunk]) -> Vec<Option<Time>> {
    each(chunks, |chunk| maybe(lease(chunk).map(|lease| lease.timeout_at)))
}

impl What<'_> {
    async fn send(&self, ready: &Ready<'_>, now: Time) -> Tried<()> {
        let wanted = match self {
            Self::Starts(chunks)
            | Self::Completions(chunks)
            | Self::Heartbeats(chunks)
            | Self::Others(chunks) => Some(chunks.len() as u64),
            _ => None,
        };
        let touched = self.run(ready, now).await?;
        // They were read and locked in this transaction.
        if wanted.is_some_and(|wanted| wanted != touched) {
            let message = format!("{}: {touched} rows were written instead of {wanted:?}", ready.sql.doing);
            return Err(Failure::Final(super::error::refused(message)));
        }
        Ok(())
    }

    async fn run(&self, ready: &Ready<'_>, now: Time) -> Tried<u64> {
        match self {
            Self::Starts(c) => {
                let attempts = each(c, |chunk| chunk.attempt.get());
                ready.run(&[&ids(c), &task_ids(c), &attempts, &lease_ends(c), &timeouts(c), &now]).await
            }
            Self::Completions(c) => {
                let (unpublished, moves) = (each(c, unpublished), each(c, |chunk| chunk.last_move.as_str()));
                ready.run(&[&ids(c), &each(c, outcome), &unpublished, &moves, &now]).await
            }
            Self::Heartbeats(c) => ready.run(&[&ids(c), &lease_ends(c), &each(c, progress), &now]).await,
            Self::Others(c) => run_any_move(ready, c, now).await,
            Self::Log(rows) => run_log(ready, rows, now).await,
            Self::Count(job_id, moves) => {
                let c = &moves.delta;
                ready
                    .run(&[
                        &job_id.get(),
                        &now,
                        &c.total_chunks,
                        &c.active_chunks,
                        &c.completed_chunks,
                        &c.failed_chunks,
                        &c.awaiting_retry_chunks,
                        &c.completed_images,
                        &moves.starts,
                        &(c.unfinished_chunks() > 0),
                    ])
                    .await
            }
            Self::Keys(kept) => once::keep(ready, kept).await,
            Self::WakeUp(mark) => ready.run(&[mark]).await,
        }
    }
}

async fn run_any_move(ready: &Ready<'_>, c: &[&JobChunk], now: Time) -> Tried<u64> {
    ready
        .run(&[
            &ids(c),
            &each(c, |chunk| chunk.status().as_str()),
            &each(c, |chunk| chunk.error_message.as_deref()),
            &each(c, |chunk| small(chunk.retry_count)),
            &task_ids(c),
            &each(c, |chunk| chunk.attempt.get()),
            &lease_ends(c),
            &timeouts(c),
            &each(c, progress),
            &each(c, |chunk| maybe(retry_at(chunk))),
            &each(c, |chunk| small(chunk.policy_retries)),
            &each(c, |chunk| small(chunk.expiry_count)),
            &each(c, |chunk| maybe(dispatch(chunk).map(|dispatch| dispatch.dispatched_at))),
            &each(c, |chunk| maybe(dispatch(chunk).map(|dispatch| dispatch.redispatch_at))),
            &each(c, outcome),
            &each(c, unpublished),
            &each(c, |chunk| chunk.last_move.as_str()),
            &each(c, |chunk| maybe(chunk.started_at)),
            &each(c, |chunk| maybe(chunk.finished_at)),
            &each(c, |chunk| small_priority(chunk.priority)),
            &now,
        ])
        .await
}

async fn run_log(ready: &Ready<'_>, rows: &[LogRow], now: Time) -> Tried<u64> {
    fn each<'r, T>(rows: &'r [LogRow], of: impl Fn(&'r LogRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    ready
        .run(&[
            &now,
            &each(rows, |row| row.actor.as_str()),
            &each(rows, |row| row.entry.action.as_str()),
            &each(rows, |row| row.job_id.get()),
            &each(rows, |row| row.chunk_id.get()),
            &each(rows, |row| row.entry.from_status.as_str()),
            &each(rows, |row| row.entry.to_status.as_str()),
            &each(rows, |row| row.entry.attempt.get()),
            &each(rows, |row| row.entry.task_id.as_ref().map(TaskId::as_str)),
            &each(rows, |row| row.entry.unfenced),
            &each(rows, |row| row.entry.message.as_deref()),
        ])
        .await
}
