//! Reading the activity log.

use super::error::Doing;
use super::rows::{self, ACTIVITY_COLUMNS};
use crate::page::{Page, PageRequest};
use crate::repository::ActivityFilter;
use ream_core::{Action, Activity, ChunkId, JobId, Result};
use rusqlite::{Connection, params};

pub(super) fn list(conn: &Connection, filter: &ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
    // Each condition is either a plain comparison, which can use an index, or not there at all.
    let mut conditions = String::new();
    for (set, condition) in [
        (filter.job_id.is_some(), " AND job_id = ?3"),
        (filter.chunk_id.is_some(), " AND chunk_id = ?4"),
        (filter.actor.is_some(), " AND actor = ?5"),
        (filter.action.is_some(), " AND action = ?6"),
    ] {
        if set {
            conditions.push_str(condition);
        }
    }
    // `?6 IS ?6` keeps the number of parameters the same for every combination.
    let sql = format!(
        "SELECT {ACTIVITY_COLUMNS} FROM activity_log WHERE id < ?1{conditions} AND ?6 IS ?6 \
         ORDER BY id DESC LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql).doing("read the activity log")?;
    let mut found = statement
        .query(params![
            page.cursor().map_or(i64::MAX, |cursor| cursor.0),
            page.limit() + 1,
            filter.job_id.map(JobId::get),
            filter.chunk_id.map(ChunkId::get),
            filter.actor,
            filter.action.map(Action::as_str),
        ])
        .doing("read the activity log")?;
    Ok(Page::cut(rows::collect(&mut found, rows::activity)?, page, |entry| entry.id))
}
