//! The system under simulation: the real services on the real store, in a folder of its own, by a clock that stands
//! still until it is moved.

use crate::answer::Answer;
use crate::ops::Op;
use ream::{CrawlJobService, JobChunkRepository, JobChunkingService, SqliteOptions, SqliteStore};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Where every history begins, in Unix milliseconds.
pub(crate) const T0: i64 = 1_800_000_000_000;

/// The file of an empty database by the simulated clock. The table `clock` becomes a view whose shift leads from the
/// time of day, which SQLite tells anew for each statement, to the simulated one.
static EMPTY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = new_folder();
    let path = folder.path().join("ream.db");
    drop(SqliteStore::open(&SqliteOptions::new(&path)).unwrap());
    let sql = format!(
        "CREATE TABLE simulated (now_ms INTEGER NOT NULL); INSERT INTO simulated VALUES ({T0}); \
         DROP TABLE clock; CREATE VIEW clock AS \
         SELECT 1 AS id, now_ms - CAST(unixepoch('subsec') * 1000 AS INTEGER) AS shift_ms FROM simulated;"
    );
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(&sql).unwrap();
    // Closing the last connection folds the write-ahead log into the file.
    drop(conn);
    std::fs::read(path).unwrap()
});

/// In memory where the machine has room for it: nothing here is about power cuts.
fn new_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// One process on one database.
pub(crate) struct Process {
    pub(crate) service: JobChunkingService,
    pub(crate) jobs: CrawlJobService,
    pub(crate) repository: Arc<dyn JobChunkRepository>,
    /// Behind the store's back: the clock, and the lock of another process.
    aside: Connection,
}

impl Process {
    fn begin(path: &Path) -> Self {
        let mut options = SqliteOptions::new(path);
        options.readers = 1;
        options.busy_timeout = Duration::from_millis(3);
        let repository: Arc<dyn JobChunkRepository> = Arc::new(SqliteStore::open(&options).unwrap());
        let aside = Connection::open(path).unwrap();
        Self {
            service: JobChunkingService::new(repository.clone()),
            jobs: CrawlJobService::new(repository.clone()),
            repository,
            aside,
        }
    }
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    /// Kills so far: each leaves another pair of files.
    kills: u32,
    /// Always there but while one process follows another.
    process: Option<Process>,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = new_folder();
        std::fs::write(folder.path().join("0.db"), EMPTY.as_slice()).unwrap();
        let mut world = Self { folder, kills: 0, process: None };
        world.process = Some(Process::begin(&world.path()));
        world
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(format!("{}.db", self.kills))
    }

    pub(crate) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.process = None;
        self.process = Some(Process::begin(&self.path()));
    }

    /// What a killed process leaves: the file and its write-ahead log as they are, with nothing folded or closed.
    fn kill(&mut self) {
        let (old, log) = (self.path(), |path: &Path| format!("{}-wal", path.display()));
        self.kills += 1;
        let new = self.path();
        std::fs::copy(&old, &new).unwrap();
        if Path::new(&log(&old)).exists() {
            std::fs::copy(log(&old), log(&new)).unwrap();
        }
        self.process = None;
        std::fs::remove_file(old).unwrap();
        self.process = Some(Process::begin(&new));
    }

    /// Moves a chunk's back-off to a moment that the seed decides: the store draws its jitter from elsewhere.
    pub(crate) fn settle_retry(&self, chunk: i64, at_ms: i64) {
        let sql = "UPDATE job_chunks SET retry_at = ?2 WHERE id = ?1";
        assert_eq!(self.process().aside.execute(sql, [chunk, at_ms]).unwrap(), 1);
    }

    /// When the service will put a failed chunk back, whoever may see the chunk.
    pub(crate) fn retry_at(&self, chunk: i64) -> Option<i64> {
        let sql = "SELECT retry_at FROM job_chunks WHERE id = ?1";
        self.process().aside.query_row(sql, [chunk], |row| row.get(0)).unwrap()
    }

    /// Does what is asked.
    pub(crate) async fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Advance(ms) => {
                let sql = "UPDATE simulated SET now_ms = now_ms + ?1";
                self.process().aside.execute(sql, [ms]).unwrap();
                Answer::Nothing
            }
            Op::Reopen => {
                self.reopen();
                Answer::Nothing
            }
            Op::Kill => {
                self.kill();
                Answer::Nothing
            }
            Op::Locked(op) => {
                self.process().aside.execute_batch("BEGIN IMMEDIATE").unwrap();
                let answer = self.call(op).await;
                self.process().aside.execute_batch("ROLLBACK").unwrap();
                answer
            }
            // Polled in their order, so they come to the writer in their order.
            Op::Together(ops) => {
                Answer::Many(futures::future::join_all(ops.iter().map(|op| self.call(op))).await)
            }
            op => self.call(op).await,
        }
    }
}
