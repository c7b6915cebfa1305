//! The database's clock: the only one that judges leases, timeouts and back-offs.

use super::error::Doing;
use ream_core::{Result, Timestamp};
use rusqlite::Connection;

/// The one expression for "now". A test may shift it through the table `clock`.
const NOW: &str = "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) + shift_ms FROM clock";

/// The database's time at this moment.
pub(super) fn now(conn: &Connection) -> Result<Timestamp> {
    let mut statement = conn.prepare_cached(NOW).doing("read the clock")?;
    statement.query_row([], |row| row.get(0)).map(Timestamp::from_unix_ms).doing("read the clock")
}
