//! Tokens.

use super::connect::Connection;
use super::error::{Tried, corrupt};
use super::rows::{Columns, collect};
use super::statement::Sql;
use super::transaction::Transaction;
use super::tries::Done;
use crate::page::{Page, PageRequest};
use crate::repository::Actor;
use crate::tokens::{NewToken, StoredToken};
use ream_core::Token;
use ream_core::{Error, TokenId};
use tokio_postgres::types::Type;

/// No row where another token has the name: who has just taken it is waited for.
pub(super) static CREATE: Sql = Sql::new(
    "create a token",
    concat!(
        "INSERT INTO api_tokens (name, role, secret_sha256, created_at, created_by, expires_at) \
         SELECT $1, $2, $3, now, $4, now + $5 * interval '1 ms' FROM ream_now() AS now \
         ON CONFLICT (name) DO NOTHING RETURNING ",
        token_columns!(),
        ", pg_current_xact_id()::text::bigint"
    ),
    &[Type::TEXT, Type::TEXT, Type::BYTEA, Type::TEXT, Type::INT8],
);

pub(super) static FIND: Sql = Sql::new(
    "read a token",
    concat!("SELECT ", token_columns!(), ", secret_sha256, ream_now() FROM api_tokens WHERE id = $1"),
    &[Type::INT8],
);

pub(super) static LIST: Sql = Sql::new(
    "list tokens",
    concat!("SELECT ", token_columns!(), " FROM api_tokens WHERE id < $1 ORDER BY id DESC LIMIT $2"),
    &[Type::INT8, Type::INT8],
);

/// Of one that was revoked already, it changes nothing.
pub(super) static REVOKE: Sql = Sql::new(
    "revoke a token",
    concat!(
        "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, ream_now()), \
         revoked_by = coalesce(revoked_by, $2) WHERE id = $1 RETURNING ",
        token_columns!()
    ),
    &[Type::INT8, Type::TEXT],
);

pub(super) static ANY: Sql = Sql::new("look for tokens", "SELECT EXISTS (SELECT FROM api_tokens)", &[]);

pub(super) async fn create(tx: &Transaction, new: &NewToken, actor: &Actor) -> Tried<Done<Token>> {
    let create = tx.ready(&CREATE).await?;
    tx.begin().await?;
    let (role, secret) = (new.role.as_str(), new.secret_sha256.as_slice());
    let rows = create.rows(&[&new.name, &role, &secret, &actor.as_str(), &new.life_ms()]).await?;
    let mut columns = Columns::of(rows.first().ok_or_else(|| new.name_taken())?);
    let token = columns.token()?;
    tx.note_xid(columns.get()?);
    Ok(Done::answer(token))
}

pub(super) async fn find(connection: &Connection, token_id: TokenId) -> Tried<Option<StoredToken>> {
    let rows = connection.ready(&FIND).await?.rows(&[&token_id.get()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let mut columns = Columns::of(row);
    let token = columns.token()?;
    let secret_sha256 = columns.get::<&[u8]>()?.try_into().map_err(corrupt)?;
    Ok(Some(StoredToken { token, secret_sha256, now: columns.time()? }))
}

pub(super) async fn list(connection: &Connection, page: PageRequest) -> Tried<Page<Token>> {
    let before = page.cursor().map_or(i64::MAX, |cursor| cursor.0);
    let limit = i64::from(page.limit()) + 1;
    let rows = connection.ready(&LIST).await?.rows(&[&before, &limit]).await?;
    Ok(Page::cut(collect(&rows, Columns::token)?, page, |token| token.id.get()))
}

/// May be done twice.
pub(super) async fn revoke(connection: &Connection, token_id: TokenId, actor: &Actor) -> Tried<Token> {
    let rows = connection.ready(&REVOKE).await?.rows(&[&token_id.get(), &actor.as_str()]).await?;
    Ok(Columns::of(rows.first().ok_or_else(|| Error::no_token(token_id))?).token()?)
}

pub(super) async fn any(connection: &Connection) -> Tried<bool> {
    let rows = connection.ready(&ANY).await?.rows(&[]).await?;
    Ok(Columns::of(rows.first().ok_or_else(|| corrupt("no answer"))?).get()?)
}
