//! Taking the next chunks: first a job, then chunks within it.

use super::error::Tried;
use super::moves::{JobFacts, Lock, Moves};
use super::once;
use super::rows::Columns;
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::once::{Kept, Once, Operation, claim_life_s};
use crate::repository::{Actor, ClaimRequest, ClaimedChunk};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::{ChunkId, Error, JobGate, JobId, Result, Timestamp};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tokio_postgres::types::Type;

/// The head of the queue, locked. Which chunks come next is decided by the function beside the tables, in one round
/// trip; what a claim makes of them is decided here.
pub(super) static QUEUE_HEAD: Sql = Sql::new(
    "claim chunks",
    concat!(
        "SELECT at, xid, ",
        chunk_columns!("(chunk)."),
        ", ",
        policy_columns!(),
        " FROM ream_queue_head($1, $2, $3)"
    ),
    &[Type::INT8, Type::TEXT, Type::INT4],
);

pub(super) static JOB_EXISTS: Sql =
    Sql::new("read a job", "SELECT FROM crawl_job_rows WHERE id = $1 AND deleted_at IS NULL", &[Type::INT8]);

/// Which chunks a claim wants. Claims that want the same may share a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Wanted {
    job_id: Option<JobId>,
    executor: Option<Executor>,
}

impl From<&ClaimRequest> for Wanted {
    fn from(request: &ClaimRequest) -> Self {
        Self { job_id: request.job_id, executor: request.executor }
    }
}

/// Carries out claims that all want the same: the first has the first chunks.
pub(super) async fn claim(
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<Done<Vec<Vec<ClaimedChunk>>>> {
    claim_after(tx.begin(), tx, wanted, requests).await
}

/// Carries out a claim that is asked once.
pub(super) async fn claim_once(
    tx: &Transaction,
    wanted: Wanted,
    request: &ClaimRequest,
    once: &Once,
) -> Tried<Done<Vec<ClaimedChunk>>> {
    if let Some(kept) = once::begin(tx, once, Operation::Claim).await? {
        return hold_again(tx, request, &kept).await;
    }
    let has_begun = std::future::ready(Ok(()));
    let done = claim_after(has_begun, tx, wanted, std::slice::from_ref(request)).await?;
    let done = done.map(|answers| answers.into_iter().flatten().collect::<Vec<ClaimedChunk>>());
    let claimed = &done.answer;
    if !claimed.is_empty() {
        let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.id.get()).collect();
        let attempts: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.attempt.get()).collect();
        once::keep(tx, once, Operation::Claim, (&ids, &attempts), claim_life_s(claimed)).await?;
    }
    Ok(done)
}

/// The chunks of an earlier claim that are still held, their leases extended as by a heartbeat.
async fn hold_again(tx: &Transaction, request: &ClaimRequest, kept: &Kept) -> Tried<Done<Vec<ClaimedChunk>>> {
    let ids: Vec<ChunkId> = kept.claimed().map(|(chunk_id, _)| chunk_id).collect();
    let mut moves = Moves::read(tx, &ids, Lock::Wait, &request.actor()).await?;
    let mut held = Vec::new();
    for (chunk_id, attempt) in kept.claimed() {
        match moves.step(chunk_id, Event::Heartbeat { attempt, progress: None }) {
            Ok(chunk) => {
                let policy = moves.policy_of(&chunk)?;
                held.push(ClaimedChunk::held(chunk, &policy, moves.now));
            }
            Err(error @ Error::Database { .. }) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(Done { answer: held, writes: moves.into_writes() })
}

/// Sends what comes `first` together with the look for chunks.
async fn claim_after(
    first: impl Future<Output = Tried<()>>,
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<Done<Vec<Vec<ClaimedChunk>>>> {
    let Some((mut moves, order)) = read_head(first, tx, wanted, requests).await? else {
        return Ok(Done::answer(requests.iter().map(|_| Vec::new()).collect()));
    };
    let mut order = order.into_iter();
    let mut answers = Vec::with_capacity(requests.len());
    for request in requests {
        moves.actor = request.actor();
        let chunks = order.by_ref().take(request.limit as usize);
        answers.push(chunks.map(|id| start(&mut moves, id, request)).collect::<Result<_>>()?);
    }
    Ok(Done { answer: answers, writes: moves.into_writes() })
}

/// The head of the queue in its order, as many chunks as the requests want together. `None` where there are none.
async fn read_head(
    first: impl Future<Output = Tried<()>>,
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<Option<(Moves, Vec<ChunkId>)>> {
    let (head, exists) = (tx.ready(&QUEUE_HEAD).await?, tx.ready(&JOB_EXISTS).await?);
    let job_id = wanted.job_id.map(JobId::get);
    let executor = wanted.executor.map(Executor::as_str);
    let limit = super::rows::small(requests.iter().map(|request| request.limit).sum());
    let look_for_job = async || -> Tried<()> {
        match wanted.job_id {
            Some(job_id) if exists.rows(&[&job_id.get()]).await?.is_empty() => {
                Err(Error::no_job(job_id).into())
            }
            _ => Ok(()),
        }
    };
    let (begun, found, rows) =
        futures::join!(first, look_for_job(), async { head.rows(&[&job_id, &executor, &limit]).await });
    begun?;
    found?;
    let mut now = Timestamp::from_unix_ms(0);
    let mut jobs: BTreeMap<JobId, JobFacts> = BTreeMap::new();
    let mut chunks = Vec::new();
    for row in &rows? {
        let mut columns = Columns::of(row);
        // Leases begin after the last gate was waited for.
        now = now.max(columns.time()?);
        // One of them has it.
        if let Some(xid) = columns.get::<Option<i64>>()? {
            tx.note_xid(xid);
        }
        let chunk = columns.chunk()?;
        if let Entry::Vacant(place) = jobs.entry(chunk.job_id) {
            // The function looked at the gate.
            place.insert(JobFacts { policy: columns.policy()?, gate: JobGate::Open });
        }
        chunks.push(chunk);
    }
    let order: Vec<ChunkId> = chunks.iter().map(|chunk| chunk.id).collect();
    Ok((!order.is_empty()).then(|| (Moves::new(now, Actor::service(), jobs, chunks), order)))
}

fn start(moves: &mut Moves, chunk_id: ChunkId, request: &ClaimRequest) -> Result<ClaimedChunk> {
    let chunk = moves.step(chunk_id, Event::Claim { task_id: request.worker.clone() })?;
    let policy = moves.policy_of(&chunk)?;
    Ok(ClaimedChunk::started(chunk, &policy))
}
