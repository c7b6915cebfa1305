//! Numbers are 64-bit from the API to the column: ids, images, bytes and times above 2^32.

use super::TestStore;
use super::kit::{complete, ranges, small, start, tester};
use crate::page::PageRequest;
use crate::repository::NewChunk;
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::outcome::{ChunkProgress, Outcome};
use ream_core::{Attempt, ChunkState, ErrorClass, ImageRange, JobChunkStatus};

/// Twice LAION-5B.
const IMAGES: u64 = 11_700_000_123;
const LARGE: i64 = (1 << 32) + 17;

facts!($ large_numbers:
    image_numbers_above_32_bit_are_exact_everywhere,
    ids_above_32_bit_are_exact_everywhere,
    a_single_chunk_above_32_bit_is_counted_exactly,
    outcomes_and_progress_above_32_bit_are_exact,
);

async fn image_numbers_above_32_bit_are_exact_everywhere(s: &TestStore) {
    let new = NewCrawlJob { chunk_size: 1_000_000, ..small("huge") };
    let job_id = s.job(new).await.id;
    s.create(job_id, IMAGES, None).await.unwrap();
    let job = s.get(job_id).await;
    assert_eq!((job.max_images, job.counters.total_chunks), (Some(IMAGES), 11_701));
    s.sound(job_id).await;
    let mut request = PageRequest::largest();
    let (mut last, mut pages) = (Vec::new(), 0);
    loop {
        let page = s.repository.list_chunks(job_id, None, request).await.unwrap();
        last = if page.items.is_empty() { last } else { page.items };
        let Some(next) = page.next else { break };
        pages += 1;
        assert!(pages < 100, "the cursor does not move");
        request = request.at(Some(next));
    }
    let chunk = last.pop().unwrap();
    assert_eq!(ranges(std::slice::from_ref(&chunk)), [(11_700_000_000, 11_700_000_122)]);
    let parts = s.repository.split_chunk(chunk.id, 2, &tester()).await.unwrap();
    assert_eq!(ranges(&parts), [(11_700_000_000, 11_700_000_061), (11_700_000_062, 11_700_000_122)]);
    let whole = &last[last.len() - 1];
    s.apply(whole.id, start(None)).await.unwrap();
    s.apply(whole.id, complete(None)).await.unwrap();
    assert_eq!(s.get(job_id).await.counters.completed_images, 1_000_000);
    s.sound(job_id).await;
    let done = s
        .repository
        .list_chunks(job_id, Some(JobChunkStatus::Completed), PageRequest::default())
        .await
        .unwrap();
    assert_eq!(ranges(&done.items), [(11_699_000_000, 11_699_999_999)]);
}

async fn ids_above_32_bit_are_exact_everywhere(s: &TestStore) {
    s.chunked("small ids", 10).await;
    s.hooks.advance_ids(LARGE).await;
    let (job_id, chunks) = s.chunked("large ids", 10).await;
    assert!(job_id.get() > LARGE && chunks.iter().all(|chunk| chunk.id.get() > LARGE));
    let held = s.apply(chunks[0].id, start(Some("celery-1"))).await.unwrap();
    assert_eq!((held.id, held.job_id), (chunks[0].id, job_id));
    s.apply(held.id, complete(Some(held.attempt))).await.unwrap();
    let parts = s.repository.split_chunk(chunks[1].id, 2, &tester()).await.unwrap();
    assert_eq!((parts[1].split_from, parts[1].job_id), (Some(chunks[1].id), job_id));
    s.counts(job_id, [2, 0, 1, 0]).await;
    let log = s.log(job_id).await;
    assert!(log.iter().all(|row| row.id > LARGE && row.job_id == job_id));
    assert_eq!(s.actions(held.id).await, ["started", "completed"]);
    let page = PageRequest::new(1, None).unwrap();
    let first = s.repository.list_jobs(Default::default(), page).await.unwrap();
    assert_eq!(first.items[0].id, job_id);
    let second = s.repository.list_jobs(Default::default(), page.at(first.next)).await.unwrap();
    assert!(second.items[0].id.get() < LARGE);
}

async fn a_single_chunk_above_32_bit_is_counted_exactly(s: &TestStore) {
    let job_id = s.job(small("one huge chunk")).await.id;
    let image_range = ImageRange::new(0, IMAGES - 1).unwrap();
    let only = NewChunk { chunk_index: 0, image_range, priority: None };
    s.repository.bulk_create(job_id, vec![only], &tester()).await.unwrap();
    let held = s.claim_one("worker").await;
    s.apply(held.id, complete(Some(held.attempt))).await.unwrap();
    assert_eq!(s.get(job_id).await.counters.completed_images, IMAGES as i64);
    s.sound(job_id).await;
}

async fn outcomes_and_progress_above_32_bit_are_exact(s: &TestStore) {
    let chunk = s.one_chunk(small("bytes")).await;
    let held = s.claim_one("worker").await;
    let progress = ChunkProgress { images_done: i64::MAX as u64, bytes: i64::MAX as u64 - 1 };
    let event = Event::Heartbeat { attempt: Attempt::new(1), progress: Some(progress) };
    s.apply(held.id, event).await.unwrap();
    let ChunkState::Processing { progress: stored, .. } = s.chunk(chunk.id).await.state else {
        panic!("not held")
    };
    assert_eq!(stored, Some(progress));
    let outcome = Outcome {
        images_ok: i64::MAX as u64,
        images_failed: [(ErrorClass::Timeout, i64::MAX as u64)].into(),
        bytes: i64::MAX as u64 - 2,
        duration_ms: i64::MAX as u64 - 3,
        outputs: vec!["größe/漢字.tar".to_owned()],
    };
    let event = Event::Complete { attempt: Some(held.attempt), outcome: Some(outcome.clone()) };
    s.apply(held.id, event).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await.outcome, Some(outcome));
}
