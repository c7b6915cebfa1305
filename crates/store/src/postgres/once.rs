//! Calls that are asked once. Whoever has a key locks it first, so that another with the same key waits, and then finds what
//! was created. The lock is no row: a claim that finds nothing, as most do, writes nothing. Calls that share a transaction
//! wait for nobody: one whose key is not free is made by itself.

use super::connect::Connection;
use super::duties::Looked;
use super::error::{Tried, corrupt};
use super::rows::{Columns, Time};
use super::statement::{Ready, Sql};
use super::transaction::Transaction;
use super::tries::Done;
use crate::once::{Answered, KEY_LIFE_S, Kept, Once, Operation, SWEEP_ROWS};
use ream_core::{Result, Timestamp};
use tokio_postgres::Row;
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

/// [`LOCK`] for several, different from one another, each only if nobody has it.
pub(super) static TRY_LOCKS: Sql = Sql::new(
    "lock idempotency keys",
    "SELECT pg_try_advisory_xact_lock(hashtextextended(owner || ' ' || key, x'5265616D4B'::bigint)) \
     FROM unnest($1, $2) WITH ORDINALITY AS asked (owner, key, n) ORDER BY n",
    &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
);

/// Whether each of them is used, after [`TRY_LOCKS`] as [`LOOK`] after [`LOCK`]. A subquery for each: a join would be free
/// to read the whole table.
pub(super) static ARE_USED: Sql = Sql::new(
    "look for idempotency keys",
    "SELECT coalesce((SELECT k.expires_at > (SELECT ream_now()) FROM idempotency_keys k \
     WHERE k.owner = asked.owner AND k.key = asked.key), false) \
     FROM unnest($1, $2) WITH ORDINALITY AS asked (owner, key, n) ORDER BY n",
    &[Type::TEXT_ARRAY, Type::TEXT_ARRAY],
);

/// Keys that are free, or in the place of those that have expired. Lists of numbers come as text: an array has no rows of
/// different lengths.
pub(super) static KEEP: Sql = Sql::new(
    "keep idempotency keys",
    "INSERT INTO idempotency_keys (owner, key, fingerprint, operation, ids, attempts, created_at, expires_at) \
     SELECT owner, key, fingerprint, operation, ids::bigint[], attempts::bigint[], now, now + life_s * interval '1 s' \
     FROM unnest($1, $2, $3, $4, $5, $6, $7) AS kept (owner, key, fingerprint, operation, ids, attempts, life_s), \
     ream_now() AS now \
     ON CONFLICT (owner, key) DO UPDATE SET fingerprint = excluded.fingerprint, operation = excluded.operation, \
     ids = excluded.ids, attempts = excluded.attempts, created_at = excluded.created_at, \
     expires_at = excluded.expires_at",
    &[
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
    ],
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
    let mut done = create.await?;
    let (ids, attempts) = (ids(&done.answer), Vec::new());
    done.writes.keys.push(KeptKey { once: once.clone(), operation, ids, attempts, life_s: KEY_LIFE_S });
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

/// The statements that lock several keys, ready to be sent.
pub(super) struct TakeFree<'t> {
    locks: Ready<'t>,
    used: Ready<'t>,
}

impl<'t> TakeFree<'t> {
    pub(super) async fn ready(tx: &'t Transaction) -> Tried<Self> {
        Ok(Self { locks: tx.ready(&TRY_LOCKS).await?, used: tx.ready(&ARE_USED).await? })
    }

    /// Locks keys, different from one another, and waits for nobody. Answers for each whether it is free, and this
    /// transaction's.
    pub(super) async fn take(&self, keys: &[&Once]) -> Tried<Vec<bool>> {
        let owners: Vec<&str> = keys.iter().map(|once| once.owner()).collect();
        let keys: Vec<&str> = keys.iter().map(|once| once.key()).collect();
        let (locked, used) = futures::join!(async { self.locks.rows(&[&owners, &keys]).await }, async {
            self.used.rows(&[&owners, &keys]).await
        });
        let (locked, used) = (answers(&locked?)?, answers(&used?)?);
        Ok(locked.into_iter().zip(used).map(|(is_locked, is_used)| is_locked && !is_used).collect())
    }
}

fn answers(rows: &[Row]) -> Tried<Vec<bool>> {
    Ok(rows.iter().map(|row| Columns::of(row).get()).collect::<Result<_>>()?)
}

/// A key that is kept with what it created, written with the rest of its transaction.
pub(super) struct KeptKey {
    pub(super) once: Once,
    pub(super) operation: Operation,
    pub(super) ids: Vec<i64>,
    /// Of the chunks that a claim started, in that order.
    pub(super) attempts: Vec<i64>,
    pub(super) life_s: i64,
}

/// Keeps keys that this transaction has locked.
pub(super) async fn keep(ready: &Ready<'_>, kept: &[KeptKey]) -> Tried<u64> {
    fn each<'k, T>(kept: &'k [KeptKey], of: impl Fn(&'k KeptKey) -> T) -> Vec<T> {
        kept.iter().map(of).collect()
    }
    let owners = each(kept, |kept| kept.once.owner());
    let keys = each(kept, |kept| kept.once.key());
    let prints = each(kept, |kept| kept.once.fingerprint());
    let operations = each(kept, |kept| kept.operation.as_str());
    let (ids, attempts) = (each(kept, |kept| list(&kept.ids)), each(kept, |kept| list(&kept.attempts)));
    let lives = each(kept, |kept| kept.life_s);
    ready.run(&[&owners, &keys, &prints, &operations, &ids, &attempts, &lives]).await
}

/// An array in PostgreSQL's text.
fn list(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

/// Removes some keys that have expired since `from`.
pub(super) async fn sweep_step(connection: &Connection, from: Timestamp) -> Tried<Looked> {
    let sweep = connection.ready(&SWEEP).await?;
    let rows = sweep.rows(&[&i64::from(SWEEP_ROWS), &Time(from)]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| corrupt("no count"))?);
    let removed: i64 = columns.get()?;
    Ok(Looked { moved: removed.unsigned_abs(), at: columns.time()? })
}
