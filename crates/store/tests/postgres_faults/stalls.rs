//! Networks that stand still.

use crate::postgres_kit::TestDatabase;
use crate::scene::{apply, check_rules, claim, complete, job_with, long_leases, proxied, until, work_off};
use ream_core::JobChunkStatus;
use ream_core::event::Event;
use ream_store::{JobChunkRepository, PostgresStore};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CALL_TIMEOUT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(1500);
/// After patience the last try ends, and with it the question what became of it; on a busy machine all of it later.
const END_LIMIT: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_end_while_the_network_stands_still_and_work_again_after_it() {
    let db = TestDatabase::new().await;
    let (proxy, mut options) = proxied(&db, 2);
    options.call_timeout = CALL_TIMEOUT;
    options.patience = PATIENCE;
    let store = PostgresStore::open(&options).await.unwrap();
    let job_id = job_with(&store, 10, long_leases()).await;
    let held = claim(&store, job_id, "worker", 1).await.remove(0).chunk;
    proxy.stall_both();
    let started = Instant::now();
    let (claimed, read, completed) = tokio::join!(
        async {
            store.claim(ream_store::ClaimRequest::new(crate::scene::task("worker"), 1)).await.map(|_| ())
        },
        async { store.get_job(job_id).await.map(|_| ()) },
        async { complete(&store, held.id, held.attempt).await.map(|_| ()) },
    );
    let took = started.elapsed();
    for ended in [claimed, read, completed] {
        assert!(ended.as_ref().is_err_and(ream_core::Error::is_unavailable), "{ended:?}");
    }
    assert!(took >= PATIENCE / 2 && took < END_LIMIT, "{took:?}");
    proxy.pass().unwrap();
    until("the store to answer again", async || store.now().await.ok()).await;
    complete(&store, held.id, held.attempt).await.unwrap();
    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stands_still_holds_up_nobody_else_for_long() {
    let db = TestDatabase::new().await;
    let others = db.open().await;
    let (proxy, mut options) = proxied(&db, 1);
    options.call_timeout = CALL_TIMEOUT;
    options.patience = PATIENCE;
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    let job_id = job_with(&store, 10, long_leases()).await;
    // Both are known to the store's one connection, so that the next transaction is one request and one answer.
    for claimed in claim(&store, job_id, "worker", 1).await {
        complete(&store, claimed.chunk.id, claimed.chunk.attempt).await.unwrap();
    }
    let held = claim(&store, job_id, "worker", 1).await.remove(0).chunk;

    proxy.delay(Duration::from_millis(100));
    let completing = tokio::spawn({
        let store = store.clone();
        async move { complete(&store, held.id, held.attempt).await }
    });
    let (held_id, lost) = (held.id, held.attempt);
    until("the chunk to be locked", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
            AND application_name = 'ream' AND state = 'idle in transaction'";
        (crate::scene::number(db.client(), sql).await == 1).then_some(())
    })
    .await;
    // Before the store has heard of it.
    proxy.stall_both();
    let stalled_at = Instant::now();
    let ended = completing.await.unwrap();
    assert!(ended.as_ref().is_err_and(ream_core::Error::is_unavailable), "{ended:?}");
    assert!(stalled_at.elapsed() < END_LIMIT, "{:?}", stalled_at.elapsed());

    // Others go on at once with all but that chunk.
    let started = Instant::now();
    let claimed = claim(&others, job_id, "other", 5).await;
    assert_eq!(claimed.len(), 5);
    for claimed in claimed {
        complete(&others, claimed.chunk.id, claimed.chunk.attempt).await.unwrap();
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(others.get_chunk(held_id).await.unwrap().status(), JobChunkStatus::Processing);
    // And with that chunk once the server has given the transaction up.
    apply(&others, held_id, Event::PutBack).await.unwrap();
    assert!(stalled_at.elapsed() < Duration::from_secs(25), "{:?}", stalled_at.elapsed());

    proxy.pass().unwrap();
    let late = complete(&store, held_id, lost).await;
    assert!(late.as_ref().is_err_and(ream_core::Error::is_lease_lost), "{late:?}");
    work_off(&others, db.client(), job_id).await;
    check_rules(&others, db.client(), job_id).await;
}
