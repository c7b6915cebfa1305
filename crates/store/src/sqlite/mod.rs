//! The embedded backend: one SQLite file, WAL, one writer thread with group commit, readers beside it.
//!
//! What was acknowledged survives a kill of the process. With [`SqliteOptions::survive_power_loss`] it survives a
//! power cut as well, at the price of a disk flush per commit. Other processes may use the same file at the same
//! time.

mod activity;
mod chunks;
mod claim;
mod clock;
mod creation;
mod duties;
mod error;
mod jobs;
mod migrate;
mod moves;
mod once;
#[cfg(test)]
mod plans;
mod rows;
mod threads;
mod tokens;
mod verify;

use crate::once::{Answered, Once, Operation};
use crate::page::{Page, PageRequest};
use crate::repository::{
    ActivityFilter, Actor, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter, JobVerdict,
    MovedChunk, NewChunk, WakeUps,
};
use crate::schema_change::SchemaChange;
use crate::tokens::{NewToken, StoredToken, TokenRepository};
use async_trait::async_trait;
use error::Doing;
use ream_core::Token;
use ream_core::event::Event;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{
    Activity, ChunkId, CrawlJob, DatabaseFault, Error, JobChunk, JobChunkStatus, JobId, Priority, Result,
    Timestamp, TokenId,
};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use threads::{Readers, WriteContext, Writer};
use tokio::sync::watch;

/// How a SQLite file is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file; made where it is missing, its folder is not.
    pub path: PathBuf,
    /// Whether to make the file where it is missing. Default true.
    pub create: bool,
    /// Flush to disk at each commit. Default false: safe against kills, not against power cuts.
    pub survive_power_loss: bool,
    /// Reader connections, 1 to 64. Default 4.
    pub readers: usize,
    /// How long to wait for another process that writes. Default 10 s.
    pub busy_timeout: Duration,
}

impl SqliteOptions {
    /// The defaults for this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            create: true,
            survive_power_loss: false,
            readers: 4,
            busy_timeout: Duration::from_secs(10),
        }
    }
}

/// State in a SQLite file. Dropping it waits until its threads have done what was asked; then the file is whole by
/// itself, without a write-ahead log beside it, unless another process has it open.
pub struct SqliteStore {
    /// Both are there until the store is dropped.
    threads: Option<(Writer, Readers)>,
    wake_ups: watch::Receiver<u64>,
}

impl SqliteStore {
    /// Opens the file and brings its schema up to date. Blocks: call it from a thread that may.
    ///
    /// # Errors
    /// Database: the file cannot be opened, is no SQLite database, or has a schema this program does not know.
    /// Validation: `readers` out of range.
    pub fn open(options: &SqliteOptions) -> Result<Self> {
        if !(1..=64).contains(&options.readers) {
            return Err(Error::invalid("readers", options.readers, "1 to 64"));
        }
        let mut conn = connect(options)?;
        migrate::migrate(&mut conn)?;
        let readers: Vec<Connection> =
            (0..options.readers).map(|_| connect_reader(options)).collect::<Result<_>>()?;
        let (waker, wake_ups) = watch::channel(0);
        let no_thread = |error: std::io::Error| Error::Database {
            fault: DatabaseFault::Unavailable,
            message: format!("start a thread for the database: {error}"),
        };
        let writer = Writer::start(conn, waker).map_err(no_thread)?;
        let readers = Readers::start(readers).map_err(no_thread)?;
        Ok(Self { threads: Some((writer, readers)), wake_ups })
    }

    /// What [`Self::open`] would do to the schema; everything where there is no file yet. Blocks.
    ///
    /// # Errors
    /// Database: the file cannot be opened, or is no SQLite database.
    pub fn pending_migrations(path: &Path) -> Result<Vec<SchemaChange>> {
        let conn = match path.exists() {
            true => open_file(path, OpenFlags::empty())?,
            false => Connection::open_in_memory().doing("look at the schema")?,
        };
        migrate::pending(&conn)
    }

    async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut WriteContext<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.threads {
            Some((writer, _)) => writer.call(run).await,
            None => Err(error::closed()),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.threads {
            Some((_, readers)) => readers.call(read).await,
            None => Err(error::closed()),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Some((writer, readers)) = self.threads.take() {
            // The writer's connection is closed last: that folds the write-ahead log into the file.
            readers.close();
            writer.close();
        }
    }
}

fn open_file(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let doing = format!("open `{}`", path.display());
    let conn = Connection::open_with_flags(path, flags).doing(&doing)?;
    // Plans may not depend on bound values: else SQLite parses a statement with a bound limit anew at each run.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).doing(&doing)?;
    Ok(conn)
}

fn connect(options: &SqliteOptions) -> Result<Connection> {
    let create = if options.create { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
    let conn = open_file(&options.path, create)?;
    let doing = format!("open `{}`", options.path.display());
    conn.busy_timeout(options.busy_timeout).doing(&doing)?;
    migrate::claim_file(&conn, &doing)?;
    conn.set_prepared_statement_cache_capacity(128);
    let synchronous = if options.survive_power_loss { "FULL" } else { "NORMAL" };
    // A write-ahead log of some 32 MiB between checkpoints: fewer flushes while millions of chunks are created.
    let settings = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; \
         PRAGMA wal_autocheckpoint = 8192; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536; \
         PRAGMA temp_store = MEMORY;"
    );
    apply_settings(&conn, &settings, options.busy_timeout).doing(&doing)?;
    Ok(conn)
}

/// Several that switch one new file to the write-ahead log at once get in each other's way, and there SQLite answers
/// "busy" without waiting.
fn apply_settings(conn: &Connection, settings: &str, patience: Duration) -> rusqlite::Result<()> {
    let begun = Instant::now();
    loop {
        match conn.execute_batch(settings) {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && begun.elapsed() < patience =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            result => return result,
        }
    }
}

fn connect_reader(options: &SqliteOptions) -> Result<Connection> {
    let conn = open_file(&options.path, OpenFlags::empty())?;
    let doing = format!("open `{}` to read", options.path.display());
    conn.busy_timeout(options.busy_timeout).doing(&doing)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;").doing(&doing)?;
    Ok(conn)
}

#[async_trait]
impl JobChunkRepository for SqliteStore {
    async fn create_job_once(
        &self,
        new: NewCrawlJob,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>> {
        new.validate()?;
        let (actor, once) = (actor.clone(), once.cloned());
        let ids = |job: &CrawlJob| vec![job.id.get()];
        self.write(move |cx| {
            let create = |cx: &mut WriteContext<'_>| jobs::create(cx, &new, &actor);
            once::once(cx, once.as_ref(), Operation::CreateJob, create, ids, |conn, kept| {
                jobs::get(conn, kept.job_id())
            })
        })
        .await
    }

    async fn get_job(&self, job_id: JobId) -> Result<CrawlJob> {
        self.read(move |conn| jobs::get(conn, job_id)).await
    }

    async fn glance_at_job(&self, job_id: JobId) -> Result<(CrawlJob, Timestamp)> {
        self.read(move |conn| jobs::glance(conn, job_id)).await
    }

    async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
        self.read(move |conn| jobs::list(conn, filter, page)).await
    }

    async fn apply_to_job(&self, job_id: JobId, event: JobEvent, actor: &Actor) -> Result<CrawlJob> {
        let actor = actor.clone();
        self.write(move |cx| jobs::apply(cx, job_id, event, &actor)).await
    }

    async fn delete_job(&self, job_id: JobId, actor: &Actor) -> Result<()> {
        let actor = actor.clone();
        self.write(move |cx| jobs::delete(cx, job_id, &actor)).await
    }

    async fn create_chunks_step(
        &self,
        job_id: JobId,
        max_images: u64,
        priority: Option<Priority>,
        actor: &Actor,
    ) -> Result<Creation> {
        let actor = actor.clone();
        self.write(move |cx| creation::create_step(cx, job_id, max_images, priority, &actor)).await
    }

    async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Creation>> {
        let (actor, once) = (actor.clone(), once.cloned());
        let ids = move |_: &Creation| vec![job_id.get()];
        self.write(move |cx| {
            let create = |cx: &mut WriteContext<'_>| creation::bulk_create(cx, job_id, &chunks, &actor);
            once::once(cx, once.as_ref(), Operation::BulkCreate, create, ids, |conn, kept| {
                jobs::get(conn, kept.job_id()).map(|job| Creation::of(&job))
            })
        })
        .await
    }

    async fn get_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        self.read(move |conn| chunks::get(conn, chunk_id)).await
    }

    async fn list_chunks(
        &self,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        page: PageRequest,
    ) -> Result<Page<JobChunk>> {
        self.read(move |conn| chunks::list(conn, job_id, status, page)).await
    }

    async fn next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>> {
        self.read(move |conn| chunks::next_pending(conn, job_id)).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>> {
        request.validate()?;
        self.write(move |cx| claim::claim(cx, &request)).await
    }

    async fn apply(&self, events: Vec<(ChunkId, Event)>, actor: &Actor) -> Result<Vec<Result<MovedChunk>>> {
        let actor = actor.clone();
        self.write(move |cx| chunks::apply(cx, events, &actor)).await
    }

    async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>> {
        let (actor, once) = (actor.clone(), once.cloned());
        let ids = |chunks: &Vec<JobChunk>| chunks.iter().map(|chunk| chunk.id.get()).collect();
        self.write(move |cx| {
            let create = |cx: &mut WriteContext<'_>| chunks::split(cx, chunk_id, parts, &actor);
            once::once(cx, once.as_ref(), Operation::SplitChunk, create, ids, |conn, kept| {
                kept.ids.iter().map(|id| chunks::get(conn, ChunkId::new(*id))).collect()
            })
        })
        .await
    }

    async fn expire_due(&self, limit: u32) -> Result<u64> {
        self.write(move |cx| duties::expire_due(cx, limit)).await
    }

    async fn retry_due(&self, limit: u32) -> Result<u64> {
        self.write(move |cx| duties::retry_due(cx, limit)).await
    }

    async fn cancel_overdue_jobs(&self) -> Result<u64> {
        self.write(duties::cancel_overdue_jobs).await
    }

    async fn announce_ends(&self) -> Result<Vec<JobId>> {
        self.write(duties::announce_ends).await
    }

    async fn propagate_priority_step(&self) -> Result<bool> {
        self.write(|cx| duties::propagate_priority_step(cx)).await
    }

    async fn purge_step(&self) -> Result<bool> {
        self.write(|cx| duties::purge_step(cx)).await
    }

    async fn upkeep(&self) -> Result<u64> {
        // SQLite checkpoints by itself.
        self.write(|cx| once::sweep_step(cx)).await
    }

    async fn list_unpublished(&self, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>> {
        self.read(move |conn| duties::list_unpublished(conn, job_id, limit)).await
    }

    async fn mark_published(&self, chunk: &JobChunk) -> Result<()> {
        let chunk = chunk.clone();
        self.write(move |cx| duties::mark_published(cx, &chunk)).await
    }

    async fn list_unfinished_datasets(
        &self,
        waiting_for: Duration,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<JobId>> {
        self.read(move |conn| duties::list_unfinished_datasets(conn, waiting_for, after, limit)).await
    }

    async fn mark_dataset_finished(&self, job: &CrawlJob) -> Result<bool> {
        let job = job.clone();
        self.write(move |cx| duties::mark_dataset_finished(cx, &job)).await
    }

    async fn verify_job(&self, job_id: JobId) -> Result<JobVerdict> {
        self.read(move |conn| verify::verify_job(conn, job_id)).await
    }

    async fn repair_counters(&self, job_id: JobId, actor: &Actor) -> Result<CrawlJob> {
        let actor = actor.clone();
        self.write(move |cx| verify::repair_counters(cx, job_id, &actor)).await
    }

    async fn verify_schema(&self) -> Result<Vec<String>> {
        self.read(verify::verify_schema).await
    }

    async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
        self.read(move |conn| activity::list(conn, &filter, page)).await
    }

    async fn now(&self) -> Result<Timestamp> {
        self.read(clock::now).await
    }

    fn wake_ups(&self) -> WakeUps {
        self.wake_ups.clone()
    }
}

#[async_trait]
impl TokenRepository for SqliteStore {
    async fn create_token(&self, new: NewToken, actor: &Actor) -> Result<Token> {
        new.validate()?;
        let actor = actor.clone();
        self.write(move |cx| tokens::create(cx, &new, &actor)).await
    }

    async fn list_tokens(&self, page: PageRequest) -> Result<Page<Token>> {
        self.read(move |conn| tokens::list(conn, page)).await
    }

    async fn revoke_token(&self, token_id: TokenId, actor: &Actor) -> Result<Token> {
        let actor = actor.clone();
        self.write(move |cx| tokens::revoke(cx, token_id, &actor)).await
    }

    async fn find_token(&self, token_id: TokenId) -> Result<Option<StoredToken>> {
        self.read(move |conn| tokens::find(conn, token_id)).await
    }

    async fn any_tokens(&self) -> Result<bool> {
        self.read(tokens::any).await
    }
}
