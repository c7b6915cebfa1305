//! Callers on runtimes of their own, which may have no I/O and may end.

use crate::postgres_kit::TestDatabase;
use crate::scene::{actor, check_rules, claim, complete, job_with, long_leases, until, work_off};
use ream_core::event::Event;
use ream_store::JobChunkRepository;
use std::sync::Arc;
use tokio::runtime::Builder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heartbeats_from_a_runtime_without_io_connect_anew_where_connections_were_cut() {
    let db = TestDatabase::new().await;
    let store = Arc::new(db.open().await);
    let job_id = job_with(&store, 20, long_leases()).await;
    let held: Vec<_> = claim(&store, job_id, "worker", 20).await.into_iter().map(|c| c.chunk).collect();
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    db.execute(cut).await;
    let (holder, chunks) = (store.clone(), held.clone());
    let beats = std::thread::spawn(move || {
        let leases = Builder::new_current_thread().enable_time().build().unwrap();
        leases.block_on(futures::future::join_all(chunks.iter().map(async |chunk| {
            let beat = Event::Heartbeat { attempt: chunk.attempt, progress: None };
            holder
                .apply(vec![(chunk.id, beat)], &actor())
                .await
                .map(|mut answers| answers.remove(0).map(|_| ()))
        })))
    });
    let beats = tokio::task::spawn_blocking(|| beats.join().unwrap()).await.unwrap();
    assert_eq!(beats.len(), held.len());
    for beat in beats {
        beat.unwrap().unwrap();
    }
    for chunk in held {
        complete(&store, chunk.id, chunk.attempt).await.unwrap();
    }
    check_rules(&store, db.client(), job_id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_ends_takes_no_call_of_another_along() {
    let db = TestDatabase::new().await;
    let store = Arc::new(db.open().await);
    let job_id = job_with(&store, 40, long_leases()).await;
    let held: Vec<_> = claim(&store, job_id, "worker", 40).await.into_iter().map(|c| c.chunk).collect();
    let (ended, lasting) = held.split_at(20);
    let (other, chunks) = (store.clone(), ended.to_vec());
    let ending = std::thread::spawn(move || {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        for chunk in chunks {
            let store = other.clone();
            runtime.spawn(async move { complete(&store, chunk.id, chunk.attempt).await.map(|_| ()) });
        }
        // In the middle of its calls.
        runtime.shutdown_background();
    });
    for done in
        futures::future::join_all(lasting.iter().map(|chunk| complete(&store, chunk.id, chunk.attempt))).await
    {
        done.unwrap();
    }
    tokio::task::spawn_blocking(|| ending.join().unwrap()).await.unwrap();
    work_off_what_is_left(&store, ended).await;
    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
}

/// Whether or not the runtime came to say so, it may be said again.
async fn work_off_what_is_left(store: &ream_store::PostgresStore, chunks: &[ream_core::JobChunk]) {
    for chunk in chunks {
        until("a chunk to be completed", async || complete(store, chunk.id, chunk.attempt).await.ok()).await;
    }
}
