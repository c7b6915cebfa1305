//! Looking into a crawl's database while the crawl goes on, and after it was killed. Nothing is ever written.

use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A chunk as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its id.
    pub id: i64,
    /// Its status by name.
    pub status: String,
    /// How often it was started.
    pub attempt: i64,
    /// Completed, and its output waits for its final names.
    pub unpublished: bool,
    /// The end of its lease, in Unix milliseconds; only while it is processing.
    pub lease_expires_at: Option<i64>,
}

/// All chunks at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(pub Vec<Chunk>);

impl Snapshot {
    /// Chunks with this status.
    pub fn with_status(&self, status: &str) -> usize {
        self.0.iter().filter(|chunk| chunk.status == status).count()
    }

    /// Chunks in work that were started after `before`: not what a killed process left behind.
    pub fn processing_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Chunk> {
        let attempts: BTreeMap<_, _> = before.0.iter().map(|chunk| (chunk.id, chunk.attempt)).collect();
        let is_new = move |chunk: &&Chunk| attempts.get(&chunk.id).is_none_or(|old| chunk.attempt > *old);
        self.0.iter().filter(|chunk| chunk.status == "processing").filter(is_new)
    }

    /// Completed chunks whose output is not published.
    pub fn unpublished(&self) -> usize {
        self.0.iter().filter(|chunk| chunk.unpublished).count()
    }

    /// The moment from which on no lease holds any more, in Unix milliseconds.
    pub fn last_lease_ends_at(&self) -> Option<i64> {
        self.0.iter().filter_map(|chunk| chunk.lease_expires_at).max()
    }

    /// Whether there are chunks, and all are completed.
    pub fn is_completed(&self) -> bool {
        !self.0.is_empty() && self.with_status("completed") == self.0.len()
    }

    /// Starts of all chunks together.
    pub fn attempts(&self) -> i64 {
        self.0.iter().map(|chunk| chunk.attempt).sum()
    }
}

/// A look at one dataset's database, which need not be there yet.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Watch {
    /// Looks at the database of the dataset in `dataset`.
    pub fn new(dataset: &Path) -> Self {
        Self { path: dataset.join("_ream/ream.db"), connection: None }
    }

    /// All chunks now; `None` as long as there is no database that can be read.
    pub fn look(&mut self) -> Option<Snapshot> {
        if self.connection.is_none() {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags).ok()?;
            connection.busy_timeout(Duration::from_secs(5)).ok()?;
            self.connection = Some(connection);
        }
        let connection = self.connection.as_ref()?;
        let sql =
            "SELECT id, status, attempt, unpublished, lease_expires_at FROM job_chunks ORDER BY first_image";
        let mut statement = connection.prepare_cached(sql).ok()?;
        let rows = statement.query_map([], |row| {
            Ok(Chunk {
                id: row.get(0)?,
                status: row.get(1)?,
                attempt: row.get(2)?,
                unpublished: row.get(3)?,
                lease_expires_at: row.get(4)?,
            })
        });
        rows.ok()?.collect::<rusqlite::Result<_>>().ok().map(Snapshot)
    }
}
