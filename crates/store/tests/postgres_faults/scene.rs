//! What the faults have in common: jobs to work on, work on them, and the rules at the end.

use crate::postgres_kit::TestDatabase;
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::policy::PolicyFields;
use ream_core::{Attempt, ChunkId, JobId, Policy, TaskId};
use ream_store::{Actor, ClaimRequest, ClaimedChunk, JobChunkRepository, PostgresOptions, PostgresStore};
use ream_test_servers::{FaultProxy, Postgres, database_url};
use std::time::{Duration, Instant};
use tokio_postgres::Client;

/// How long anything may take that is waited for; on a busy machine far longer than it needs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Random numbers whose seed is printed; `REAM_TEST_SEED` gives one.
pub(crate) fn random() -> fastrand::Rng {
    let seed = std::env::var("REAM_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("REAM_TEST_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

pub(crate) fn actor() -> Actor {
    Actor::new("tester").unwrap()
}

pub(crate) fn task(name: &str) -> TaskId {
    TaskId::new(name).unwrap()
}

/// Looks until there is something to see.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < LIMIT, "waited in vain for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks until a query that answers one boolean says yes.
pub(crate) async fn until_true(client: &Client, sql: &str) {
    until(sql, async || client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0).then_some(())).await;
}

/// One number.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// The URL of the same database by way of a proxy or pooler.
pub(crate) fn url_at(db: &TestDatabase, port: u16) -> String {
    let url = db.url();
    database_url(port, url.rsplit('/').next().unwrap())
}

/// A proxy before the shared cluster, and how a store with few connections is opened by way of it.
pub(crate) fn proxied(db: &TestDatabase, max_connections: usize) -> (FaultProxy, PostgresOptions) {
    let proxy = FaultProxy::start(Postgres::shared().port()).unwrap();
    let mut options = PostgresOptions::new(url_at(db, proxy.port()));
    options.max_connections = max_connections;
    (proxy, options)
}

/// Leases that nobody loses by being slow.
pub(crate) fn long_leases() -> Policy {
    Policy::new(PolicyFields { lease_duration_s: 3600, chunk_timeout_s: 7200, ..PolicyFields::default() })
        .unwrap()
}

/// A job with so many chunks of two images.
pub(crate) async fn job_with(store: &PostgresStore, chunks: u64, policy: Policy) -> JobId {
    let new = NewCrawlJob { chunk_size: 2, policy, ..NewCrawlJob::named("faults") };
    let job = store.create_job(new, &actor()).await.unwrap();
    while !store.create_chunks_step(job.id, chunks * 2, None, &actor()).await.unwrap().done {}
    job.id
}

pub(crate) async fn claim(
    store: &PostgresStore,
    job_id: JobId,
    worker: &str,
    limit: u32,
) -> Vec<ClaimedChunk> {
    store.claim(ClaimRequest::new(task(worker), limit).of_job(job_id)).await.unwrap()
}

/// Applies one event to one chunk.
pub(crate) async fn apply(
    store: &PostgresStore,
    chunk_id: ChunkId,
    event: Event,
) -> ream_core::Result<ream_core::JobChunk> {
    let answer = store.apply(vec![(chunk_id, event)], &actor()).await?.remove(0)?;
    Ok(answer.chunk)
}

pub(crate) async fn complete(
    store: &PostgresStore,
    chunk_id: ChunkId,
    attempt: Attempt,
) -> ream_core::Result<ream_core::JobChunk> {
    apply(store, chunk_id, Event::Complete { attempt: Some(attempt), outcome: None }).await
}

pub(crate) async fn shift_clock(client: &Client, ms: i64) {
    let sql = format!("UPDATE ream_clock SET shift_ms = shift_ms + {ms}");
    client.batch_execute(&sql).await.unwrap();
}

/// Works until the job is complete; what is held by nobody any more expires first.
pub(crate) async fn work_off(store: &PostgresStore, client: &Client, job_id: JobId) {
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < LIMIT, "{:?}", store.get_job(job_id).await);
        let claimed = claim(store, job_id, "heir", 200).await;
        let events = claimed.iter().map(|claimed| {
            let attempt = Some(claimed.chunk.attempt);
            (claimed.chunk.id, Event::Complete { attempt, outcome: None })
        });
        for answer in store.apply(events.collect(), &actor()).await.unwrap() {
            answer.unwrap();
        }
        if claimed.is_empty() {
            let counters = store.get_job(job_id).await.unwrap().counters;
            if counters.completed_chunks == counters.total_chunks {
                return;
            }
            // Longer than any lease and back-off.
            shift_clock(client, 100_000_000).await;
            while store.expire_due(500).await.unwrap() > 0 {}
            while store.retry_due(500).await.unwrap() > 0 {}
        }
    }
}

/// Rules 1 to 3 by the store's own check, and beside it by plain SQL: counters are a count; each chunk was started as
/// often as its attempt says, and completed once where it is completed.
pub(crate) async fn check_rules(store: &PostgresStore, client: &Client, job_id: JobId) {
    let verdict = store.verify_job(job_id).await.unwrap();
    assert!(verdict.is_sound() && !verdict.creation_unfinished, "{verdict:?}");
    let count = "SELECT j.total_chunks, j.active_chunks, j.completed_chunks, j.failed_chunks, j.completed_images, \
        c.total, c.active, c.completed, c.failed, c.images \
        FROM crawl_jobs j CROSS JOIN (SELECT count(*) AS total, \
        count(*) FILTER (WHERE status = 'processing') AS active, \
        count(*) FILTER (WHERE status = 'completed') AS completed, \
        count(*) FILTER (WHERE status = 'failed') AS failed, \
        coalesce(sum(last_image - first_image + 1) FILTER (WHERE status = 'completed'), 0)::bigint AS images \
        FROM job_chunks WHERE job_id = $1) c WHERE j.id = $1";
    let row = client.query_one(count, &[&job_id.get()]).await.unwrap();
    let counters: Vec<i64> = (0..5).map(|n| row.get(n)).collect();
    let counted: Vec<i64> = (5..10).map(|n| row.get(n)).collect();
    assert_eq!(counters, counted, "counters and count of job {job_id}");
    let history = "WITH log AS (SELECT chunk_id, count(*) FILTER (WHERE action IN ('claimed', 'started')) AS starts, \
        count(*) FILTER (WHERE action = 'completed') AS ends, \
        count(DISTINCT attempt) FILTER (WHERE action IN ('claimed', 'started')) AS attempts \
        FROM activity_log WHERE job_id = $1 AND chunk_id IS NOT NULL GROUP BY chunk_id) \
        SELECT c.id, c.status, c.attempt, coalesce(starts, 0), coalesce(attempts, 0), coalesce(ends, 0) \
        FROM job_chunks c LEFT JOIN log ON log.chunk_id = c.id WHERE c.job_id = $1 \
        AND (c.attempt <> coalesce(starts, 0) OR c.attempt <> coalesce(attempts, 0) \
        OR (c.status = 'completed')::int <> coalesce(ends, 0))";
    let odd = client.query(history, &[&job_id.get()]).await.unwrap();
    let odd: Vec<String> = odd
        .iter()
        .map(|row| {
            let (id, status, attempt): (i64, &str, i64) = (row.get(0), row.get(1), row.get(2));
            let (starts, attempts, ends): (i64, i64, i64) = (row.get(3), row.get(4), row.get(5));
            format!(
                "chunk {id} is {status} in attempt {attempt}; logged are {starts} starts of {attempts} attempts, \
                 {ends} completions"
            )
        })
        .collect();
    assert!(odd.is_empty(), "{}", odd.join("\n"));
}

/// How many rows of the activity log say so about a chunk.
pub(crate) async fn logged(client: &Client, chunk_id: ChunkId, action: &str, attempt: Attempt) -> i64 {
    let sql = "SELECT count(*) FROM activity_log WHERE chunk_id = $1 AND action = $2 AND attempt = $3";
    client.query_one(sql, &[&chunk_id.get(), &action, &attempt.get()]).await.unwrap().get(0)
}
