//! Tokens.

use super::clock;
use super::error::Doing;
use super::rows::{self, TOKEN_COLUMNS};
use super::threads::WriteContext;
use crate::page::{Page, PageRequest};
use crate::repository::Actor;
use crate::tokens::{NewToken, StoredToken};
use ream_core::Token;
use ream_core::{Error, Result, Timestamp, TokenId};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn create(cx: &WriteContext<'_>, new: &NewToken, actor: &Actor) -> Result<Token> {
    let now = clock::now(cx.conn)?;
    let sql = "INSERT INTO api_tokens (name, role, secret_sha256, created_at, created_by, expires_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING";
    let mut statement = cx.conn.prepare_cached(sql).doing("create a token")?;
    let expires_at = new.life_ms().map(|life_ms| now.plus_ms(life_ms).unix_ms());
    let created = statement
        .execute(params![
            new.name,
            new.role.as_str(),
            new.secret_sha256,
            now.unix_ms(),
            actor.as_str(),
            expires_at
        ])
        .doing("create a token")?;
    if created == 0 {
        return Err(new.name_taken());
    }
    load(cx.conn, TokenId::new(cx.conn.last_insert_rowid()))
}

fn load(conn: &Connection, token_id: TokenId) -> Result<Token> {
    find(conn, token_id)?.map(|found| found.token).ok_or_else(|| Error::no_token(token_id))
}

pub(super) fn find(conn: &Connection, token_id: TokenId) -> Result<Option<StoredToken>> {
    let sql = format!("SELECT {TOKEN_COLUMNS}, secret_sha256 FROM api_tokens WHERE id = ?1");
    let now = clock::now(conn)?;
    let mut statement = conn.prepare_cached(&sql).doing("read a token")?;
    let found = statement.query_row([token_id.get()], |row| Ok(rows::stored_token(row, now))).optional();
    found.doing("read a token")?.transpose()
}

pub(super) fn list(conn: &Connection, page: PageRequest) -> Result<Page<Token>> {
    let sql = format!("SELECT {TOKEN_COLUMNS} FROM api_tokens WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    let before = page.cursor().map_or(i64::MAX, |cursor| cursor.0);
    let mut statement = conn.prepare_cached(&sql).doing("list tokens")?;
    let mut found = statement.query(params![before, page.limit() + 1]).doing("list tokens")?;
    Ok(Page::cut(rows::collect(&mut found, rows::token)?, page, |token| token.id.get()))
}

pub(super) fn revoke(cx: &WriteContext<'_>, token_id: TokenId, actor: &Actor) -> Result<Token> {
    let sql = "UPDATE api_tokens SET revoked_at = ?2, revoked_by = ?3 WHERE id = ?1 AND revoked_at IS NULL";
    let now: Timestamp = clock::now(cx.conn)?;
    let mut statement = cx.conn.prepare_cached(sql).doing("revoke a token")?;
    statement.execute(params![token_id.get(), now.unix_ms(), actor.as_str()]).doing("revoke a token")?;
    load(cx.conn, token_id)
}

pub(super) fn any(conn: &Connection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM api_tokens)";
    let mut statement = conn.prepare_cached(sql).doing("look for tokens")?;
    statement.query_row([], |row| row.get(0)).doing("look for tokens")
}
