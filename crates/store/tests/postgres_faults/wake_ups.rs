//! Wake-ups from other processes, and what cuts them off.

use crate::postgres_kit::TestDatabase;
use crate::scene::{LIMIT, actor, job_with, proxied, until_true};
use ream_core::job_event::NewCrawlJob;
use ream_core::{JobId, Policy};
use ream_store::{JobChunkRepository, PostgresStore, WakeUps};
use ream_test_servers::Ending;
use std::time::Duration;
use tokio_postgres::Client;

/// More than enough for a waiter that is cut off to be back, however often that has happened before.
const CUTS: usize = 12;

const LISTENERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'";

async fn until_listening(client: &Client, listeners: usize) {
    until_true(client, &format!("SELECT count(*) = {listeners} {LISTENERS}")).await;
}

async fn hears(wake_ups: &mut WakeUps) {
    tokio::time::timeout(LIMIT, wake_ups.changed()).await.expect("no wake-up was heard").unwrap();
}

async fn new_job(store: &PostgresStore) -> JobId {
    store.create_job(NewCrawlJob::named("waited for"), &actor()).await.unwrap().id
}

async fn create_chunks(store: &PostgresStore, job_id: JobId) {
    store.create_chunks_step(job_id, 10, None, &actor()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_store_hears_that_chunks_were_created_also_after_it_was_cut_off() {
    let db = TestDatabase::new().await;
    let (first, second) = (db.open().await, db.open().await);
    until_listening(db.client(), 2).await;
    let mut wake_ups = second.wake_ups();
    for n in 0..CUTS {
        let job_id = new_job(&first).await;
        wake_ups.mark_unchanged();
        create_chunks(&first, job_id).await;
        hears(&mut wake_ups).await;
        assert!(
            second.next_pending_chunk(job_id).await.unwrap().is_some(),
            "woken before there was anything"
        );

        let cut = format!("SELECT count(pg_terminate_backend(pid)) {LISTENERS}");
        db.client().query_one(&cut, &[]).await.unwrap();
        let started = std::time::Instant::now();
        until_listening(db.client(), 2).await;
        let took = started.elapsed();
        assert!(
            took < Duration::from_secs(5),
            "after cut {n} it took {took:?} until wake-ups were heard again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_while_cut_off_is_made_up_for() {
    let db = TestDatabase::new().await;
    let first = db.open().await;
    let (proxy, options) = proxied(&db, 2);
    let second = PostgresStore::open(&options).await.unwrap();
    until_listening(db.client(), 2).await;
    let mut wake_ups = second.wake_ups();
    for ending in [Ending::Reset, Ending::Close] {
        proxy.refuse();
        proxy.cut(ending);
        until_listening(db.client(), 1).await;
        wake_ups.mark_unchanged();
        let job_id = new_job(&first).await;
        create_chunks(&first, job_id).await;
        assert!(!wake_ups.has_changed().unwrap());
        proxy.accept().unwrap();
        hears(&mut wake_ups).await;
        assert!(second.next_pending_chunk(job_id).await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_wakes_its_own_claimers_once() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    until_listening(db.client(), 1).await;
    let mut wake_ups = store.wake_ups();
    let before = *wake_ups.borrow_and_update();
    job_with(&store, 3, Policy::default()).await;
    hears(&mut wake_ups).await;
    // Its own notification has come by when that of another has.
    let other = db.open().await;
    job_with(&other, 3, Policy::default()).await;
    hears(&mut wake_ups).await;
    assert_eq!(*wake_ups.borrow_and_update(), before + 2);
}
