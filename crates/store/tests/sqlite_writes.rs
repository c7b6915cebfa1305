//! Protects SQLite's one writer: a lock that others hold, commits that many share, and a creation cut off half-way.
#![allow(clippy::unwrap_used)]

mod sqlite_kit;

use ream_core::event::Event;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{ChunkId, ImageRange, JobId, TaskId};
use ream_store::{Actor, ClaimRequest, JobChunkRepository, NewChunk, PageRequest, SqliteStore};
use sqlite_kit::TestFile;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

fn actor() -> Actor {
    Actor::new("tester").unwrap()
}

async fn chunked(store: &SqliteStore, images: u64) -> JobId {
    let job =
        store.create_job(NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("job") }, &actor()).await.unwrap();
    while !store.create_chunks_step(job.id, images, None, &actor()).await.unwrap().done {}
    job.id
}

async fn claim(store: &SqliteStore) -> ream_core::Result<usize> {
    Ok(store.claim(ClaimRequest::new(TaskId::new("worker").unwrap(), 1)).await?.len())
}

#[tokio::test]
async fn a_held_write_lock_is_waited_for_then_named_and_harmless_afterwards() {
    let file = TestFile::new();
    let mut options = file.options();
    options.busy_timeout = Duration::from_millis(150);
    let store = SqliteStore::open(&options).unwrap();
    let job_id = chunked(&store, 5).await;
    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE clock SET shift_ms = shift_ms").unwrap();
    for _ in 0..2 {
        let asked = Instant::now();
        let error = claim(&store).await.unwrap_err();
        assert!(asked.elapsed() >= Duration::from_millis(140), "it waited: {:?}", asked.elapsed());
        assert!(error.is_unavailable() && error.to_string().contains("try again"), "{error}");
    }
    assert_eq!(store.get_job(job_id).await.unwrap().counters.active_chunks, 0, "readers go on");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(claim(&store).await.unwrap(), 1);
    assert!(store.verify_job(job_id).await.unwrap().is_sound());
}

#[tokio::test]
async fn a_lock_that_is_let_go_in_time_is_only_a_delay() {
    let file = TestFile::new();
    let store = Arc::new(file.open());
    let job_id = chunked(&store, 300).await;
    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE clock SET shift_ms = shift_ms + 5000").unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        callers.spawn(async move { claim(&store).await.unwrap() });
    }
    // Every caller has asked before the lock is let go: the runtime of a test has one thread.
    tokio::task::yield_now().await;
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(callers.join_all().await.into_iter().sum::<usize>(), 20);
    assert_eq!(store.get_job(job_id).await.unwrap().counters.active_chunks, 20);
}

/// Refused after it has written: the last index does not fit its column.
fn refused_half_way() -> Vec<NewChunk> {
    let chunk = |chunk_index, image| NewChunk {
        chunk_index,
        image_range: ImageRange::new(image, image).unwrap(),
        priority: None,
    };
    vec![chunk(0, 0), chunk(1, 1), chunk(u64::MAX, 2)]
}

#[tokio::test]
async fn a_refused_operation_undoes_itself_and_no_other_of_its_commit() {
    let file = TestFile::new();
    let store = Arc::new(file.open());
    let job_id = chunked(&store, 200).await;
    let empty = store.create_job(NewCrawlJob::named("empty"), &actor()).await.unwrap().id;
    let slow = store
        .create_job(NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("slow") }, &actor())
        .await
        .unwrap()
        .id;
    let chunks = store.list_chunks(job_id, None, PageRequest::largest()).await.unwrap().items;
    let mut callers = JoinSet::new();
    // While the writer is busy with the first, the others queue up and share their commits.
    let first = store.clone();
    callers.spawn(async move { first.create_chunks_step(slow, 16_000, None, &actor()).await.map(|_| true) });
    for (n, chunk) in chunks.iter().enumerate() {
        let (store, id) = (store.clone(), chunk.id);
        callers.spawn(async move {
            match n % 5 {
                0 => store.bulk_create(empty, refused_half_way(), &actor()).await.map(|_| true),
                1 => store.apply_to_job(JobId::new(987_654), JobEvent::Pause, &actor()).await.map(|_| true),
                _ => store
                    .apply(vec![(id, Event::Start { task_id: None })], &actor())
                    .await?
                    .remove(0)
                    .map(|_| false),
            }
        });
    }
    let answers = callers.join_all().await;
    let count = |code: &str| answers.iter().filter(|a| a.as_ref().is_err_and(|e| e.code() == code)).count();
    assert_eq!((count("validation"), count("not_found")), (40, 40));
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(false))).count(), 120);
    assert_eq!(store.get_job(job_id).await.unwrap().counters.active_chunks, 120);
    assert!(store.verify_job(job_id).await.unwrap().is_sound());
    assert!(!store.verify_job(empty).await.unwrap().creation_unfinished, "nothing of a refused call stays");
    let stored: i64 = file
        .connect()
        .query_row("SELECT count(*) FROM job_chunks WHERE job_id = ?1", [empty.get()], |row| row.get(0))
        .unwrap();
    assert_eq!(stored, 0);
    assert_eq!(store.get_job(slow).await.unwrap().counters.total_chunks, 16_000);
}

#[tokio::test]
async fn a_creation_that_was_cut_off_is_seen_by_nobody_and_goes_on_where_it_ended() {
    let file = TestFile::new();
    let store = file.open();
    let job = store
        .create_job(NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("cut off") }, &actor())
        .await
        .unwrap();
    let step = store.create_chunks_step(job.id, 40_000, None, &actor()).await.unwrap();
    assert!(!step.done && step.stored_chunks > 0);
    drop(store);
    let store = file.open();
    assert_eq!(store.list_chunks(job.id, None, PageRequest::default()).await.unwrap().items, []);
    assert_eq!(claim(&store).await.unwrap(), 0);
    let hidden = ChunkId::new(1);
    assert_eq!(store.get_chunk(hidden).await.unwrap_err().code(), "not_found");
    let complete = Event::Complete { attempt: None, outcome: None };
    let moved = store.apply(vec![(hidden, complete)], &actor()).await.unwrap().remove(0);
    assert_eq!(moved.unwrap_err().code(), "not_found");
    let verdict = store.verify_job(job.id).await.unwrap();
    assert!(verdict.creation_unfinished && verdict.is_sound());
    let other = store.create_chunks_step(job.id, 39_999, None, &actor()).await.unwrap_err();
    assert_eq!(other.code(), "already_chunked");
    let next = store.create_chunks_step(job.id, 40_000, None, &actor()).await.unwrap();
    assert!(next.stored_chunks > step.stored_chunks, "it goes on, and does not begin anew");
    while !store.create_chunks_step(job.id, 40_000, None, &actor()).await.unwrap().done {}
    let verdict = store.verify_job(job.id).await.unwrap();
    assert!(verdict.is_sound() && !verdict.creation_unfinished);
    assert_eq!(verdict.counters.total_chunks, 40_000);
    assert_eq!(file.integrity(), "ok");
}

#[tokio::test]
async fn callers_that_go_away_leave_the_store_at_work() {
    let file = TestFile::new();
    let store = Arc::new(file.open());
    let job_id = chunked(&store, 50).await;
    let mut callers = JoinSet::new();
    for _ in 0..30 {
        let store = store.clone();
        callers.spawn(async move { claim(&store).await.unwrap() });
    }
    tokio::task::yield_now().await;
    callers.abort_all();
    while callers.join_next().await.is_some() {}
    claim(&store).await.unwrap();
    let verdict = store.verify_job(job_id).await.unwrap();
    assert!(verdict.is_sound(), "what was asked for holds, whoever listens: {verdict:?}");
}

#[tokio::test]
async fn a_claim_whose_caller_has_gone_before_it_began_leaves_no_chunk_without_a_holder() {
    let file = TestFile::new();
    let store = file.open();
    let job_id = chunked(&store, 5).await;
    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE clock SET shift_ms = shift_ms").unwrap();
    let gone = tokio::time::timeout(Duration::ZERO, claim(&store)).await;
    assert!(gone.is_err(), "the lock was not held");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(claim(&store).await.unwrap(), 1);
    assert_eq!(store.get_job(job_id).await.unwrap().counters.active_chunks, 1);
}

#[tokio::test]
async fn who_waits_behind_a_call_that_met_a_locked_database_is_refused_with_it() {
    let file = TestFile::new();
    let mut options = file.options();
    options.busy_timeout = Duration::from_millis(1500);
    let store = SqliteStore::open(&options).unwrap();
    chunked(&store, 5).await;
    let other = file.connect();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE clock SET shift_ms = shift_ms").unwrap();
    let asked = Instant::now();
    let (a, b, c, d) = tokio::join!(claim(&store), claim(&store), claim(&store), claim(&store));
    for answer in [a, b, c, d] {
        assert!(answer.unwrap_err().is_unavailable());
    }
    assert!(asked.elapsed() < Duration::from_millis(4500), "one after the other: {:?}", asked.elapsed());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(claim(&store).await.unwrap(), 1);
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_everybody_in_it_and_leaves_nothing() {
    let file = TestFile::new();
    let store = Arc::new(file.open());
    let job_id = chunked(&store, 50).await;
    // A deferred constraint lets every statement pass: only COMMIT looks at it.
    let conn = file.connect();
    conn.execute_batch(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY);
         CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER no_commit AFTER UPDATE ON job_chunks BEGIN INSERT INTO child VALUES (1); END;",
    )
    .unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        callers.spawn(async move { claim(&store).await });
    }
    for answer in callers.join_all().await {
        let error = answer.expect_err("nothing was committed");
        assert!(error.is_unavailable(), "{error}");
    }
    assert_eq!(store.get_job(job_id).await.unwrap().counters.active_chunks, 0);
    conn.execute_batch("DROP TRIGGER no_commit").unwrap();
    assert_eq!(claim(&store).await.unwrap(), 1, "the writer goes on");
    assert!(store.verify_job(job_id).await.unwrap().is_sound());
}
