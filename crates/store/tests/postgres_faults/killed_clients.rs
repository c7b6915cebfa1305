//! Clients that are killed in the midst of their work.

use crate::child::{Child, Notes};
use crate::postgres_kit::TestDatabase;
use crate::scene::{actor, check_rules, job_with, logged, random, shift_clock, task, until, work_off};
use ream_core::event::Event;
use ream_core::{Attempt, ChunkId, JobChunkStatus, Policy};
use ream_store::{ClaimRequest, JobChunkRepository, PostgresStore};

const CHUNKS: u64 = 500;
const KILLS: usize = 20;
const CHILDREN: usize = 3;

/// Claims, sends heartbeats and completes until it is killed; tells what it was answered.
pub(crate) async fn work_for_ever(store: &PostgresStore, notes: &Notes, mut random: fastrand::Rng) {
    let worker = task(&notes.name());
    loop {
        let claimed = store.claim(ClaimRequest::new(worker.clone(), random.u32(1..6))).await.unwrap();
        if claimed.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for claimed in &claimed {
            notes.tell(&format!("claimed {} {}", claimed.chunk.id, claimed.chunk.attempt));
        }
        for claimed in &claimed {
            let (chunk_id, attempt) = (claimed.chunk.id, claimed.chunk.attempt);
            for _ in 0..random.u32(0..4) {
                let heartbeat = Event::Heartbeat { attempt, progress: None };
                tell_of(store, notes, "held", chunk_id, attempt, heartbeat).await;
            }
            let complete = Event::Complete { attempt: Some(attempt), outcome: None };
            tell_of(store, notes, "completed", chunk_id, attempt, complete).await;
        }
    }
}

async fn tell_of(
    store: &PostgresStore,
    notes: &Notes,
    word: &str,
    chunk_id: ChunkId,
    attempt: Attempt,
    event: Event,
) {
    match store.apply(vec![(chunk_id, event)], &actor()).await.unwrap().remove(0) {
        Ok(_) => notes.tell(&format!("{word} {chunk_id} {attempt}")),
        Err(error) => assert!(error.is_lease_lost(), "{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_clients_lose_nothing_and_nothing_is_done_twice() {
    let mut random = random();
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let job_id = job_with(&store, CHUNKS, Policy::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut children: Vec<Child> = Vec::new();
    let mut started = 0;
    let mut told: Vec<String> = Vec::new();
    let mut killed_at_work = 0;
    for kill in 0..KILLS {
        while children.len() < CHILDREN {
            let notes = folder.path().join(format!("child-{started}"));
            children.push(Child::start("worker", &db.url(), &notes, random.u64(..), &[]));
            started += 1;
        }
        let mut victim = children.swap_remove(random.usize(..CHILDREN));
        // At once, after a few answers, or after many: some die while they open the database.
        let after = [0, random.usize(1..4), random.usize(4..15), random.usize(15..30)][kill % 4];
        let seen = victim.notes.lines().len();
        until("answers to a child, or the end of the work", async || {
            let is_over = store.next_pending_chunk(job_id).await.unwrap().is_none();
            (is_over || victim.notes.lines().len() >= seen + after).then_some(())
        })
        .await;
        victim.kill_9();
        killed_at_work += u32::from(store.next_pending_chunk(job_id).await.unwrap().is_some());
        told.extend(victim.notes.lines());
        if kill == KILLS / 2 {
            // Also the living lose what they hold.
            shift_clock(db.client(), 20_000).await;
            while store.expire_due(500).await.unwrap() > 0 {}
        }
    }
    for mut child in children {
        child.kill_9();
        told.extend(child.notes.lines());
    }
    assert!(killed_at_work > 10, "only {killed_at_work} kills came before the work was done");
    check_rules(&store, db.client(), job_id).await;

    let mut completions = 0;
    for line in &told {
        let words: Vec<&str> = line.split(' ').collect();
        let (chunk_id, attempt) =
            (ChunkId::new(words[1].parse().unwrap()), Attempt::new(words[2].parse().unwrap()));
        let chunk = store.get_chunk(chunk_id).await.unwrap();
        assert!(chunk.attempt >= attempt, "{line}, and now {chunk:?}");
        match words[0] {
            "claimed" => assert_eq!(logged(db.client(), chunk_id, "claimed", attempt).await, 1, "{line}"),
            "completed" => {
                completions += 1;
                assert_eq!((chunk.status(), chunk.attempt), (JobChunkStatus::Completed, attempt), "{line}");
            }
            _ => {}
        }
    }
    println!("{} answers, {completions} completions", told.len());
    assert!(completions > 20, "only {completions} completions");

    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
}
