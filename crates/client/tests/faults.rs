//! Faults between client and server: what was asked happens once, and is heard.
#![allow(clippy::unwrap_used)]

#[path = "../../store/tests/sqlite_kit/mod.rs"]
mod sqlite_kit;

use ream_client::{ClientOptions, RemoteRepository};
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::{ChunkId, Error, JobChunkStatus, JobId, TaskId};
use ream_server::{Server, ServerConfig};
use ream_store::{Actor, ClaimRequest, JobChunkRepository, JobFilter, PageRequest, Store};
use ream_test_servers::{Direction, Ending, FaultProxy};
use sqlite_kit::TestFile;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    port: u16,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<usize>,
}

async fn serve(store: Arc<dyn Store>) -> Running {
    let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
    let server = Server::bind(store, config).await.unwrap().without_duties();
    let port = server.address().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    Running { port, stop, ended }
}

impl Running {
    async fn end(self) {
        drop(self.stop);
        self.ended.await.unwrap();
    }
}

fn client(servers: &str) -> RemoteRepository {
    let mut options = ClientOptions::new(servers.parse().unwrap());
    options.patience = PATIENCE;
    RemoteRepository::connect(&options).unwrap()
}

struct Scene {
    _file: TestFile,
    store: Arc<dyn Store>,
    _server: Running,
    proxy: FaultProxy,
    client: RemoteRepository,
}

impl Scene {
    async fn new() -> Self {
        let file = TestFile::new();
        let store: Arc<dyn Store> = Arc::new(file.open());
        let server = serve(store.clone()).await;
        let proxy = FaultProxy::start(server.port).unwrap();
        let client = client(&format!("http://127.0.0.1:{}", proxy.port()));
        Self { _file: file, store, _server: server, proxy, client }
    }

    /// A job with so many chunks of five images.
    async fn job(&self, chunks: u64) -> JobId {
        let new = NewCrawlJob { chunk_size: 5, ..NewCrawlJob::named("job") };
        let job = self.store.create_job(new, &Actor::operator()).await.unwrap();
        self.store.create_chunks_step(job.id, chunks * 5, None, &Actor::operator()).await.unwrap();
        job.id
    }
}

fn claim(limit: u32) -> ClaimRequest {
    ClaimRequest::new(TaskId::new("worker").unwrap(), limit)
}

#[tokio::test]
async fn a_claim_whose_answer_was_cut_gets_the_same_chunks() {
    let scene = Scene::new().await;
    let job = scene.job(10).await;
    // The answer's head comes, and a part of its body.
    for (bytes, ending) in [(1, Ending::Reset), (400, Ending::Close)] {
        scene.proxy.cut_after(Direction::ToClient, bytes, ending);
        let claimed = scene.client.claim(claim(2)).await.unwrap();
        assert!(!scene.proxy.is_cut_pending(Direction::ToClient));
        assert_eq!(claimed.len(), 2);
        assert!(claimed.iter().all(|claimed| claimed.chunk.attempt.get() == 1));
    }
    let processing = Some(JobChunkStatus::Processing);
    let held = scene.store.list_chunks(job, processing, PageRequest::largest()).await.unwrap();
    assert_eq!(held.items.len(), 4, "no chunk was taken by an answer that nobody heard");
}

#[tokio::test]
async fn jobs_are_created_once_each_wherever_the_connection_is_cut() {
    let scene = Scene::new().await;
    let random = fastrand::Rng::with_seed(7);
    let mut random = random;
    for number in 0..40 {
        // Requests have some 600 bytes, answers some 1,100.
        let (direction, bytes) = match random.bool() {
            true => (Direction::ToServer, random.u64(1..600)),
            false => (Direction::ToClient, random.u64(1..1_100)),
        };
        let ending = if random.bool() { Ending::Reset } else { Ending::Close };
        scene.proxy.cut_after(direction, bytes, ending);
        let name = format!("job-{number}");
        let job = scene.client.create_job(NewCrawlJob::named(&name), &Actor::operator()).await.unwrap();
        assert_eq!(job.name, name);
    }
    let jobs = scene.store.list_jobs(JobFilter::default(), PageRequest::largest()).await.unwrap();
    let mut names: Vec<_> = jobs.items.into_iter().map(|job| job.name).collect();
    names.sort();
    names.dedup_by(|a, b| a == b && panic!("{a} was created twice"));
    assert_eq!(names.len(), 40);
}

#[tokio::test]
async fn completions_count_once_wherever_the_connection_is_cut() {
    let scene = Scene::new().await;
    let job = scene.job(30).await;
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..30 {
        let claimed = scene.client.claim(claim(1)).await.unwrap().remove(0).chunk;
        let (direction, most) =
            if random.bool() { (Direction::ToServer, 400) } else { (Direction::ToClient, 900) };
        scene.proxy.cut_after(direction, random.u64(1..most), Ending::Reset);
        let complete = Event::Complete { attempt: Some(claimed.attempt), outcome: None };
        let answers = scene.client.apply(vec![(claimed.id, complete)], &Actor::operator()).await.unwrap();
        assert!(answers[0].is_ok(), "{:?}", answers[0]);
    }
    let verdict = scene.store.verify_job(job).await.unwrap();
    assert!(verdict.is_sound(), "{verdict:?}");
    assert_eq!(scene.store.get_job(job).await.unwrap().counters.completed_chunks, 30);
}

#[tokio::test]
async fn what_would_be_done_twice_is_not_sent_twice() {
    let scene = Scene::new().await;
    let job = scene.job(1).await;
    let chunk = scene.store.next_pending_chunk(job).await.unwrap().unwrap();
    scene.proxy.cut_after(Direction::ToClient, 1, Ending::Reset);
    let start = |chunk_id: ChunkId| vec![(chunk_id, Event::Start { task_id: None })];
    let answers = scene.client.apply(start(chunk.id), &Actor::operator()).await.unwrap();
    // Whether it was done is not known: that is what the caller is told, and not that somebody else has it.
    assert!(matches!(answers[0], Err(Error::Database { .. })), "{:?}", answers[0]);
    assert_eq!(scene.store.get_chunk(chunk.id).await.unwrap().attempt.get(), 1);
}

#[tokio::test]
async fn a_stalled_connection_delays_a_call_and_loses_nothing() {
    let scene = Scene::new().await;
    scene.job(3).await;
    let passed = scene.proxy.passed(Direction::ToServer);
    scene.proxy.stall(Direction::ToClient);
    let client = Arc::new(scene.client);
    let asked = client.clone();
    let call = tokio::spawn(async move { asked.claim(claim(1)).await });
    // The request is through, and its answer is held.
    while scene.proxy.passed(Direction::ToServer) == passed {
        tokio::task::yield_now().await;
    }
    assert!(!call.is_finished());
    scene.proxy.resume();
    assert_eq!(call.await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let scene = Scene::new().await;
    scene.proxy.refuse();
    let client = Arc::new(scene.client);
    let asked = client.clone();
    let call = tokio::spawn(async move { asked.now().await });
    tokio::task::yield_now().await;
    scene.proxy.accept().unwrap();
    call.await.unwrap().unwrap();
}

#[tokio::test]
async fn with_one_of_two_servers_gone_calls_go_on() {
    let file = TestFile::new();
    let store: Arc<dyn Store> = Arc::new(file.open());
    let (first, second) = (serve(store.clone()).await, serve(store.clone()).await);
    let client = client(&format!("http://127.0.0.1:{},http://127.0.0.1:{}", first.port, second.port));
    let create = |name: &str| NewCrawlJob::named(name);
    client.create_job(create("both"), &Actor::operator()).await.unwrap();
    first.end().await;
    client.create_job(create("one"), &Actor::operator()).await.unwrap();
    client.now().await.unwrap();
    let jobs = store.list_jobs(JobFilter::default(), PageRequest::largest()).await.unwrap();
    assert_eq!(jobs.items.len(), 2);
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_costs_no_lease_where_another_one_answers() {
    let scene = Scene::new().await;
    let other = serve(scene.store.clone()).await;
    let job_id = scene.job(1).await;
    let servers = format!("http://127.0.0.1:{},http://127.0.0.1:{}", scene.proxy.port(), other.port);
    let client = client(&servers);
    let claimed = client.claim(claim(1)).await.unwrap().remove(0);
    scene.proxy.stall_both();
    let beat = Event::Heartbeat { attempt: claimed.chunk.attempt, progress: None };
    let lease = Duration::from_millis(claimed.lease_duration_ms.unsigned_abs());
    let actor = Actor::operator();
    let beating = client.apply(vec![(claimed.chunk.id, beat.clone())], &actor);
    let answers = tokio::time::timeout(lease, beating).await.expect("the lease would be over").unwrap();
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    // Whoever gave up before the next server was asked leaves that to the next call.
    let hasty = client.apply(vec![(claimed.chunk.id, beat)], &actor);
    tokio::time::timeout(Duration::from_secs(1), hasty)
        .await
        .expect("the one that answers is asked first")
        .unwrap();
    assert_eq!(scene.store.get_job(job_id).await.unwrap().counters.active_chunks, 1);
    other.end().await;
}
