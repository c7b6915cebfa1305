//! Calls that are asked once. Whoever has a key locks it first, so that another with the same key waits, and then finds what
//! was created. The lock is no row: a claim that finds nothing, as most do, writes nothing.

use super::connect::Connection;
use super::duties::Looked;
use super::error::{Tried, corrupt};
use super::rows::{Columns, Time};
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::once::{Answered, KEY_LIFE_S, Kept, Once, Operation, SWEEP_ROWS};
use ream_core::Timestamp;
use tokio_postgres::types::Type;

pub(super) static LOCK: Sql = Sql::new(
    "lock an idempotency key",
    "SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, x'5265616D4B'::bigint))",
    &[Type::TEXT, Type::TEXT],
);

/// A statement of its own after [`LOCK`], so that it sees what whoever held the lock before has done.
pub(super) static LOOK: Sql = Sql::new(
    "look for an idempotency key",
    "SELECT fingerprint, operation, ids, attempts FROM idempotency_keys \
     WHERE owner = $1 AND key = $2 AND expires_at > (SELECT ream_now())",
    &[Type::TEXT, Type::TEXT],
);

/// A key that is free, or in the place of one that has expired.
pub(super) static KEEP: Sql = Sql::new(
    "keep an idempotency key",
    "INSERT INTO idempotency_keys (owner, key, fingerprint, operation, ids, attempts, created_at, expires_at) \
     SELECT $1, $2, $3, $4, $5, $6, now, now + $7 * interval '1 s' FROM ream_now() AS now \
     ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, operation = excluded.operation, \
     ids = excluded.ids, attempts = excluded.attempts, created_at = excluded.created_at, \
     expires_at = excluded.expires_at",
    &[Type::TEXT, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8],
);

/// One step, from a time on before which there is nothing.
pub(super) static SWEEP: Sql = Sql::new(
    "remove expired idempotency keys",
    "WITH clock AS MATERIALIZED (SELECT ream_now() AS now), \
     gone AS (DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(\
     SELECT ctid FROM idempotency_keys WHERE expires_at > $2 AND expires_at <= (SELECT now FROM clock) \
     ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING 1) \
     SELECT (SELECT count(*) FROM gone), now FROM clock",
    &[Type::INT8, Type::TIMESTAMPTZ],
);

/// Begins a transaction in which something is created, or, where `once` was asked before, looks at what it created: `again`.
/// `ids` are what is kept.
pub(super) async fn once<T, A: Future<Output = Tried<T>>>(
    tx: &Transaction,
    once: Option<&Once>,
    operation: Operation,
    create: impl Future<Output = Tried<Done<T>>>,
    ids: impl FnOnce(&T) -> Vec<i64>,
    again: impl FnOnce(Kept) -> A,
) -> Tried<Done<Answered<T>>> {
    let Some(once) = once else {
        tx.begin().await?;
        return Ok(create.await?.map(Answered::first));
    };
    if let Some(kept) = begin(tx, once, operation).await? {
        return Ok(Done::answer(Answered::again(again(kept).await?)));
    }
    let done = create.await?;
    keep(tx, once, operation, (&ids(&done.answer), &[]), KEY_LIFE_S).await?;
    Ok(done.map(Answered::first))
}

/// Begins a transaction that alone has the key. Answers what the key was used for; `None` where it is free.
pub(super) async fn begin(tx: &Transaction, once: &Once, operation: Operation) -> Tried<Option<Kept>> {
    let (lock, look) = (tx.ready(&LOCK).await?, tx.ready(&LOOK).await?);
    let (owner, key) = (once.owner(), once.key());
    let (begun, locked, rows) =
        futures::join!(tx.begin(), async { lock.rows(&[&owner, &key]).await }, async {
            look.rows(&[&owner, &key]).await
        });
    begun?;
    locked?;
    let rows = rows?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let kept = Kept {
        fingerprint: columns.get()?,
        operation: columns.get()?,
        ids: columns.get()?,
        attempts: columns.get()?,
    };
    Ok(Some(kept.check(once, operation)?))
}

/// Keeps the key in the transaction that [`begin`] began.
pub(super) async fn keep(
    tx: &Transaction,
    once: &Once,
    operation: Operation,
    (ids, attempts): (&[i64], &[i64]),
    life_s: i64,
) -> Tried<()> {
    let (owner, key, print) = (once.owner(), once.key(), once.fingerprint());
    let keep = tx.ready(&KEEP).await?;
    keep.run(&[&owner, &key, &print, &operation.as_str(), &ids, &attempts, &life_s]).await.map(|_| ())
}

/// Removes some keys that have expired since `from`.
pub(super) async fn sweep_step(connection: &Connection, from: Timestamp) -> Tried<Looked> {
    let sweep = connection.ready(&SWEEP).await?;
    let rows = sweep.rows(&[&i64::from(SWEEP_ROWS), &Time(from)]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| corrupt("no count"))?);
    let removed: i64 = columns.get()?;
    Ok(Looked { moved: removed.unsigned_abs(), at: columns.time()? })
}
