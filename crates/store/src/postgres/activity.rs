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

/// Conditions and order are such that one index alone can serve them, whatever the statistics say: a row of the log is
/// compared by what the index has.
macro_rules! list {
    ($rows:literal, $order:literal) => {
        Sql::new(
            "read the activity log",
            concat!(
                "SELECT ",
                activity_columns!(),
                " FROM activity_log WHERE ",
                $rows,
                " AND ($5 IS NULL OR actor = $5) AND ($6 IS NULL OR action = $6) ORDER BY ",
                $order,
                " LIMIT $2"
            ),
            TYPES,
        )
    };
}

pub(super) static LIST: Sql = list!("id < $1 AND $3 IS NULL AND $4 IS NULL", "id DESC");
pub(super) static LIST_OF_JOB: Sql =
    list!("(job_id, id) < ($3, $1) AND job_id >= $3 AND $4 IS NULL", "job_id DESC, id DESC");
pub(super) static LIST_OF_CHUNK: Sql = list!(
    "(chunk_id, id) < ($4, $1) AND chunk_id >= $4 AND ($3 IS NULL OR job_id = $3)",
    "chunk_id DESC, id DESC"
);

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
