//! Counters are true at every commit: after random histories of callers that meet, and after repairs.

use super::TestStore;
use super::kit::{apply_to, complete, fail, heartbeat, small, start, task, tester};
use crate::repository::{ClaimRequest, JobChunkRepository};
use ream_core::event::Event;
use ream_core::outcome::Outcome;
use ream_core::{Attempt, ChunkId, JobChunk, JobChunkStatus, JobId};
use std::collections::BTreeMap;
use std::sync::Arc;

facts!($ counters:
    every_move_is_counted_in_its_own_commit,
    completed_images_are_those_of_the_completed_chunks,
    random_histories_of_callers_that_meet_end_in_true_counters,
    counters_are_true_in_every_snapshot_while_chunks_move,
);

async fn every_move_is_counted_in_its_own_commit(s: &TestStore) {
    let (job_id, c) = s.chunked("moves", 20).await;
    s.counts(job_id, [4, 0, 0, 0]).await;
    let held = s.claim("worker", 3).await;
    s.counts(job_id, [1, 3, 0, 0]).await;
    s.apply(held[0].chunk.id, complete(Some(held[0].chunk.attempt))).await.unwrap();
    s.counts(job_id, [1, 2, 1, 0]).await;
    s.apply(held[1].chunk.id, fail(Some(held[1].chunk.attempt), "fault")).await.unwrap();
    s.counts(job_id, [1, 1, 1, 1]).await;
    s.apply(held[2].chunk.id, Event::Release { attempt: held[2].chunk.attempt }).await.unwrap();
    s.counts(job_id, [2, 0, 1, 1]).await;
    assert_eq!(s.get(job_id).await.counters.awaiting_retry_chunks, 1);
    s.apply(held[1].chunk.id, Event::Retry).await.unwrap();
    s.counts(job_id, [3, 0, 1, 0]).await;
    assert_eq!(s.get(job_id).await.counters.awaiting_retry_chunks, 0);
    s.apply(c[3].id, fail(None, "by hand")).await.unwrap();
    s.counts(job_id, [2, 0, 1, 1]).await;
    assert_eq!(s.get(job_id).await.counters.awaiting_retry_chunks, 0);
    s.apply(c[3].id, complete(None)).await.unwrap();
    s.counts(job_id, [2, 0, 2, 0]).await;
    let events = c.iter().map(|chunk| (chunk.id, complete(None))).collect();
    s.repository.apply(events, &tester()).await.unwrap();
    s.counts(job_id, [0, 0, 4, 0]).await;
}

async fn completed_images_are_those_of_the_completed_chunks(s: &TestStore) {
    let (job_id, c) = s.chunked("images", 13).await;
    for (n, images) in [(2, 3), (0, 8), (1, 13)] {
        let outcome = Some(Outcome { images_ok: 1, ..Outcome::default() });
        s.apply(c[n].id, Event::Complete { attempt: None, outcome }).await.unwrap();
        assert_eq!(
            s.get(job_id).await.counters.completed_images,
            images,
            "the chunk's images, not the fetched ones"
        );
    }
}

/// One caller of a random history; answers the highest attempt it saw of each chunk, and what was completed.
async fn caller(
    repository: Arc<dyn JobChunkRepository>,
    chunks: Vec<JobChunk>,
    seed: u64,
) -> (BTreeMap<ChunkId, Attempt>, Vec<ChunkId>) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut seen, mut completed) = (BTreeMap::new(), Vec::new());
    let mut held: Vec<(ChunkId, Attempt)> = Vec::new();
    for _ in 0..60 {
        let chunk_id = random.choice(&chunks).unwrap().id;
        let (mine, attempt) = random.choice(&held).copied().unwrap_or((chunk_id, Attempt::new(1)));
        let event = match random.u32(..14) {
            0..3 => {
                let request = ClaimRequest::new(task(&format!("worker-{seed}")), random.u32(1..4));
                for claimed in repository.claim(request).await.unwrap() {
                    held.push((claimed.chunk.id, claimed.chunk.attempt));
                }
                continue;
            }
            3 => (mine, heartbeat(attempt)),
            4 | 5 => (mine, complete(Some(attempt))),
            6 | 7 => (mine, fail(Some(attempt), "fault")),
            8 => (mine, Event::Release { attempt }),
            9 => (chunk_id, Event::Retry),
            10 => (chunk_id, Event::PutBack),
            11 => (chunk_id, start(None)),
            12 => (chunk_id, fail(None, "by hand")),
            _ => {
                let _ = repository.split_chunk(chunk_id, 2, &tester()).await;
                continue;
            }
        };
        let id = event.0;
        if let Ok(chunk) = apply_to(&repository, id, event.1).await {
            let last = seen.insert(id, chunk.attempt);
            assert!(last <= Some(chunk.attempt), "the attempt of chunk {id} went back");
            if chunk.status() == JobChunkStatus::Completed {
                completed.push(id);
            }
        }
    }
    (seen, completed)
}

async fn random_histories_of_callers_that_meet_end_in_true_counters(s: &TestStore) {
    let (first, mut chunks) = s.chunked("one", 60).await;
    let (second, more) = s.chunked("two", 33).await;
    chunks.extend(more);
    let other = s.hooks.another_handle().await;
    let mut callers = tokio::task::JoinSet::new();
    for seed in 0..6 {
        let repository = if seed % 2 == 0 { s.repository.clone() } else { other.clone() };
        callers.spawn(caller(repository, chunks.clone(), seed));
    }
    for (seen, completed) in callers.join_all().await {
        for (chunk_id, attempt) in seen {
            assert!(s.chunk(chunk_id).await.attempt >= attempt);
        }
        for chunk_id in completed {
            assert_eq!(
                s.chunk(chunk_id).await.status(),
                JobChunkStatus::Completed,
                "completed stays completed"
            );
        }
    }
    for job_id in [first, second] {
        s.sound(job_id).await;
        let job = s.get(job_id).await;
        for (status, counted) in [
            (JobChunkStatus::Processing, job.counters.active_chunks),
            (JobChunkStatus::Completed, job.counters.completed_chunks),
            (JobChunkStatus::Failed, job.counters.failed_chunks),
            (JobChunkStatus::Pending, job.counters.pending_chunks()),
        ] {
            assert_eq!(s.chunks(job_id, Some(status)).await.len() as i64, counted, "{status}");
        }
    }
}

async fn counters_are_true_in_every_snapshot_while_chunks_move(s: &TestStore) {
    let (job_id, chunks): (JobId, _) = s.chunked("watched", 100).await;
    let other = s.hooks.another_handle().await;
    let mover = {
        let repository = s.repository.clone();
        tokio::spawn(async move { caller(repository, chunks, 99).await })
    };
    let mut looks = 0;
    while !mover.is_finished() || looks < 3 {
        let verdict = other.verify_job(job_id).await.unwrap();
        assert!(verdict.is_sound(), "{verdict:?}");
        looks += 1;
    }
    mover.await.unwrap();
    assert_eq!(s.chunked_as(small("another"), 5).await.1.len(), 1);
}
