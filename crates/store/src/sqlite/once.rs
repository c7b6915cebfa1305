//! Calls that are asked once. Only one call writes at a time, so that who comes second always finds the key.

use super::clock;
use super::error::{Doing, corrupt};
use super::threads::WriteContext;
use crate::once::{Answered, KEY_LIFE_S, Kept, Once, Operation, SWEEP_ROWS};
use ream_core::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// Creates something, or, where `once` was asked before, looks at what it created: `again`. `ids` are what is kept.
pub(super) fn once<'c, T>(
    cx: &mut WriteContext<'c>,
    once: Option<&Once>,
    operation: Operation,
    create: impl FnOnce(&mut WriteContext<'c>) -> Result<T>,
    ids: impl FnOnce(&T) -> Vec<i64>,
    again: impl FnOnce(&Connection, &Kept) -> Result<T>,
) -> Result<Answered<T>> {
    let Some(once) = once else { return create(cx).map(Answered::first) };
    let now = clock::now(cx.conn)?;
    if let Some(kept) = look(cx.conn, once, operation, now)? {
        return again(cx.conn, &kept).map(Answered::again);
    }
    let answer = create(cx)?;
    keep(cx.conn, once, operation, (&ids(&answer), &[]), now, KEY_LIFE_S)?;
    Ok(Answered::first(answer))
}

/// What the key was used for; `None` where it is free.
pub(super) fn look(
    conn: &Connection,
    once: &Once,
    operation: Operation,
    now: Timestamp,
) -> Result<Option<Kept>> {
    let doing = "look for an idempotency key";
    let sql = "SELECT fingerprint, operation, ids, attempts FROM idempotency_keys \
        WHERE owner = ?1 AND key = ?2 AND expires_at > ?3";
    let mut statement = conn.prepare_cached(sql).doing(doing)?;
    let found: Option<(String, String, String, String)> = statement
        .query_row(params![once.owner(), once.key(), now.unix_ms()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()
        .doing(doing)?;
    let Some((fingerprint, word, ids, attempts)) = found else { return Ok(None) };
    let numbers = |text: &str| serde_json::from_str::<Vec<i64>>(text).map_err(corrupt);
    let kept = Kept { fingerprint, operation: word, ids: numbers(&ids)?, attempts: numbers(&attempts)? };
    kept.check(once, operation).map(Some)
}

/// Keeps a key that is free, in the place of one that has expired.
pub(super) fn keep(
    conn: &Connection,
    once: &Once,
    operation: Operation,
    (ids, attempts): (&[i64], &[i64]),
    now: Timestamp,
    life_s: i64,
) -> Result<()> {
    let doing = "keep an idempotency key";
    let sql = "INSERT OR REPLACE INTO idempotency_keys \
        (owner, key, fingerprint, operation, ids, attempts, created_at, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let json = |numbers: &[i64]| serde_json::Value::from(numbers).to_string();
    let mut statement = conn.prepare_cached(sql).doing(doing)?;
    let written = statement.execute(params![
        once.owner(),
        once.key(),
        once.fingerprint(),
        operation.as_str(),
        json(ids),
        json(attempts),
        now.unix_ms(),
        now.plus_ms(1000 * life_s).unix_ms(),
    ]);
    written.map(|_| ()).doing(doing)
}

/// Removes some keys that have expired. Answers how many.
pub(super) fn sweep_step(cx: &WriteContext<'_>) -> Result<u64> {
    let doing = "remove expired idempotency keys";
    let sql = "DELETE FROM idempotency_keys WHERE (owner, key) IN \
        (SELECT owner, key FROM idempotency_keys WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    let mut statement = cx.conn.prepare_cached(sql).doing(doing)?;
    let removed = statement.execute(params![clock::now(cx.conn)?.unix_ms(), SWEEP_ROWS]).doing(doing)?;
    Ok(removed as u64)
}
