//! Connections that are reset, closed and half-closed while many callers work.

use crate::postgres_kit::TestDatabase;
use crate::scene::{actor, check_rules, job_with, logged, long_leases, proxied, random, task};
use ream_core::JobId;
use ream_core::event::Event;
use ream_store::{ClaimRequest, JobChunkRepository, PostgresStore};
use ream_test_servers::{Direction, Ending};
use std::sync::Arc;
use std::time::Duration;

const CALLERS: usize = 6;
/// Work for longer than some faults take.
const CHUNKS: u64 = 3000;

/// Claims and completes until there is nothing left. Every call must succeed: no fault lasts.
async fn work(store: Arc<PostgresStore>, job_id: JobId, worker: String) -> Vec<ream_core::JobChunk> {
    let mut done = Vec::new();
    loop {
        let request = ClaimRequest::new(task(&worker), 3).of_job(job_id);
        let claimed = store.claim(request).await.unwrap();
        if claimed.is_empty() {
            return done;
        }
        let events = |event: &dyn Fn(ream_core::Attempt) -> Event| {
            claimed.iter().map(|claimed| (claimed.chunk.id, event(claimed.chunk.attempt))).collect::<Vec<_>>()
        };
        let heartbeats = events(&|attempt| Event::Heartbeat { attempt, progress: None });
        for answer in store.apply(heartbeats, &actor()).await.unwrap() {
            answer.unwrap();
        }
        let completions = events(&|attempt| Event::Complete { attempt: Some(attempt), outcome: None });
        for answer in store.apply(completions, &actor()).await.unwrap() {
            done.push(answer.unwrap().chunk);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_in_a_burst_of_calls_cost_nothing_but_time() {
    let mut random = random();
    let db = TestDatabase::new().await;
    let (proxy, mut options) = proxied(&db, CALLERS);
    options.call_timeout = Duration::from_secs(5);
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    let job_id = job_with(&store, CHUNKS, long_leases()).await;
    let mut callers: Vec<_> =
        (0..CALLERS).map(|n| tokio::spawn(work(store.clone(), job_id, format!("worker-{n}")))).collect();
    let mut faults = 0;
    while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        match random.u32(..5) {
            0 => proxy.half_close(Direction::ToServer),
            1 => proxy.half_close(Direction::ToClient),
            2 => proxy.cut(Ending::Close),
            3 => proxy.cut_after(Direction::ToClient, random.u64(..3000), Ending::Reset),
            _ => proxy.cut(Ending::Reset),
        }
        faults += 1;
        tokio::time::sleep(Duration::from_millis(random.u64(20..200))).await;
    }
    println!("{faults} faults");
    assert!(faults > 5);
    proxy.pass().unwrap();
    let mut done = 0;
    for caller in &mut callers {
        for chunk in caller.await.unwrap() {
            assert_eq!(logged(db.client(), chunk.id, "completed", chunk.attempt).await, 1);
            done += 1;
        }
    }
    let counters = store.get_job(job_id).await.unwrap().counters;
    // Whoever was answered holds what it was answered, so nobody's chunk was left lying.
    assert_eq!((done, counters.completed_chunks, counters.active_chunks), (CHUNKS, CHUNKS as i64, 0));
    check_rules(&store, db.client(), job_id).await;
}
