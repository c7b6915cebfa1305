//! The state of a job that is in PostgreSQL, for the checker.

use ream_test_servers::{Fault, FreshDatabase, Result, cannot};
use std::path::{Path, PathBuf};

/// The job and its chunks as the checker reads them.
const STATE: &str = "SELECT json_build_object(\
    'job', (SELECT row_to_json(j) FROM crawl_jobs j), \
    'chunks', (SELECT json_agg(json_build_object('id', id, 'index', chunk_index, 'status', status, \
        'first', first_image, 'last', last_image, 'attempt', attempt, 'unpublished', unpublished::int, \
        'leased', (lease_expires_at IS NOT NULL)::int, 'outcome', outcome) ORDER BY first_image) FROM job_chunks))";

/// What a query answers.
///
/// # Errors
/// The database refuses.
pub fn ask(database: &FreshDatabase<'_>, sql: &str) -> Result<String> {
    database.sql(sql).map_err(|fault| Fault::new(fault.to_string()))
}

/// Writes the state of the database's one job to a file in `folder`, and gives the file.
///
/// # Errors
/// The database refuses, or the disk is full.
pub fn write_state(database: &FreshDatabase<'_>, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("state.json");
    std::fs::write(&path, ask(database, STATE)?).map_err(cannot("write the state"))?;
    Ok(path)
}
