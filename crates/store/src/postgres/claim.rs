//! Taking the next chunks: first a job, then chunks within it.

use super::error::Tried;
use super::moves::{JobFacts, Moves};
use super::rows::Columns;
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::repository::{Actor, ClaimRequest, ClaimedChunk};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::{Error, JobGate, JobId};
use std::collections::BTreeMap;
use tokio_postgres::types::Type;

/// The head of the queue, locked. Which chunks come next is decided by the function beside the tables, in one round
/// trip; what a claim makes of them is decided here.
pub(super) static QUEUE_HEAD: Sql = Sql::new(
    "claim chunks",
    concat!(
        "SELECT at, xid, ",
        chunk_columns!("(chunk)."),
        ", ",
        policy_columns!("(job)."),
        " FROM ream_queue_head($1, $2, $3)"
    ),
    &[Type::INT8, Type::TEXT, Type::INT4],
);

pub(super) static JOB_EXISTS: Sql =
    Sql::new("read a job", "SELECT FROM crawl_job_rows WHERE id = $1 AND deleted_at IS NULL", &[Type::INT8]);

pub(super) async fn claim(tx: &Transaction, request: &ClaimRequest) -> Tried<Done<Vec<ClaimedChunk>>> {
    let (head, exists) = (tx.ready(&QUEUE_HEAD).await?, tx.ready(&JOB_EXISTS).await?);
    let job_id = request.job_id.map(JobId::get);
    let executor = request.executor.map(Executor::as_str);
    let limit = super::rows::small(request.limit);
    let look_for_job = async || -> Tried<()> {
        match request.job_id {
            Some(job_id) if exists.rows(&[&job_id.get()]).await?.is_empty() => {
                Err(Error::no_job(job_id).into())
            }
            _ => Ok(()),
        }
    };
    let (begun, found, rows) =
        futures::join!(tx.begin(), look_for_job(), async { head.rows(&[&job_id, &executor, &limit]).await });
    begun?;
    found?;
    let rows = rows?;
    let Some(first) = rows.first() else { return Ok(Done::answer(Vec::new())) };
    let mut now = Columns::of(first).time()?;
    let mut jobs: BTreeMap<JobId, JobFacts> = BTreeMap::new();
    let mut chunks = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        // Leases begin after the last gate was waited for.
        now = now.max(columns.time()?);
        // One of them has it.
        if let Some(xid) = columns.get::<Option<i64>>()? {
            tx.note_xid(xid);
        }
        let chunk = columns.chunk()?;
        if let std::collections::btree_map::Entry::Vacant(place) = jobs.entry(chunk.job_id) {
            // The function looked at the gate.
            place.insert(JobFacts { policy: columns.policy()?, gate: JobGate::Open });
        }
        chunks.push(chunk);
    }
    let order: Vec<_> = chunks.iter().map(|chunk| (chunk.id, chunk.job_id)).collect();
    let mut moves = Moves::new(now, Actor::from(&request.worker), jobs, chunks);
    let mut claimed = Vec::with_capacity(order.len());
    for (chunk_id, job_id) in order {
        let chunk = moves.step(chunk_id, Event::Claim { task_id: request.worker.clone() })?;
        let policy = moves.jobs.get(&job_id).ok_or_else(|| Error::no_job(job_id))?.policy;
        claimed.push(ClaimedChunk {
            chunk,
            lease_duration_ms: i64::from(policy.lease_duration_s) * 1000,
            heartbeat_interval_ms: i64::from(policy.heartbeat_interval_s) * 1000,
            chunk_timeout_ms: i64::from(policy.chunk_timeout_s) * 1000,
        });
    }
    Ok(Done { answer: claimed, writes: moves.into_writes() })
}
