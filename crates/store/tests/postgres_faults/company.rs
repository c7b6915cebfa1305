//! Calls that share a transaction: what is wrong with one of them is no business of the others.

use crate::postgres_kit::{TestDatabase, connect};
use crate::scene::{
    actor, check_rules, claim, complete, job_with, long_leases, number, task, until_true, work_off,
};
use futures::future::join_all;
use ream_core::{Error, JobChunk, JobChunkStatus};
use ream_store::{ClaimRequest, JobChunkRepository, Once, PostgresStore};

const CALLERS: usize = 40;
/// Somebody of the store's does.
const WAITS_FOR_A_GATE: &str = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() \
    AND application_name = 'ream' AND wait_event = 'advisory'";

async fn complete_all(store: &PostgresStore, chunks: &[JobChunk]) -> Vec<ream_core::Result<JobChunk>> {
    join_all(chunks.iter().map(|chunk| complete(store, chunk.id, chunk.attempt))).await
}

fn chunks(claimed: Vec<ream_store::ClaimedChunk>) -> Vec<JobChunk> {
    claimed.into_iter().map(|claimed| claimed.chunk).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_cost_few_transactions_and_each_has_its_own_chunk() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let job_id = job_with(&store, 3 * CALLERS as u64, long_leases()).await;
    let transactions = "SELECT count(DISTINCT xid) FROM counter_deltas";
    let before = number(db.client(), transactions).await;
    let claims = (0..CALLERS).map(|n| {
        let request = ClaimRequest::new(task(&format!("worker-{n}")), 1);
        store.claim(if n % 2 == 0 { request.of_job(job_id) } else { request })
    });
    let claimed: Vec<_> = join_all(claims).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(claimed.len(), CALLERS);
    for (n, claimed) in claimed.iter().enumerate() {
        assert_eq!(claimed.chunk.task_id, Some(task(&format!("worker-{n}"))));
    }
    let held = chunks(claimed);
    let done = complete_all(&store, &held).await;
    for (done, held) in done.into_iter().zip(&held) {
        assert_eq!(done.unwrap().id, held.id);
    }
    let after = number(db.client(), transactions).await;
    assert!(
        after - before < CALLERS as i64,
        "{} transactions for {CALLERS} claims and completions",
        after - before
    );
    // Each by the name of whoever did it.
    let sql = "SELECT count(DISTINCT actor) FROM activity_log WHERE action = 'claimed' AND actor = task_id";
    assert_eq!(number(db.client(), sql).await, CALLERS as i64);
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_with_keys_cost_few_transactions_and_each_finds_its_own_again() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let job_id = job_with(&store, 2 * CALLERS as u64, long_leases()).await;
    let claim_all = || {
        join_all((0..CALLERS).map(|n| {
            let once = Once::new("workers", format!("key-{n}"), "0".repeat(64)).unwrap();
            store.claim(ClaimRequest {
                once: Some(once),
                ..ClaimRequest::new(task(&format!("worker-{n}")), 1)
            })
        }))
    };
    let ids = |claims: Vec<ream_core::Result<Vec<ream_store::ClaimedChunk>>>| -> Vec<_> {
        let held = claims.into_iter().flat_map(|claimed| chunks(claimed.unwrap()));
        held.map(|chunk| (chunk.id, chunk.attempt, chunk.task_id)).collect()
    };
    let transactions = "SELECT count(DISTINCT xid) FROM counter_deltas";
    let before = number(db.client(), transactions).await;
    let first = ids(claim_all().await);
    let cost = number(db.client(), transactions).await - before;
    assert!(cost < CALLERS as i64 / 2, "{cost} transactions for {CALLERS} claims");
    assert_eq!(first.len(), CALLERS);
    assert_eq!(ids(claim_all().await), first);
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_somebody_has_locked_holds_up_its_own_caller_only() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let job_id = job_with(&store, CALLERS as u64, long_leases()).await;
    let held = chunks(claim(&store, job_id, "worker", CALLERS as u32).await);
    let (locked, free) = held.split_last().unwrap();
    let other = connect(&db.url()).await;
    other
        .batch_execute(&format!("BEGIN; SELECT FROM job_chunks WHERE id = {} FOR UPDATE", locked.id))
        .await
        .unwrap();

    let ended = async {
        for done in complete_all(&store, free).await {
            assert_eq!(done.unwrap().status(), JobChunkStatus::Completed);
        }
        // Only now.
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (waited, ()) = tokio::join!(complete(&store, locked.id, locked.attempt), ended);
    assert_eq!(waited.unwrap().status(), JobChunkStatus::Completed);
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_cannot_be_read_fails_its_own_caller_only() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let job_id = job_with(&store, CALLERS as u64, long_leases()).await;
    let held = chunks(claim(&store, job_id, "worker", CALLERS as u32).await);
    let spoilt = held.last().unwrap();
    db.execute(&format!("UPDATE job_chunks SET last_move = 'unheard of' WHERE id = {}", spoilt.id)).await;

    let mut done = complete_all(&store, &held).await;
    let failed = done.pop().unwrap();
    assert!(matches!(&failed, Err(Error::Database { .. })), "{failed:?}");
    for done in done {
        assert_eq!(done.unwrap().status(), JobChunkStatus::Completed);
    }
    db.execute(&format!("UPDATE job_chunks SET last_move = 'started' WHERE id = {}", spoilt.id)).await;
    complete(&store, spoilt.id, spoilt.attempt).await.unwrap();
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_claimed_for_callers_that_are_gone_is_not_lost() {
    let db = TestDatabase::new().await;
    let store = std::sync::Arc::new(db.open().await);
    let job_id = job_with(&store, CALLERS as u64, long_leases()).await;
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.claim(ClaimRequest::new(task(&format!("worker-{n}")), 1)).await })
        })
        .collect();
    for caller in callers.iter().step_by(2) {
        caller.abort();
    }
    let mut held = Vec::new();
    for caller in callers {
        match caller.await {
            Ok(claimed) => held.extend(chunks(claimed.unwrap())),
            Err(gone) => assert!(gone.is_cancelled()),
        }
    }
    for done in complete_all(&store, &held).await {
        done.unwrap();
    }
    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
    assert!(store.apply(Vec::new(), &actor()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_claimed_with_a_key_is_kept_for_a_caller_that_has_gone() {
    let db = TestDatabase::new().await;
    let store = std::sync::Arc::new(db.open().await);
    let job_id = job_with(&store, 3, long_leases()).await;
    let other = connect(&db.url()).await;
    let close = format!("BEGIN; SELECT pg_advisory_xact_lock(ream_gate_key({job_id}))");
    other.batch_execute(&close).await.unwrap();
    let once = Once::new("workers", "key", "0".repeat(64)).unwrap();
    let request = ClaimRequest { once: Some(once), ..ClaimRequest::new(task("worker"), 1) };
    let claiming = tokio::spawn({
        let (store, request) = (store.clone(), request.clone());
        async move { store.claim(request).await }
    });
    until_true(db.client(), WAITS_FOR_A_GATE).await;
    claiming.abort();
    assert!(claiming.await.unwrap_err().is_cancelled());
    other.batch_execute("COMMIT").await.unwrap();
    let kept = store.claim(request.clone()).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(store.claim(request).await.unwrap()[0].chunk.id, kept[0].chunk.id);
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_that_is_being_closed_keeps_nobody_from_the_chunks_before_it() {
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let (first, second) =
        (job_with(&store, 3, long_leases()).await, job_with(&store, 3, long_leases()).await);
    let other = connect(&db.url()).await;
    let close = format!("BEGIN; SELECT pg_advisory_xact_lock(ream_gate_key({second}))");
    other.batch_execute(&close).await.unwrap();
    let claimed = store.claim(ClaimRequest::new(task("worker"), 5)).await.unwrap();
    assert_eq!(claimed.iter().map(|claimed| claimed.chunk.job_id).collect::<Vec<_>>(), [first; 3]);
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.claim(ClaimRequest::new(task("worker"), 5)).await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_for_a_gate_that_is_being_closed_and_then_starts_nothing() {
    let db = TestDatabase::new().await;
    let store = std::sync::Arc::new(db.open().await);
    let job_id = job_with(&store, 3, long_leases()).await;
    let other = connect(&db.url()).await;
    other
        .batch_execute(&format!("BEGIN; SELECT pg_advisory_xact_lock(ream_gate_key({job_id}))"))
        .await
        .unwrap();
    let claiming = tokio::spawn({
        let store = store.clone();
        async move { store.claim(ClaimRequest::new(task("worker"), 1)).await }
    });
    until_true(db.client(), WAITS_FOR_A_GATE).await;
    // As a pause does it, which knows of the claim no more than the claim of it.
    let pause = format!(
        "UPDATE crawl_job_rows SET gate = 'paused', status = 'paused' WHERE id = {job_id}; \
         UPDATE job_queues SET open = false WHERE job_id = {job_id}; COMMIT"
    );
    other.batch_execute(&pause).await.unwrap();
    assert!(claiming.await.unwrap().unwrap().is_empty());
}
