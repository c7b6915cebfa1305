//! The database's clock: the only one that judges leases, timeouts and back-offs.

use super::connect::Connection;
use super::error::{Tried, corrupt};
use super::rows::Columns;
use super::statement::Sql;
use ream_core::Timestamp;

/// The one expression for "now" is the function; a test may shift it through the table `ream_clock`.
pub(super) static NOW: Sql = Sql::new("read the clock", "SELECT ream_now()", &[]);

/// The database's time at this moment.
pub(super) async fn now(connection: &Connection) -> Tried<Timestamp> {
    let rows = connection.ready(&NOW).await?.rows(&[]).await?;
    let row = rows.first().ok_or_else(|| corrupt("no time"))?;
    Ok(Columns::of(row).time()?)
}
