//! The repository of a server.

use crate::http::{Ask, Sent, Servers};
use crate::moves;
use crate::options::ClientOptions;
use async_trait::async_trait;
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::{
    Activity, ChunkId, CrawlJob, DatabaseFault, Error, JobChunk, JobChunkStatus, JobId, Priority, Result,
    Timestamp,
};
use ream_store::{
    ActivityFilter, Actor, Answered, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter,
    JobVerdict, MovedChunk, NewChunk, Once, Page, PageRequest, WakeUps,
};
use ream_wire::chunks::{OfAttempt, Split};
use ream_wire::claims::Claim;
use ream_wire::jobs::{Cancel, CreatedChunks, JobPatch, JobRead, ListTaken, NewChunks, NewJob};
use ream_wire::page::Items;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;

/// What a server has, asked over HTTP. Who acts is told by the token, whatever actor is named; maintenance is the server's own
/// to do, so there is none to be done through it.
pub struct RemoteRepository {
    servers: Servers,
    /// Nobody wakes from afar: claims wait at the server.
    wake_ups: watch::Sender<u64>,
}

impl RemoteRepository {
    /// A repository at these servers. Connects when it is first asked.
    ///
    /// # Errors
    /// Database: the system gives no thread, or TLS cannot be prepared.
    pub fn connect(options: &ClientOptions) -> Result<Self> {
        Ok(Self { servers: Servers::new(options)?, wake_ups: watch::Sender::new(0) })
    }

    /// Sends a job's image list, a file of the kind that `name` says. The same list again changes nothing. `sent` hears how many
    /// bytes have gone; then the server takes it in, which may take as long again.
    ///
    /// # Errors
    /// Validation: a list that cannot be read, or has no good row. Not found. Conflict: the job has another list, chunks without
    /// one, or no dataset. Database: also where the server has no room.
    pub async fn send_list(
        &self,
        job_id: JobId,
        list: &Path,
        columns: &ListColumns,
        sent: impl Fn(u64) + Send + Sync + 'static,
    ) -> Result<ListTaken> {
        let name = list.file_name().map(|name| name.to_string_lossy().into_owned());
        let query = Query::new(format!("/v1/jobs/{job_id}/images"))
            .with("name", name)
            .with("url_col", columns.url.as_ref())
            .with("caption_col", columns.caption.as_ref())
            .with("keep_cols", columns.keep.as_ref())
            .with("sha256_col", columns.sha256.as_ref());
        let ask = Ask::post(query.finish()).file(list.to_owned(), Sent(Arc::new(sent))).long();
        self.servers.read(ask).await
    }

    async fn page<T: DeserializeOwned + Send + 'static>(&self, path: String) -> Result<Page<T>> {
        let page: ream_wire::Page<T> = self.servers.read(Ask::get(path)).await?;
        let next = page.next.map(|cursor| cursor.parse()).transpose()?;
        Ok(Page { items: page.items, next })
    }
}

/// Which columns of a list to use, as the command line names them; what is left out is as the server has it by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListColumns {
    /// With the URL.
    pub url: Option<String>,
    /// With the caption.
    pub caption: Option<String>,
    /// That go through to the output, with commas; `all` for every other one.
    pub keep: Option<String>,
    /// With the SHA-256 that the file must have.
    pub sha256: Option<String>,
}

/// A query, field by field.
struct Query(String, url::form_urlencoded::Serializer<'static, String>);

impl Query {
    fn new(path: impl Into<String>) -> Self {
        Self(path.into(), url::form_urlencoded::Serializer::new(String::new()))
    }

    fn of_page(path: impl Into<String>, page: PageRequest) -> Self {
        let query = Self::new(path).with("limit", Some(page.limit()));
        query.with("cursor", page.cursor())
    }

    fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.1.append_pair(name, &value.to_string());
        }
        self
    }

    fn finish(mut self) -> String {
        format!("{}?{}", self.0, self.1.finish())
    }
}

fn created(created: &CreatedChunks) -> Creation {
    Creation {
        total_chunks: created.total_chunks,
        stored_chunks: created.total_chunks,
        done: true,
        created: created.created,
    }
}

fn signed(field: &str, number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|_| Error::invalid(field, number, format!("at most {}", i64::MAX)))
}

#[async_trait]
impl JobChunkRepository for RemoteRepository {
    async fn create_job_once(
        &self,
        new: NewCrawlJob,
        _: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>> {
        new.validate()?;
        if new.image_list.is_some() {
            let allowed = "none: a list is sent to the server after the job is created";
            return Err(Error::invalid("image_list", "a place that the server may not know", allowed));
        }
        let body = NewJob {
            executor: Some(new.executor().to_string()),
            max_images: new.max_images.map(|images| signed("max_images", images)).transpose()?,
            priority: Some(new.priority.get()),
            chunk_size: Some(signed("chunk_size", new.chunk_size)?),
            policy: Some(new.policy.into()),
            name: new.name,
            dataset: new.dataset,
            recipe: new.recipe,
        };
        let ask = Ask::post("/v1/jobs").json(&body)?.keyed(once.map(Once::key));
        let answer = self.servers.ask::<CrawlJob>(ask).await?;
        Ok(Answered { repeated: answer.is_of_earlier_call(), answer: answer.value })
    }

    async fn get_job(&self, job_id: JobId) -> Result<CrawlJob> {
        let read: JobRead = self.servers.read(Ask::get(format!("/v1/jobs/{job_id}"))).await?;
        read.job.try_into()
    }

    async fn glance_at_job(&self, job_id: JobId) -> Result<(CrawlJob, Timestamp)> {
        let read: JobRead = self.servers.read(Ask::get(format!("/v1/jobs/{job_id}?task_ids=false"))).await?;
        Ok((read.job.try_into()?, read.read_at))
    }

    async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
        self.page(Query::of_page("/v1/jobs", page).with("status", filter.status).finish()).await
    }

    async fn apply_to_job(&self, job_id: JobId, event: JobEvent, _: &Actor) -> Result<CrawlJob> {
        event.validate()?;
        let at = |verb: &str| format!("/v1/jobs/{job_id}/{verb}");
        let ask = match event {
            JobEvent::Update(JobChanges { name, max_images, priority, policy }) => {
                let body = JobPatch {
                    name,
                    max_images: max_images.map(|images| signed("max_images", images)).transpose()?,
                    priority: priority.map(Priority::get),
                    policy,
                };
                Ask::patch(format!("/v1/jobs/{job_id}")).json(&body)?.long()
            }
            JobEvent::Pause => Ask::post(at("pause")),
            JobEvent::Resume => Ask::post(at("resume")),
            JobEvent::Cancel { reason } => Ask::post(at("cancel")).json(&Cancel { reason })?,
            JobEvent::TakeImageList { .. } => {
                let message =
                    "an image list is sent to the server, which says itself where it lies".to_owned();
                return Err(Error::Database { fault: DatabaseFault::Constraint, message });
            }
        };
        self.servers.read(ask).await
    }

    async fn delete_job(&self, job_id: JobId, _: &Actor) -> Result<()> {
        self.servers.read::<()>(Ask::delete(format!("/v1/jobs/{job_id}"))).await
    }

    async fn create_chunks_step(
        &self,
        job_id: JobId,
        max_images: u64,
        priority: Option<Priority>,
        _: &Actor,
    ) -> Result<Creation> {
        let body = NewChunks {
            max_images: Some(signed("max_images", max_images)?),
            priority: priority.map(Priority::get),
            chunks: None,
        };
        let ask = Ask::post(format!("/v1/jobs/{job_id}/chunks")).json(&body)?.long();
        Ok(created(&self.servers.read(ask).await?))
    }

    async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        _: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Creation>> {
        let chunk = |chunk: NewChunk| ream_wire::jobs::NewChunk {
            chunk_index: chunk.chunk_index,
            image_range: chunk.image_range,
            priority: chunk.priority.map(Priority::get),
        };
        let chunks = Some(chunks.into_iter().map(chunk).collect());
        let body = NewChunks { chunks, ..NewChunks::default() };
        let ask =
            Ask::post(format!("/v1/jobs/{job_id}/chunks")).json(&body)?.keyed(once.map(Once::key)).long();
        let answer = self.servers.ask::<CreatedChunks>(ask).await?;
        let repeated = answer.is_of_earlier_call();
        let mut answer = created(&answer.value);
        answer.created = !repeated;
        Ok(Answered { answer, repeated })
    }

    async fn get_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        self.servers.read(Ask::get(format!("/v1/chunks/{chunk_id}"))).await
    }

    async fn list_chunks(
        &self,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        page: PageRequest,
    ) -> Result<Page<JobChunk>> {
        let path = format!("/v1/jobs/{job_id}/chunks");
        self.page(Query::of_page(path, page).with("status", status).finish()).await
    }

    async fn next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>> {
        self.servers.read(Ask::get(format!("/v1/jobs/{job_id}/chunks/next"))).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>> {
        request.validate()?;
        let wait = request.wait.as_secs_f64().min(Claim::MAX_WAIT_S);
        let body = Claim {
            worker: request.worker.into(),
            job_id: request.job_id.map(JobId::get),
            executor: request.executor.map(|executor| executor.to_string()),
            limit: request.limit.into(),
            wait_s: wait,
        };
        let key = request.once.as_ref().map(Once::key);
        let ask = Ask::post("/v1/claims").json(&body)?.keyed(key).waiting(request.wait);
        let claimed: Items<ream_wire::claims::ClaimedChunk> = self.servers.read(ask).await?;
        let taken = |claimed: ream_wire::claims::ClaimedChunk| {
            Ok(ClaimedChunk {
                chunk: claimed.chunk.try_into()?,
                lease_duration_ms: claimed.lease_duration_ms,
                heartbeat_interval_ms: claimed.heartbeat_interval_ms,
                chunk_timeout_ms: claimed.chunk_timeout_ms,
            })
        };
        claimed.items.into_iter().map(taken).collect()
    }

    async fn apply(&self, events: Vec<(ChunkId, Event)>, _: &Actor) -> Result<Vec<Result<MovedChunk>>> {
        moves::apply(&self.servers, events).await
    }

    async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        _: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>> {
        let body = Split { parts: signed("parts", parts)? };
        let ask = Ask::post(format!("/v1/chunks/{chunk_id}/split")).json(&body)?.keyed(once.map(Once::key));
        let answer = self.servers.ask::<Items<JobChunk>>(ask).await?;
        Ok(Answered { repeated: answer.is_of_earlier_call(), answer: answer.value.items })
    }

    async fn expire_due(&self, _: u32) -> Result<u64> {
        Ok(0)
    }

    async fn retry_due(&self, _: u32) -> Result<u64> {
        Ok(0)
    }

    async fn cancel_overdue_jobs(&self) -> Result<u64> {
        Ok(0)
    }

    async fn announce_ends(&self) -> Result<Vec<JobId>> {
        Ok(Vec::new())
    }

    async fn propagate_priority_step(&self) -> Result<bool> {
        Ok(false)
    }

    async fn purge_step(&self) -> Result<bool> {
        Ok(false)
    }

    async fn upkeep(&self) -> Result<u64> {
        Ok(0)
    }

    async fn list_unpublished(&self, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>> {
        let path = format!("/v1/jobs/{job_id}/chunks?unpublished=true&limit={limit}");
        Ok(self.page(path).await?.items)
    }

    async fn mark_published(&self, chunk: &JobChunk) -> Result<()> {
        let path = format!("/v1/chunks/{}/published", chunk.id);
        let ask = Ask::post(path).json(&OfAttempt { attempt: chunk.attempt })?;
        self.servers.read::<()>(ask).await
    }

    async fn verify_job(&self, job_id: JobId) -> Result<JobVerdict> {
        self.servers.read(Ask::post(format!("/v1/jobs/{job_id}/verify")).long()).await
    }

    async fn repair_counters(&self, job_id: JobId, _: &Actor) -> Result<CrawlJob> {
        self.servers.read(Ask::post(format!("/v1/jobs/{job_id}/repair")).long()).await
    }

    async fn verify_schema(&self) -> Result<Vec<String>> {
        self.servers.read(Ask::get("/v1/schema")).await
    }

    async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
        let query = Query::of_page("/v1/activity", page)
            .with("job_id", filter.job_id)
            .with("chunk_id", filter.chunk_id)
            .with("actor", filter.actor)
            .with("action", filter.action);
        self.page(query.finish()).await
    }

    async fn now(&self) -> Result<Timestamp> {
        #[derive(Deserialize)]
        struct Ready {
            now: Timestamp,
        }
        Ok(self.servers.read::<Ready>(Ask::get("/readyz")).await?.now)
    }

    fn wake_ups(&self) -> WakeUps {
        self.wake_ups.subscribe()
    }
}
