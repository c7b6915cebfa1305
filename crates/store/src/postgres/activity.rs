//! Reading the activity log.

use super::connect::Connection;
use super::error::Tried;
use super::rows::{Columns, collect};
use super::statement::Sql;
use crate::page::{Page, PageRequest};
use crate::repository::ActivityFilter;
use ream_core::{Action, Activity, ChunkId, JobId};
use tokio_postgres::types::Type;

const TYPES: &[Type] = &[Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::TEXT, Type::TEXT];

/// A condition is either a plain comparison, which can use an index, or one that is always true.
macro_rules! list {
    ($job:literal, $chunk:literal) => {
        Sql::new(
            "read the activity log",
            concat!(
                "SELECT ",
                activity_columns!(),
                " FROM activity_log WHERE id < $1 AND ",
                $job,
                " AND ",
                $chunk,
                " AND ($5 IS NULL OR actor = $5) AND ($6 IS NULL OR action = $6) ORDER BY id DESC LIMIT $2"
            ),
            TYPES,
        )
    };
}

pub(super) static LIST: Sql = list!("$3 IS NULL", "$4 IS NULL");
pub(super) static LIST_OF_JOB: Sql = list!("job_id = $3", "$4 IS NULL");
pub(super) static LIST_OF_CHUNK: Sql = list!("($3 IS NULL OR job_id = $3)", "chunk_id = $4");

pub(super) async fn list(
    connection: &Connection,
    filter: &ActivityFilter,
    page: PageRequest,
) -> Tried<Page<Activity>> {
    // No text of this database has a zero character, and it refuses to look for one.
    if filter.actor.as_ref().is_some_and(|actor| actor.contains('\0')) {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let sql = match (filter.job_id, filter.chunk_id) {
        (_, Some(_)) => &LIST_OF_CHUNK,
        (Some(_), None) => &LIST_OF_JOB,
        (None, None) => &LIST,
    };
    let rows = connection
        .ready(sql)
        .await?
        .rows(&[
            &page.cursor().map_or(i64::MAX, |cursor| cursor.0),
            &(i64::from(page.limit()) + 1),
            &filter.job_id.map(JobId::get),
            &filter.chunk_id.map(ChunkId::get),
            &filter.actor,
            &filter.action.map(Action::as_str),
        ])
        .await?;
    Ok(Page::cut(collect(&rows, Columns::activity)?, page, |entry| entry.id))
}
