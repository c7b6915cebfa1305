//! What each statement costs the server, as `pg_stat_statements` counts it.

use super::cluster::Database;
use crate::Result;

/// What the cluster has to be told. Counting costs a little on both sides.
pub(super) const SETTINGS: [(&str, &str); 2] =
    [("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.track", "all")];

/// Those that cost most, with the statements inside functions, which count twice: for themselves and in the function.
const TOP: &str = "SELECT format('%s µs/chunk, %s calls of %s µs, %s pages, %s log bytes: %s%s', \
        round((1000 * total_exec_time / {chunks})::numeric, 1), calls, \
        round((1000 * total_exec_time / calls)::numeric, 1), \
        round((shared_blks_hit + shared_blks_read)::numeric / calls, 1), round(wal_bytes / calls), \
        CASE WHEN toplevel THEN '' ELSE '(inside) ' END, left(regexp_replace(query, '\\s+', ' ', 'g'), 110)) \
    FROM pg_stat_statements WHERE calls > 10 AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    ORDER BY total_exec_time DESC LIMIT 24";

/// Counts from here on.
pub(super) fn reset(database: &Database<'_>) -> Result<()> {
    database.sql("CREATE EXTENSION pg_stat_statements")?;
    database.sql("SELECT pg_stat_statements_reset()").map(|_| ())
}

/// A line for each of the dearest statements since then, by chunk.
pub(super) fn told(side: &str, database: &Database<'_>, chunks: u64) -> Result<Vec<String>> {
    let top = database.sql(&TOP.replace("{chunks}", &chunks.to_string()))?;
    Ok(top.lines().map(|line| format!("costs    {side}: {line}")).collect())
}
