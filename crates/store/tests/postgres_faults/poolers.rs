//! PgBouncer in transaction mode: another server connection for every transaction.

use crate::postgres_kit::{TestDatabase, connect};
use crate::scene::{
    LIMIT, actor, apply, check_rules, complete, job_with, shift_clock, task, url_at, work_off,
};
use ream_core::event::Event;
use ream_core::{JobChunkStatus, JobId, Policy};
use ream_store::{ClaimRequest, JobChunkRepository, PostgresOptions, PostgresStore};
use ream_test_servers::{PgBouncer, PoolMode, Postgres};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as LogEvent, Level, Metadata, Subscriber};

async fn pooler(mode: PoolMode, pool_size: Option<&'static str>) -> PgBouncer {
    tokio::task::spawn_blocking(move || {
        let settings: Vec<_> = pool_size.iter().map(|size| ("default_pool_size", *size)).collect();
        PgBouncer::start_with(Postgres::shared(), mode, &settings).unwrap()
    })
    .await
    .unwrap()
}

fn options(db: &TestDatabase, pooler: &PgBouncer) -> PostgresOptions {
    let mut options = PostgresOptions::new(url_at(db, pooler.port()));
    options.max_connections = 4;
    options
}

thread_local! {
    /// What operators were warned of on this thread.
    static WARNINGS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Hears the warnings of all threads, and leaves each with the thread that it came from.
struct Warnings;

impl Visit for &Warnings {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        WARNINGS.with_borrow_mut(|warnings| writeln!(warnings, "{value:?}").unwrap());
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN
    }

    fn event(&self, event: &LogEvent<'_>) {
        event.record(&mut &*self);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Opens a store and answers whether it noticed a pooler. Only on a runtime of one thread.
async fn open_and_hear(options: &PostgresOptions) -> (PostgresStore, bool) {
    static HEARING: Once = Once::new();
    HEARING.call_once(|| tracing::subscriber::set_global_default(Warnings).unwrap());
    WARNINGS.take();
    let store = PostgresStore::open(options).await.unwrap();
    (store, WARNINGS.take().contains("behind a pooler"))
}

/// Looks at every server connection of the pooler: what a store sets or prepares there, others find.
async fn check_nothing_is_left(db: &TestDatabase, pooler: &PgBouncer, connections: usize) {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let client = connect(&url_at(db, pooler.port())).await;
        // Each keeps its server connection until all have one.
        client.batch_execute("BEGIN").await.unwrap();
        clients.push(client);
    }
    for client in clients {
        let left = "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('enable_seqscan'), \
            current_setting('plan_cache_mode')";
        let messages = client.simple_query(left).await.unwrap();
        let row = messages
            .iter()
            .find_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            })
            .unwrap();
        assert_eq!([row.get(0), row.get(1), row.get(2)], [Some("0"), Some("on"), Some("auto")]);
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// Claims, and then one chunk is completed, another fails, is put back, or is left to expire.
async fn work(store: Arc<PostgresStore>, job_id: JobId, worker: String, mut random: fastrand::Rng) {
    loop {
        let request = ClaimRequest::new(task(&worker), random.u32(1..5)).of_job(job_id);
        let claimed = store.claim(request).await.unwrap();
        if claimed.is_empty() {
            return;
        }
        for claimed in claimed {
            let (chunk_id, attempt) = (claimed.chunk.id, claimed.chunk.attempt);
            apply(&store, chunk_id, Event::Heartbeat { attempt, progress: None }).await.unwrap();
            match random.u32(..8) {
                0 => {
                    apply(&store, chunk_id, Event::Fail { attempt: Some(attempt), message: None })
                        .await
                        .unwrap();
                }
                1 => {
                    apply(&store, chunk_id, Event::Release { attempt }).await.unwrap();
                }
                2 => {}
                _ => {
                    complete(&store, chunk_id, attempt).await.unwrap();
                }
            }
        }
    }
}

async fn whole_job(pool_size: &'static str, connections: usize) {
    let mut random = crate::scene::random();
    let db = TestDatabase::new().await;
    // Migrations want two connections at once.
    let direct = db.open().await;
    let pooler = pooler(PoolMode::Transaction, Some(pool_size)).await;
    let (store, noticed) = open_and_hear(&options(&db, &pooler)).await;
    assert!(noticed, "the pooler was not noticed");
    let store = Arc::new(store);
    let job_id = job_with(&store, 80, Policy::default()).await;
    let callers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(work(store.clone(), job_id, format!("worker-{n}"), random.fork())))
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    check_rules(&direct, db.client(), job_id).await;
    let counters = store.get_job(job_id).await.unwrap().counters;
    assert!(counters.active_chunks > 0 && counters.failed_chunks > 0, "{counters:?}");
    // Leases run out and back-offs are over.
    shift_clock(db.client(), 60_000).await;
    assert_eq!(store.expire_due(500).await.unwrap(), counters.active_chunks.unsigned_abs());
    assert_eq!(store.retry_due(500).await.unwrap(), counters.failed_chunks.unsigned_abs());
    let page = ream_store::PageRequest::default();
    let pending = store.list_chunks(job_id, Some(JobChunkStatus::Pending), page).await.unwrap().items;
    assert_eq!(pending.len() as u64, (counters.active_chunks + counters.failed_chunks).unsigned_abs());
    store.split_chunk(pending[0].id, 2, &actor()).await.unwrap();
    work_off(&store, db.client(), job_id).await;
    assert_eq!(store.announce_ends().await.unwrap(), vec![job_id]);
    assert!(store.verify_job(job_id).await.unwrap().is_sound());
    check_rules(&direct, db.client(), job_id).await;
    check_nothing_is_left(&db, &pooler, connections).await;
}

#[tokio::test]
async fn a_whole_job_works_through_a_pooler_of_the_default_size() {
    whole_job("20", 4).await;
}

#[tokio::test]
async fn a_whole_job_works_through_a_pooler_of_two_connections() {
    whole_job("2", 2).await;
}

#[tokio::test]
async fn a_whole_job_works_through_a_pooler_of_one_connection() {
    whole_job("1", 1).await;
}

#[tokio::test]
async fn a_schema_is_laid_out_through_a_pooler_or_it_is_said_why_not() {
    let db = TestDatabase::new().await;
    let one = pooler(PoolMode::Transaction, Some("1")).await;
    let opened = tokio::time::timeout(LIMIT, PostgresStore::open(&options(&db, &one))).await;
    let Err(refusal) = opened.expect("it hangs") else { panic!("one connection was enough") };
    assert!(refusal.to_string().contains("pooler"), "{refusal}");
    let two = pooler(PoolMode::Transaction, Some("2")).await;
    let store = PostgresStore::open(&options(&db, &two)).await.unwrap();
    assert_eq!(store.verify_schema().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn neither_a_direct_connection_nor_a_pooler_by_session_is_taken_for_a_pooler() {
    let db = TestDatabase::new().await;
    assert!(!open_and_hear(&db.options()).await.1);
    let pooler = pooler(PoolMode::Session, None).await;
    let (store, noticed) = open_and_hear(&options(&db, &pooler)).await;
    assert!(!noticed);
    let job_id = job_with(&store, 3, Policy::default()).await;
    work_off(&store, db.client(), job_id).await;
}

#[tokio::test]
async fn the_pooler_is_noticed_also_while_others_are_busy() {
    let db = TestDatabase::new().await;
    drop(db.open().await);
    let pooler = pooler(PoolMode::Transaction, Some("4")).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut busy = Vec::new();
    for _ in 0..6 {
        let client = connect(&url_at(&db, pooler.port())).await;
        let stop = stop.clone();
        busy.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client.simple_query("SELECT pg_sleep(0.001)").await.unwrap();
            }
        }));
    }
    let mut unnoticed = 0;
    for _ in 0..40 {
        let (store, noticed) = open_and_hear(&options(&db, &pooler)).await;
        unnoticed += u32::from(!noticed);
        drop(store);
    }
    stop.store(true, Ordering::Relaxed);
    for busy in busy {
        busy.await.unwrap();
    }
    assert_eq!(unnoticed, 0, "so many of 40 did not notice the pooler");
}

#[tokio::test]
async fn work_is_found_by_looking_where_nobody_is_woken() {
    let db = TestDatabase::new().await;
    let direct = db.open().await;
    let pooler = pooler(PoolMode::Transaction, None).await;
    let (store, noticed) = open_and_hear(&options(&db, &pooler)).await;
    assert!(noticed);
    let looking = tokio::spawn(async move {
        let started = Instant::now();
        let mut wake_ups = store.wake_ups();
        loop {
            let claimed = store.claim(ClaimRequest::new(task("looker"), 1)).await.unwrap();
            if let Some(claimed) = claimed.into_iter().next() {
                return complete(&store, claimed.chunk.id, claimed.chunk.attempt).await.unwrap();
            }
            assert!(started.elapsed() < LIMIT);
            let _ = tokio::time::timeout(Duration::from_millis(20), wake_ups.changed()).await;
        }
    });
    let job_id = job_with(&direct, 1, Policy::default()).await;
    assert_eq!(looking.await.unwrap().job_id, job_id);
    check_rules(&direct, db.client(), job_id).await;
}
