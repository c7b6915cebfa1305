//! Taking the next chunks: first a job, then chunks within it.

use super::error::Tried;
use super::moves::{JobFacts, Lock, Moves};
use super::once::{self, KeptKey, TakeFree};
use super::rows::Columns;
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::once::{Kept, Once, Operation, claim_life_s};
use crate::repository::{Actor, ClaimRequest, ClaimedChunk};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::{ChunkId, Error, JobGate, JobId, Result, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
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

/// Carries out claims that all want the same: the first has the first chunks. `None` to one whose key is in use, or was used
/// before: nobody is to wait with it.
pub(super) async fn claim(
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<Done<Vec<Option<Vec<ClaimedChunk>>>>> {
    let keys = Keys::of(tx, requests).await?;
    claim_after(keys.begin(tx, requests), tx, wanted, requests).await
}

/// Carries out a claim that is asked once, and waits for whoever has its key.
pub(super) async fn claim_once(
    tx: &Transaction,
    wanted: Wanted,
    request: &ClaimRequest,
    once: &Once,
) -> Tried<Done<Vec<ClaimedChunk>>> {
    if let Some(kept) = once::begin(tx, once, Operation::Claim).await? {
        return hold_again(tx, request, &kept).await;
    }
    let has_begun = std::future::ready(Ok(vec![true]));
    let done = claim_after(has_begun, tx, wanted, std::slice::from_ref(request)).await?;
    Ok(done.map(|answers| answers.into_iter().flatten().flatten().collect()))
}

/// The keys of requests, different from one another: the server takes a lock again for whoever has it.
struct Keys<'r> {
    keys: Vec<&'r Once>,
    /// None where there are no keys.
    take: Option<TakeFree<'r>>,
}

impl<'r> Keys<'r> {
    async fn of(tx: &'r Transaction, requests: &'r [ClaimRequest]) -> Tried<Self> {
        let mut seen = HashSet::new();
        let keys = requests.iter().filter_map(|request| request.once.as_ref());
        let keys: Vec<&Once> = keys.filter(|once| seen.insert((once.owner(), once.key()))).collect();
        let take = if keys.is_empty() { None } else { Some(TakeFree::ready(tx).await?) };
        Ok(Self { keys, take })
    }

    /// Begins a transaction. Answers for each request whether it is made in it: it has no key, or is the first with a free
    /// one.
    async fn begin(&self, tx: &Transaction, requests: &'r [ClaimRequest]) -> Tried<Vec<bool>> {
        let Some(take) = &self.take else {
            tx.begin().await?;
            return Ok(vec![true; requests.len()]);
        };
        let (begun, free) = futures::join!(tx.begin(), take.take(&self.keys));
        begun?;
        let free = self.keys.iter().zip(free?).filter(|(_, is_free)| *is_free);
        let mut free: HashSet<_> = free.map(|(once, _)| (once.owner(), once.key())).collect();
        let is_made = |request: &'r ClaimRequest| {
            request.once.as_ref().is_none_or(|once| free.remove(&(once.owner(), once.key())))
        };
        Ok(requests.iter().map(is_made).collect())
    }
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

/// Sends what comes `first` together with the look for chunks. It answers which of the requests are made.
async fn claim_after(
    first: impl Future<Output = Tried<Vec<bool>>>,
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<Done<Vec<Option<Vec<ClaimedChunk>>>>> {
    let (made, head) = read_head(first, tx, wanted, requests).await?;
    let requests = requests.iter().zip(made);
    let Some((mut moves, order)) = head else {
        return Ok(Done::answer(requests.map(|(_, is_made)| is_made.then(Vec::new)).collect()));
    };
    let mut order = order.into_iter();
    let (mut answers, mut keys) = (Vec::new(), Vec::new());
    for (request, is_made) in requests {
        if !is_made {
            answers.push(None);
            continue;
        }
        moves.actor = request.actor();
        let chunks = order.by_ref().take(request.limit as usize);
        let claimed: Vec<ClaimedChunk> =
            chunks.map(|id| start(&mut moves, id, request)).collect::<Result<_>>()?;
        keys.extend(request.once.as_ref().and_then(|once| kept(once, &claimed)));
        answers.push(Some(claimed));
    }
    let mut writes = moves.into_writes();
    writes.keys = keys;
    Ok(Done { answer: answers, writes })
}

/// What is kept of a claim with its key. One that found nothing leaves its key free.
fn kept(once: &Once, claimed: &[ClaimedChunk]) -> Option<KeptKey> {
    let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.id.get()).collect();
    let attempts = claimed.iter().map(|claimed| claimed.chunk.attempt.get()).collect();
    let life_s = claim_life_s(claimed);
    let kept = KeptKey { once: once.clone(), operation: Operation::Claim, ids, attempts, life_s };
    (!claimed.is_empty()).then_some(kept)
}

/// The head of a queue: what is known of its jobs and chunks, and the chunks' order. `None` where there are none.
type Head = Option<(Moves, Vec<ChunkId>)>;

/// The head of the queue in its order, as many chunks as the requests want together.
async fn read_head<T>(
    first: impl Future<Output = Tried<T>>,
    tx: &Transaction,
    wanted: Wanted,
    requests: &[ClaimRequest],
) -> Tried<(T, Head)> {
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
    let begun = begun?;
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
    let head = (!order.is_empty()).then(|| (Moves::new(now, Actor::service(), jobs, chunks), order));
    Ok((begun, head))
}

fn start(moves: &mut Moves, chunk_id: ChunkId, request: &ClaimRequest) -> Result<ClaimedChunk> {
    let chunk = moves.step(chunk_id, Event::Claim { task_id: request.worker.clone() })?;
    let policy = moves.policy_of(&chunk)?;
    Ok(ClaimedChunk::started(chunk, &policy))
}
