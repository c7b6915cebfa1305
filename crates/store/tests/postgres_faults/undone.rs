//! Transactions that the server undoes: deadlocks, statements that take too long, and whatever it wants tried again.

use crate::postgres_kit::{TestDatabase, connect};
use crate::scene::{
    actor, apply, check_rules, claim, complete, job_with, logged, long_leases, number, until, until_true,
};
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::{Attempt, ChunkId};
use ream_store::{JobChunkRepository, PostgresStore};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Client;

const STORE_WAITS: &str = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'ream' AND wait_event_type = 'Lock'";

/// A store and what it holds, by id.
async fn holding(db: &TestDatabase, call_timeout: Duration) -> (Arc<PostgresStore>, Vec<(ChunkId, Attempt)>) {
    let mut options = db.options();
    options.call_timeout = call_timeout;
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    let job_id = job_with(&store, 20, long_leases()).await;
    let claimed = claim(&store, job_id, "worker", 20).await;
    let mut held: Vec<_> = claimed.iter().map(|claimed| (claimed.chunk.id, claimed.chunk.attempt)).collect();
    held.sort_unstable();
    (store, held)
}

fn completions(held: &[(ChunkId, Attempt)]) -> Vec<(ChunkId, Event)> {
    let complete = |attempt| Event::Complete { attempt: Some(attempt), outcome: None };
    held.iter().map(|(chunk_id, attempt)| (*chunk_id, complete(*attempt))).collect()
}

async fn lock(client: &Client, chunk_id: ChunkId) {
    let sql = "SELECT FROM job_chunks WHERE id = $1 FOR UPDATE";
    client.query(sql, &[&chunk_id.get()]).await.unwrap();
}

async fn check_completed_once(store: &PostgresStore, client: &Client, held: &[(ChunkId, Attempt)]) {
    for (chunk_id, attempt) in held {
        assert_eq!(logged(client, *chunk_id, "completed", *attempt).await, 1);
    }
    let job_id = store.get_chunk(held[0].0).await.unwrap().job_id;
    check_rules(store, client, job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_loses_a_deadlock_is_tried_again_and_succeeds() {
    let db = TestDatabase::new().await;
    // The store looks for a deadlock soon, whoever is in its way never: it is the store that is undone.
    db.execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = 1500', current_database()); END $$")
        .await;
    let (store, held) = holding(&db, Duration::from_secs(15)).await;
    let other = connect(&db.url()).await;
    other.batch_execute("SET deadlock_timeout = '1h'").await.unwrap();
    let mut done = 0;
    for pair in held.chunks(2) {
        other.batch_execute("BEGIN").await.unwrap();
        lock(&other, pair[1].0).await;
        let completing = tokio::spawn({
            let (store, events) = (store.clone(), completions(pair));
            async move { store.apply(events, &actor()).await }
        });
        // The store has the first and wants the second; now the other wants the first.
        until_true(db.client(), STORE_WAITS).await;
        let started = Instant::now();
        lock(&other, pair[0].0).await;
        let took = started.elapsed();
        other.batch_execute("COMMIT").await.unwrap();
        for answer in completing.await.unwrap().unwrap() {
            answer.unwrap();
        }
        done += 2;
        // Longer, and the other was late: the store had looked for a deadlock already, and ran into its time-out.
        if took < Duration::from_secs(5) {
            break;
        }
    }
    // The server counts with a delay.
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    until("the deadlock to be counted", async || (number(db.client(), deadlocks).await > 0).then_some(()))
        .await;
    check_completed_once(&store, db.client(), &held[..done]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_cancelled_and_tried_again() {
    let db = TestDatabase::new().await;
    let (store, held) = holding(&db, Duration::from_millis(400)).await;
    let other = connect(&db.url()).await;
    other.batch_execute("BEGIN").await.unwrap();
    lock(&other, held[0].0).await;
    let completing = tokio::spawn({
        let (store, (chunk_id, attempt)) = (store.clone(), held[0]);
        async move { complete(&store, chunk_id, attempt).await }
    });
    // Until the first try is over and another one waits.
    let since = "SELECT max(query_start)::text FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'ream' AND wait_event_type = 'Lock'";
    let mut first: Option<String> = None;
    until("another try", async || {
        let since: Option<String> = db.client().query_one(since, &[]).await.unwrap().get(0);
        let first = first.get_or_insert(since.clone()?);
        (since? != *first).then_some(())
    })
    .await;
    other.batch_execute("COMMIT").await.unwrap();
    completing.await.unwrap().unwrap();
    check_completed_once(&store, db.client(), &held[..1]).await;
}

/// Makes the first so many rows that are written to a table fail in this way. A sequence counts also what is undone.
async fn fail_first(db: &TestDatabase, table: &str, times: u32, code: &str) {
    db.execute(&format!(
        "CREATE SEQUENCE faults_{table}; \
         CREATE FUNCTION fail_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('faults_{table}') <= {times} THEN RAISE EXCEPTION 'as the test wants it' USING ERRCODE = '{code}'; \
         END IF; RETURN NEW; END $$; \
         CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION fail_{table}()"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_server_wants_tried_again_is_tried_again_and_done_once() {
    // Serialization failure, deadlock, lock not available, too many connections, cannot connect now, I/O error.
    for code in ["40001", "40P01", "55P03", "53300", "57P03", "58030"] {
        let db = TestDatabase::new().await;
        let (store, held) = holding(&db, Duration::from_secs(15)).await;
        fail_first(&db, "counter_deltas", 3, code).await;
        complete(&store, held[0].0, held[0].1).await.unwrap();
        fail_first(&db, "activity_log", 3, code).await;
        for answer in store.apply(completions(&held[1..3]), &actor()).await.unwrap() {
            answer.unwrap();
        }
        assert!(number(db.client(), "SELECT last_value FROM faults_activity_log").await > 3);
        check_completed_once(&store, db.client(), &held[..3]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_for_good_is_said_at_once_and_leaves_nothing() {
    let db = TestDatabase::new().await;
    let (store, held) = holding(&db, Duration::from_secs(15)).await;
    let before = store.get_chunk(held[0].0).await.unwrap();
    // A check constraint that is broken, and a right that is missing.
    for code in ["23514", "42501"] {
        db.execute(&format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'as the test wants it' USING ERRCODE = '{code}'; END $$; \
             CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON activity_log FOR EACH ROW EXECUTE FUNCTION refuse()"
        ))
        .await;
        let refused = complete(&store, held[0].0, held[0].1).await.unwrap_err();
        assert_eq!(refused.code(), "constraint", "{refused}");
        assert!(refused.to_string().contains("as the test wants it"), "{refused}");
        store.create_job(NewCrawlJob::named("refused"), &actor()).await.unwrap_err();
        assert_eq!(store.get_chunk(held[0].0).await.unwrap(), before);
        assert_eq!(number(db.client(), "SELECT count(*) FROM crawl_jobs WHERE name = 'refused'").await, 0);
    }
    db.execute("DROP TRIGGER refuse ON activity_log").await;
    // The connections are as good as before.
    complete(&store, held[0].0, held[0].1).await.unwrap();
    check_completed_once(&store, db.client(), &held[..1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_want_the_same_chunks_in_any_order_never_fail() {
    let db = TestDatabase::new().await;
    let (store, held) = holding(&db, Duration::from_secs(15)).await;
    let mut random = crate::scene::random();
    let callers: Vec<_> = (0..6)
        .map(|_| {
            let (store, mut held, mut random) = (store.clone(), held.clone(), random.fork());
            tokio::spawn(async move {
                for _ in 0..10 {
                    random.shuffle(&mut held);
                    let heartbeat = |attempt| Event::Heartbeat { attempt, progress: None };
                    let events = held.iter().map(|(id, attempt)| (*id, heartbeat(*attempt))).collect();
                    for answer in store.apply(events, &actor()).await.unwrap() {
                        answer.unwrap();
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    apply(&store, held[0].0, Event::PutBack).await.unwrap();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(number(db.client(), deadlocks).await, 0);
}

/// Reading every chunk of a job takes as long as there are chunks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_may_take_longer_than_a_call() {
    let db = TestDatabase::new().await;
    let job_id = job_with(&db.open().await, 130_000, long_leases()).await;
    let mut options = db.options();
    options.call_timeout = Duration::from_millis(100);
    options.patience = Duration::from_secs(5);
    let store = PostgresStore::open(&options).await.unwrap();
    let verdict = store.verify_job(job_id).await.unwrap();
    assert!(verdict.is_sound() && verdict.chunks == 130_000, "{verdict:?}");
}
