//! The shared backend: PostgreSQL, for any number of processes at once.
//!
//! Each operation is a transaction of one or two round trips: what it depends on is read and locked, the pure function
//! decides, and all that follows is sent together with the commit. Calls that come while others of their kind are under
//! way share one. Workers claim past each other's locks; counters are added up from rows that each transaction only adds;
//! queues know where they begin. What was answered has been committed; what was not answered is asked for by its number
//! before it is tried again.

#[macro_use]
mod columns;

mod activity;
mod chunks;
mod claim;
mod clock;
mod connect;
mod creation;
mod database;
mod duties;
mod error;
mod groups;
mod home;
mod jobs;
mod marks;
mod migrate;
mod moves;
mod once;
mod options;
#[cfg(test)]
mod plans;
mod rows;
mod sharing;
mod statement;
mod tokens;
mod transaction;
mod tries;
mod verify;
mod wake_ups;
mod writes;

pub use options::PostgresOptions;

use crate::once::{Answered, Kept, Once, Operation, SWEEP_ROWS};
use crate::page::{Page, PageRequest};
use crate::repository::{
    ActivityFilter, Actor, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter, JobVerdict,
    MovedChunk, NewChunk, WakeUps,
};
use crate::schema_change::SchemaChange;
use crate::tokens::{NewToken, StoredToken, TokenRepository};
use async_trait::async_trait;
use chunks::Call;
use claim::Wanted;
use connect::Connections;
use database::Database;
use error::{Failure, unavailable};
use groups::Groups;
use marks::{DueMark, SettledMark};
use migrate::Standing;
use ream_core::Token;
use ream_core::event::Event;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{
    Activity, ChunkId, CrawlJob, Error, JobChunk, JobChunkStatus, JobId, Priority, Result, Timestamp, TokenId,
};
use sharing::{Claims, Words};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use transaction::Begin;
use tries::{read, transact};
use wake_ups::{Listener, Waker};

/// How long a server may take to show its schema.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// What a claim with a key counts for in a group at least, in chunks: each key is a lock, and the server has room for some
/// thousands.
const WEIGHT_OF_KEY: usize = 16;
/// How often the activity log is looked after.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(600);
/// The same after somebody was in the way.
const UPKEEP_RETRY: Duration = Duration::from_secs(60);

/// State in a PostgreSQL database.
pub struct PostgresStore {
    database: Arc<Database>,
    claims: Arc<Groups<Claims>>,
    words: Arc<Groups<Words>>,
    /// For calls that may have to wait in the database for chunks that somebody has locked: others keep connections.
    may_wait_for_chunks: Semaphore,
    /// The same for gates, which may take longer.
    may_wait_for_gates: Semaphore,
    activity_keep_days: u32,
    next_upkeep: Mutex<Instant>,
    expiry_mark: DueMark,
    retry_mark: DueMark,
    keys_mark: DueMark,
    settled_mark: SettledMark,
    _listener: Listener,
}

impl PostgresStore {
    /// Connects, and looks whether the schema is the one that this program knows; where there is none at all,
    /// [`PostgresOptions::create`] lays it out. The connections live on the runtime of this call, which must have I/O and
    /// last as long as the store; calls may come from any.
    ///
    /// # Errors
    /// Validation: an option out of its range, or no such URL. Database: out of reach, or another schema.
    pub async fn open(options: &PostgresOptions) -> Result<Self> {
        options.validate()?;
        let connections = Connections::open(options).await?;
        let looked = timeout(OPEN_TIMEOUT, Self::look(&connections)).await;
        let standing = looked.map_err(|_| unavailable("look at the schema: no answer"))?;
        match standing.map_err(Failure::into_error)? {
            Standing::Current => {}
            Standing::Empty if options.create => {
                migrate::migrate(&connections).await.map_err(Failure::into_error)?;
            }
            standing => return Err(migrate::not_current(standing)),
        }
        let waker = Waker::new();
        let listener = Listener::start(connections.clone(), waker.clone());
        let (call_timeout, patience) = (options.call_timeout, options.patience);
        let home = connections.home().clone();
        let database = Arc::new(Database { connections, waker, call_timeout, patience });
        Ok(Self {
            claims: Groups::new(Claims(database.clone()), patience, home.clone()),
            words: Groups::new(Words(database.clone()), patience, home),
            may_wait_for_chunks: Semaphore::new((options.max_connections / 2).max(1)),
            may_wait_for_gates: Semaphore::new((options.max_connections / 4).max(1)),
            database,
            activity_keep_days: options.activity_keep_days,
            next_upkeep: Mutex::new(Instant::now()),
            expiry_mark: DueMark::default(),
            retry_mark: DueMark::default(),
            keys_mark: DueMark::default(),
            settled_mark: SettledMark::default(),
            _listener: listener,
        })
    }

    /// Brings the schema up to date. Several may do it at once.
    ///
    /// # Errors
    /// Database: out of reach, a newer schema, somebody else's tables, or no rights to change the schema.
    pub async fn migrate(options: &PostgresOptions) -> Result<Vec<SchemaChange>> {
        let pending = Self::pending_migrations(options).await?;
        let connections = Connections::open(options).await?;
        migrate::migrate(&connections).await.map_err(Failure::into_error)?;
        Ok(pending)
    }

    /// What [`Self::migrate`] would do.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub async fn pending_migrations(options: &PostgresOptions) -> Result<Vec<SchemaChange>> {
        let connections = Connections::open(options).await?;
        migrate::pending(&connections).await.map_err(Failure::into_error)
    }

    async fn look(connections: &Connections) -> error::Tried<Standing> {
        let (client, wire) = connections.connect().await?;
        let wire = connections.home().spawn(wire);
        let standing = migrate::standing(&client).await;
        wire.abort();
        standing
    }

    /// The names of the schema's parts, a line each: what [`JobChunkRepository::verify_schema`] compares.
    ///
    /// # Errors
    /// Database.
    pub async fn schema(&self) -> Result<Vec<String>> {
        read!(self.database, |connection| verify::schema(&connection))
    }
}

/// One job whose rows were spoilt by hand must not keep the duties from all others. A database out of reach does.
fn of_one_job(job_id: JobId, error: Error) -> Result<()> {
    if error.is_unavailable() {
        return Err(error);
    }
    tracing::warn!(%job_id, %error, "a job is left alone; `ream verify --repair` counts its chunks anew");
    Ok(())
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.database.connections.close();
    }
}

#[async_trait]
impl JobChunkRepository for PostgresStore {
    async fn create_job_once(
        &self,
        new: NewCrawlJob,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>> {
        new.validate()?;
        let ids = |job: &CrawlJob| vec![job.id.get()];
        transact!(self.database, Begin::Write, |tx| {
            let again = |kept: Kept| jobs::get_in(&tx, kept.job_id());
            once::once(&tx, once, Operation::CreateJob, jobs::create(&tx, &new, actor), ids, again)
        })
    }

    async fn get_job(&self, job_id: JobId) -> Result<CrawlJob> {
        read!(self.database, |connection| jobs::get(&connection, job_id))
    }

    async fn glance_at_job(&self, job_id: JobId) -> Result<(CrawlJob, Timestamp)> {
        read!(self.database, |connection| jobs::glance(&connection, job_id))
    }

    async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
        read!(self.database, |connection| jobs::list(&connection, filter, page))
    }

    async fn apply_to_job(&self, job_id: JobId, event: JobEvent, actor: &Actor) -> Result<CrawlJob> {
        transact!(self.database, Begin::Write, |tx| async {
            tx.begin().await?;
            jobs::apply(&tx, job_id, &event, actor).await
        })
    }

    async fn delete_job(&self, job_id: JobId, actor: &Actor) -> Result<()> {
        transact!(self.database, Begin::Write, |tx| jobs::delete(&tx, job_id, actor))
    }

    async fn create_chunks_step(
        &self,
        job_id: JobId,
        max_images: u64,
        priority: Option<Priority>,
        actor: &Actor,
    ) -> Result<Creation> {
        transact!(self.database, Begin::Write, |tx| creation::create_step(
            &tx, job_id, max_images, priority, actor
        ))
    }

    async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Creation>> {
        let ids = |_: &Creation| vec![job_id.get()];
        transact!(self.database, Begin::Write, |tx| {
            let create = creation::bulk_create(&tx, job_id, &chunks, actor);
            let again = async |kept: Kept| Ok(Creation::of(&jobs::get_in(&tx, kept.job_id()).await?));
            once::once(&tx, once, Operation::BulkCreate, create, ids, again)
        })
    }

    async fn get_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        read!(self.database, |connection| chunks::get(&connection, chunk_id))
    }

    async fn list_chunks(
        &self,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        page: PageRequest,
    ) -> Result<Page<JobChunk>> {
        read!(self.database, |connection| chunks::list(&connection, job_id, status, page))
    }

    async fn next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>> {
        read!(self.database, |connection| chunks::next_pending(&connection, job_id))
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>> {
        request.validate()?;
        let (wanted, asked_at) = (Wanted::from(&request), Instant::now());
        let database = self.database.asked_at(asked_at);
        let chunks = request.limit as usize;
        let weight = if request.once.is_some() { chunks.max(WEIGHT_OF_KEY) } else { chunks };
        if let Some(answer) = self.claims.call(wanted, &request, weight, asked_at).await {
            return answer.map(|given| given.claimed);
        }
        if let Some(once) = &request.once {
            return transact!(database, Begin::Write, |tx| claim::claim_once(&tx, wanted, &request, once));
        }
        let alone = [request];
        let claimed = transact!(database, Begin::Write, |tx| claim::claim(&tx, wanted, &alone))?;
        Ok(claimed.into_iter().flatten().flatten().collect())
    }

    async fn apply(&self, events: Vec<(ChunkId, Event)>, actor: &Actor) -> Result<Vec<Result<MovedChunk>>> {
        let (call, asked_at) = (Call { events, actor: actor.clone() }, Instant::now());
        if call.is_sociable()
            && let Some(answer) = self.words.call((), &call, call.events.len(), asked_at).await
        {
            return answer;
        }
        let may_wait = if call.starts() { &self.may_wait_for_gates } else { &self.may_wait_for_chunks };
        let permit = timeout_at(asked_at + self.database.patience, may_wait.acquire()).await;
        let late = |_| unavailable("too many calls wait for chunks or gates that somebody has locked");
        let _permit = permit.map_err(late)?;
        let database = self.database.asked_at(asked_at);
        transact!(database, Begin::Write, |tx| chunks::apply(&tx, &call))
    }

    async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>> {
        let ids = |chunks: &Vec<JobChunk>| chunks.iter().map(|chunk| chunk.id.get()).collect();
        transact!(self.database, Begin::Write, |tx| {
            let create = chunks::split(&tx, chunk_id, parts, actor);
            let again = async |kept: Kept| chunks::get_all(&tx, &kept.ids).await;
            once::once(&tx, once, Operation::SplitChunk, create, ids, again)
        })
    }

    async fn expire_due(&self, limit: u32) -> Result<u64> {
        let from = self.expiry_mark.from();
        let looked = transact!(self.database, Begin::Write, |tx| duties::expire_due(&tx, limit, from))?;
        self.expiry_mark.note(from, limit, &looked);
        Ok(looked.moved)
    }

    async fn retry_due(&self, limit: u32) -> Result<u64> {
        let from = self.retry_mark.from();
        let looked = transact!(self.database, Begin::Write, |tx| duties::retry_due(&tx, limit, from))?;
        self.retry_mark.note(from, limit, &looked);
        Ok(looked.moved)
    }

    async fn cancel_overdue_jobs(&self) -> Result<u64> {
        self.add_up().await?;
        let overdue = read!(self.database, |connection| duties::overdue_jobs(&connection))?;
        let mut cancelled = 0;
        for job_id in overdue {
            match transact!(self.database, Begin::Write, |tx| duties::cancel_overdue(&tx, job_id)) {
                Ok(done) => cancelled += u64::from(done),
                Err(error) => of_one_job(job_id, error)?,
            }
        }
        Ok(cancelled)
    }

    async fn announce_ends(&self) -> Result<Vec<JobId>> {
        self.add_up().await?;
        let mut announced = Vec::new();
        for job_id in read!(self.database, |connection| duties::unannounced(&connection))? {
            match transact!(self.database, Begin::Write, |tx| duties::announce(&tx, job_id)) {
                Ok(true) => announced.push(job_id),
                Ok(false) => {}
                Err(error) => of_one_job(job_id, error)?,
            }
        }
        Ok(announced)
    }

    async fn propagate_priority_step(&self) -> Result<bool> {
        transact!(self.database, Begin::Write, |tx| duties::propagate_priority_step(&tx))
    }

    async fn purge_step(&self) -> Result<bool> {
        transact!(self.database, Begin::Write, |tx| duties::purge_step(&tx))
    }

    async fn upkeep(&self) -> Result<u64> {
        Ok(self.sweep_keys().await? + self.maintain_log().await?)
    }

    async fn list_unpublished(&self, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>> {
        read!(self.database, |connection| duties::list_unpublished(&connection, job_id, limit))
    }

    async fn mark_published(&self, chunk: &JobChunk) -> Result<()> {
        read!(self.database, |connection| duties::mark_published(&connection, chunk))
    }

    async fn list_unfinished_datasets(
        &self,
        waiting_for: Duration,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<JobId>> {
        read!(self.database, |connection| {
            duties::list_unfinished_datasets(&connection, waiting_for, after, limit)
        })
    }

    async fn mark_dataset_finished(&self, job: &CrawlJob) -> Result<bool> {
        read!(self.database, |connection| duties::mark_dataset_finished(&connection, job))
    }

    async fn verify_job(&self, job_id: JobId) -> Result<JobVerdict> {
        transact!(self.database, Begin::Snapshot, |tx| verify::verify_job(&tx, job_id))
    }

    async fn repair_counters(&self, job_id: JobId, actor: &Actor) -> Result<CrawlJob> {
        transact!(self.database, Begin::LongWrite, |tx| verify::repair_counters(&tx, job_id, actor))
    }

    async fn verify_schema(&self) -> Result<Vec<String>> {
        read!(self.database, |connection| verify::verify_schema(&connection))
    }

    async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
        read!(self.database, |connection| activity::list(&connection, &filter, page))
    }

    async fn now(&self) -> Result<Timestamp> {
        read!(self.database, |connection| clock::now(&connection))
    }

    fn wake_ups(&self) -> WakeUps {
        self.database.waker.wake_ups()
    }
}

#[async_trait]
impl TokenRepository for PostgresStore {
    async fn create_token(&self, new: NewToken, actor: &Actor) -> Result<Token> {
        new.validate()?;
        transact!(self.database, Begin::Write, |tx| tokens::create(&tx, &new, actor))
    }

    async fn list_tokens(&self, page: PageRequest) -> Result<Page<Token>> {
        read!(self.database, |connection| tokens::list(&connection, page))
    }

    async fn revoke_token(&self, token_id: TokenId, actor: &Actor) -> Result<Token> {
        read!(self.database, |connection| tokens::revoke(&connection, token_id, actor))
    }

    async fn find_token(&self, token_id: TokenId) -> Result<Option<StoredToken>> {
        read!(self.database, |connection| tokens::find(&connection, token_id))
    }

    async fn any_tokens(&self) -> Result<bool> {
        read!(self.database, |connection| tokens::any(&connection))
    }
}

impl PostgresStore {
    /// Removes some keys that have expired. Answers how many.
    async fn sweep_keys(&self) -> Result<u64> {
        let from = self.keys_mark.from();
        let looked = read!(self.database, |connection| once::sweep_step(&connection, from))?;
        self.keys_mark.note(from, SWEEP_ROWS, &looked);
        Ok(looked.moved)
    }

    /// Makes room in the activity log, from time to time. Answers how many partitions were made or dropped.
    async fn maintain_log(&self) -> Result<u64> {
        {
            let mut next = self.next_upkeep.lock().unwrap_or_else(PoisonError::into_inner);
            if *next > Instant::now() {
                return Ok(0);
            }
            *next = Instant::now() + UPKEEP_INTERVAL;
        }
        let done =
            read!(self.database, |connection| duties::maintain_log(&connection, self.activity_keep_days))?;
        if done.is_none() {
            let mut next = self.next_upkeep.lock().unwrap_or_else(PoisonError::into_inner);
            *next = Instant::now() + UPKEEP_RETRY;
        }
        Ok(done.unwrap_or_default())
    }

    /// Brings the rows of jobs up to what their deltas say.
    async fn add_up(&self) -> Result<()> {
        let since = self.settled_mark.since();
        let (settled, moved) = read!(self.database, |connection| duties::moved_jobs(&connection, &since))?;
        let mut all = true;
        for job_id in moved {
            match transact!(self.database, Begin::Write, |tx| duties::add_up(&tx, job_id)) {
                Ok(done) => all &= done,
                Err(error) => {
                    all = false;
                    of_one_job(job_id, error)?;
                }
            }
        }
        if all {
            self.settled_mark.note(settled);
        }
        Ok(())
    }
}
