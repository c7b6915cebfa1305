//! A store behind a server. What is asked of it goes over HTTP, under a token of each actor's name; what only a process on
//! the database itself does goes there.

use async_trait::async_trait;
use ream_client::{AccessToken, ClientOptions, RemoteRepository};
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::{
    Activity, ChunkId, CrawlJob, JobChunk, JobChunkStatus, JobId, Priority, Result, Role, Timestamp,
};
use ream_server::{Server, ServerConfig};
use ream_store::{
    ActivityFilter, Actor, Answered, ClaimRequest, ClaimedChunk, Creation, JobChunkRepository, JobFilter,
    JobVerdict, MovedChunk, NewChunk, Once, Page, PageRequest, Store, WakeUps,
};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};

pub(crate) struct ThroughHttp {
    store: Arc<dyn Store>,
    url: String,
    clients: Mutex<HashMap<String, Arc<RemoteRepository>>>,
    _stop: oneshot::Sender<()>,
}

impl ThroughHttp {
    pub(crate) async fn to(store: Arc<dyn Store>) -> Self {
        let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        // The facts say themselves when a duty does what.
        let server = Server::bind(store.clone(), config).await.unwrap().without_duties();
        let url = format!("http://{}", server.address());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { store, url, clients: Mutex::default(), _stop: stop }
    }

    /// The client of this actor, whose keys are told apart from those of other owners.
    async fn as_actor(&self, actor: &str) -> Arc<RemoteRepository> {
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(actor) {
            return client.clone();
        }
        // Another handle on the same database may have made the actor's token: then it is told apart by a name of its own.
        let secret_sha256 = Sha256::digest([7; 32]).into();
        let new = |name: &str| ream_store::NewToken {
            name: name.to_owned(),
            role: Role::Admin,
            expires_in_s: None,
            secret_sha256,
        };
        let token = match self.store.create_token(new(actor), &Actor::operator()).await {
            Ok(token) => token,
            Err(_) => {
                let tokens = self.store.list_tokens(PageRequest::largest()).await.unwrap().items;
                tokens.into_iter().find(|token| token.name == actor).unwrap()
            }
        };
        let mut options = ClientOptions::new(self.url.parse().unwrap());
        options.token = Some(AccessToken::new(format!("ream_{}_{}", token.id, "07".repeat(32))).unwrap());
        let client = Arc::new(RemoteRepository::connect(&options).unwrap());
        clients.insert(actor.to_owned(), client.clone());
        client
    }

    async fn reader(&self) -> Arc<RemoteRepository> {
        self.as_actor("reader").await
    }
}

/// So many are surely created in one step.
const ONE_STEP_IMAGES: u64 = 50_000;

/// Who can be a token's name.
fn is_name(actor: &str) -> bool {
    actor.len() <= 100 && actor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What no route does.
fn is_internal(event: &Event) -> bool {
    matches!(event, Event::Dispatch { .. } | Event::RetryByPolicy | Event::Expire | Event::Claim { .. })
}

/// Whose key it is: over HTTP, the token's.
fn owner<'a>(once: Option<&'a Once>, actor: &'a Actor) -> &'a str {
    once.map_or(actor.as_str(), Once::owner)
}

#[async_trait]
impl JobChunkRepository for ThroughHttp {
    async fn create_job_once(
        &self,
        new: NewCrawlJob,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<CrawlJob>> {
        // A dataset is a place below the server's own storage, and a recipe is a dataset's.
        let is_of_dataset = new.image_list.is_some() || new.dataset.is_some() || new.recipe.is_some();
        if is_of_dataset || !is_name(actor.as_str()) {
            return self.store.create_job_once(new, actor, once).await;
        }
        self.as_actor(owner(once, actor)).await.create_job_once(new, actor, once).await
    }

    async fn get_job(&self, job_id: JobId) -> Result<CrawlJob> {
        self.reader().await.get_job(job_id).await
    }

    async fn glance_at_job(&self, job_id: JobId) -> Result<(CrawlJob, Timestamp)> {
        self.reader().await.glance_at_job(job_id).await
    }

    async fn list_jobs(&self, filter: JobFilter, page: PageRequest) -> Result<Page<CrawlJob>> {
        self.reader().await.list_jobs(filter, page).await
    }

    async fn apply_to_job(&self, job_id: JobId, event: JobEvent, actor: &Actor) -> Result<CrawlJob> {
        match event {
            JobEvent::TakeImageList { .. } => self.store.apply_to_job(job_id, event, actor).await,
            // A server lets the chunks follow in the same call; the facts look at what is between.
            JobEvent::Update(JobChanges { priority: Some(_), .. }) => {
                self.store.apply_to_job(job_id, event, actor).await
            }
            event if !is_name(actor.as_str()) => self.store.apply_to_job(job_id, event, actor).await,
            event => self.as_actor(actor.as_str()).await.apply_to_job(job_id, event, actor).await,
        }
    }

    async fn delete_job(&self, job_id: JobId, actor: &Actor) -> Result<()> {
        self.as_actor(actor.as_str()).await.delete_job(job_id, actor).await
    }

    async fn create_chunks_step(
        &self,
        job_id: JobId,
        max_images: u64,
        priority: Option<Priority>,
        actor: &Actor,
    ) -> Result<Creation> {
        if max_images > ONE_STEP_IMAGES {
            // A server takes all steps in one call; the facts look at what is between.
            return self.store.create_chunks_step(job_id, max_images, priority, actor).await;
        }
        self.as_actor(actor.as_str()).await.create_chunks_step(job_id, max_images, priority, actor).await
    }

    async fn bulk_create_once(
        &self,
        job_id: JobId,
        chunks: Vec<NewChunk>,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Creation>> {
        self.as_actor(owner(once, actor)).await.bulk_create_once(job_id, chunks, actor, once).await
    }

    async fn get_chunk(&self, chunk_id: ChunkId) -> Result<JobChunk> {
        self.reader().await.get_chunk(chunk_id).await
    }

    async fn list_chunks(
        &self,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        page: PageRequest,
    ) -> Result<Page<JobChunk>> {
        self.reader().await.list_chunks(job_id, status, page).await
    }

    async fn next_pending_chunk(&self, job_id: JobId) -> Result<Option<JobChunk>> {
        self.reader().await.next_pending_chunk(job_id).await
    }

    async fn claim(&self, request: ClaimRequest) -> Result<Vec<ClaimedChunk>> {
        let actor = request.actor();
        if !is_name(actor.as_str()) {
            return self.store.claim(request).await;
        }
        self.as_actor(owner(request.once.clone().as_ref(), &actor)).await.claim(request).await
    }

    async fn apply(&self, events: Vec<(ChunkId, Event)>, actor: &Actor) -> Result<Vec<Result<MovedChunk>>> {
        if events.iter().any(|(_, event)| is_internal(event)) || !is_name(actor.as_str()) {
            return self.store.apply(events, actor).await;
        }
        self.as_actor(actor.as_str()).await.apply(events, actor).await
    }

    async fn split_chunk_once(
        &self,
        chunk_id: ChunkId,
        parts: u64,
        actor: &Actor,
        once: Option<&Once>,
    ) -> Result<Answered<Vec<JobChunk>>> {
        self.as_actor(owner(once, actor)).await.split_chunk_once(chunk_id, parts, actor, once).await
    }

    async fn expire_due(&self, limit: u32) -> Result<u64> {
        self.store.expire_due(limit).await
    }

    async fn retry_due(&self, limit: u32) -> Result<u64> {
        self.store.retry_due(limit).await
    }

    async fn cancel_overdue_jobs(&self) -> Result<u64> {
        self.store.cancel_overdue_jobs().await
    }

    async fn announce_ends(&self) -> Result<Vec<JobId>> {
        self.store.announce_ends().await
    }

    async fn propagate_priority_step(&self) -> Result<bool> {
        self.store.propagate_priority_step().await
    }

    async fn purge_step(&self) -> Result<bool> {
        self.store.purge_step().await
    }

    async fn upkeep(&self) -> Result<u64> {
        self.store.upkeep().await
    }

    async fn list_unpublished(&self, job_id: JobId, limit: u32) -> Result<Vec<JobChunk>> {
        self.reader().await.list_unpublished(job_id, limit).await
    }

    async fn mark_published(&self, chunk: &JobChunk) -> Result<()> {
        self.reader().await.mark_published(chunk).await
    }

    async fn list_unfinished_datasets(
        &self,
        waiting_for: Duration,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<JobId>> {
        self.store.list_unfinished_datasets(waiting_for, after, limit).await
    }

    async fn mark_dataset_finished(&self, job: &CrawlJob) -> Result<bool> {
        self.store.mark_dataset_finished(job).await
    }

    async fn verify_job(&self, job_id: JobId) -> Result<JobVerdict> {
        self.reader().await.verify_job(job_id).await
    }

    async fn repair_counters(&self, job_id: JobId, actor: &Actor) -> Result<CrawlJob> {
        self.as_actor(actor.as_str()).await.repair_counters(job_id, actor).await
    }

    async fn verify_schema(&self) -> Result<Vec<String>> {
        self.reader().await.verify_schema().await
    }

    async fn list_activity(&self, filter: ActivityFilter, page: PageRequest) -> Result<Page<Activity>> {
        self.reader().await.list_activity(filter, page).await
    }

    async fn now(&self) -> Result<Timestamp> {
        self.reader().await.now().await
    }

    fn wake_ups(&self) -> WakeUps {
        self.store.wake_ups()
    }
}
