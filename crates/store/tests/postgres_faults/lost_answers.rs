//! Requests and answers that are lost, wherever in a call the connection breaks.

use crate::postgres_kit::TestDatabase;
use crate::scene::{
    actor, check_rules, claim, complete, job_with, logged, long_leases, number, proxied, random, until,
};
use ream_core::job_event::NewCrawlJob;
use ream_core::{JobChunkStatus, JobId};
use ream_store::{JobChunkRepository, PostgresStore};
use ream_test_servers::{Direction, Ending, FaultProxy};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Bytes between two cuts: fewer than any answer to a statement has, so that a cut comes between any two of them.
const STRIDE: u64 = 13;
/// So many last bytes of an answer, those of the commit and of a wake-up, are cut at one by one.
const END: u64 = 45;

/// A store behind a proxy, with one connection.
struct Scene {
    db: TestDatabase,
    proxy: FaultProxy,
    store: PostgresStore,
    /// Who is not disturbed.
    direct: PostgresStore,
}

impl Scene {
    async fn new() -> Self {
        let db = TestDatabase::new().await;
        let direct = db.open().await;
        let (proxy, options) = proxied(&db, 1);
        let store = PostgresStore::open(&options).await.unwrap();
        Self { db, proxy, store, direct }
    }

    /// How many bytes an undisturbed call takes each way.
    async fn measure(&self, call: &impl AsyncFn(u64)) -> [u64; 2] {
        let passed = || [Direction::ToServer, Direction::ToClient].map(|way| self.proxy.passed(way));
        // Its statements are prepared by the first.
        call(0).await;
        // What its listener says is no part of a call.
        let listeners = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        until("both stores to listen", async || {
            let listening = number(self.db.client(), listeners).await >= 2;
            (listening && self.proxy.open() == 2).then_some(())
        })
        .await;
        let before = passed();
        call(1).await;
        let after = passed();
        [after[0] - before[0], after[1] - before[1]]
    }

    /// Makes the call again and again, cut at all points of it in turn; `check` looks whether it was done exactly once.
    async fn sweep(&self, call: impl AsyncFn(u64)) {
        let mut random = random();
        let [to_server, to_client] = self.measure(&call).await;
        let mut n = 2;
        let mut cuts = 0;
        for (way, bytes, end) in
            [(Direction::ToServer, to_server, 0), (Direction::ToClient, to_client, to_client.min(END))]
        {
            let first = random.u64(..STRIDE);
            let early = (first..bytes - end).step_by(STRIDE as usize);
            for offset in early.chain(bytes - end..=bytes) {
                // The connection is a new one after each cut: its statements are prepared by a call that nobody disturbs.
                call(n).await;
                let ending = if random.bool() { Ending::Reset } else { Ending::Close };
                self.proxy.cut_after(way, offset, ending);
                call(n + 1).await;
                cuts += u64::from(!self.proxy.is_cut_pending(way));
                self.proxy.pass().unwrap();
                n += 2;
            }
        }
        println!("{to_server} bytes to the server, {to_client} to the client, {cuts} cuts");
        // Those after the last byte come too late.
        assert!(cuts * 2 > (n - 2) / 2, "only {cuts} of {} calls were cut", (n - 2) / 2);
    }

    async fn job(&self) -> JobId {
        job_with(&self.direct, 2_000, long_leases()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_cut_anywhere_answers_what_holds_and_takes_no_chunk_for_nobody() {
    let scene = Scene::new().await;
    let job_id = scene.job().await;
    let held = Mutex::new(BTreeSet::new());
    scene
        .sweep(async |_| {
            // Not always the next one: the server may not have noticed yet that a claim before this one was cut off.
            let claimed = claim(&scene.store, job_id, "worker", 1).await.remove(0).chunk;
            assert!(held.lock().unwrap().insert(claimed.id), "chunk {} is held already", claimed.id);
            assert_eq!(claimed.attempt.get(), 1);
            let chunk = scene.direct.get_chunk(claimed.id).await.unwrap();
            assert_eq!((chunk.status(), chunk.attempt), (JobChunkStatus::Processing, claimed.attempt));
            assert_eq!(logged(scene.db.client(), chunk.id, "claimed", chunk.attempt).await, 1);
        })
        .await;
    let active = scene.direct.get_job(job_id).await.unwrap().counters.active_chunks;
    assert_eq!(active, held.lock().unwrap().len() as i64, "no claim was done twice");
    check_rules(&scene.direct, scene.db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_that_is_cut_anywhere_is_done_once_and_answered() {
    let scene = Scene::new().await;
    let job_id = scene.job().await;
    scene
        .sweep(async |_| {
            let claimed = claim(&scene.direct, job_id, "worker", 1).await.remove(0).chunk;
            let answered = complete(&scene.store, claimed.id, claimed.attempt).await.unwrap();
            let chunk = scene.direct.get_chunk(claimed.id).await.unwrap();
            assert_eq!(answered, chunk);
            assert_eq!(chunk.status(), JobChunkStatus::Completed);
            assert_eq!(logged(scene.db.client(), chunk.id, "completed", chunk.attempt).await, 1);
        })
        .await;
    check_rules(&scene.direct, scene.db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_creation_is_cut_anywhere_is_created_once() {
    let scene = Scene::new().await;
    scene
        .sweep(async |n| {
            let name = format!("job-{n}");
            let job = scene.store.create_job(NewCrawlJob::named(&name), &actor()).await.unwrap();
            assert_eq!(scene.direct.get_job(job.id).await.unwrap(), job);
            let count = "SELECT count(*) FROM crawl_job_rows WHERE name = $1";
            let count: i64 = scene.db.client().query_one(count, &[&name]).await.unwrap().get(0);
            assert_eq!(count, 1, "{name}");
        })
        .await;
    let logged = "SELECT count(*) - count(DISTINCT job_id) FROM activity_log WHERE action = 'job_created'";
    assert_eq!(number(scene.db.client(), logged).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_whose_creation_is_cut_anywhere_are_created_once() {
    let scene = Scene::new().await;
    scene
        .sweep(async |n| {
            let new = NewCrawlJob { chunk_size: 2, ..NewCrawlJob::named(format!("job-{n}")) };
            let job = scene.direct.create_job(new, &actor()).await.unwrap();
            let created = scene.store.create_chunks_step(job.id, 7, None, &actor()).await.unwrap();
            assert_eq!((created.total_chunks, created.stored_chunks, created.done), (4, 4, true));
            assert!(created.created, "a repeated step found what the first has done");
            let verdict = scene.direct.verify_job(job.id).await.unwrap();
            assert!(verdict.is_sound() && verdict.chunks == 4, "{verdict:?}");
        })
        .await;
    let logged = "SELECT count(*) - count(DISTINCT job_id) FROM activity_log WHERE action = 'chunks_created'";
    assert_eq!(number(scene.db.client(), logged).await, 0);
}

/// Nothing was written: there is nothing to be in doubt about, only to ask again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_write_nothing_are_asked_again_wherever_they_are_cut() {
    let scene = Scene::new().await;
    let job_id = job_with(&scene.direct, 3, long_leases()).await;
    let chunks = claim(&scene.direct, job_id, "worker", 3).await;
    complete(&scene.direct, chunks[0].chunk.id, chunks[0].chunk.attempt).await.unwrap();
    scene.sweep(async |_| assert_eq!(claim(&scene.store, job_id, "worker", 1).await, vec![])).await;
    scene.sweep(async |_| assert_eq!(scene.store.expire_due(10).await.unwrap(), 0)).await;
    scene.sweep(async |_| assert_eq!(scene.store.get_job(job_id).await.unwrap().task_ids.len(), 2)).await;
    scene.sweep(async |_| assert!(scene.store.verify_job(job_id).await.unwrap().is_sound())).await;
}
