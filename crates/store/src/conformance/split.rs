//! Splits: the cover stays exact, the chunk keeps its name, and the new ones begin afresh.

use super::TestStore;
use super::kit::{complete, fail, indexes, priority, ranges, refusal, small, start, tester};
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, NewCrawlJob};
use ream_core::{JobChunk, JobChunkStatus};

facts!($ split:
    the_parts_partition_the_chunk,
    the_chunk_keeps_its_name_and_the_new_ones_begin_afresh,
    a_failed_chunk_stays_failed_and_its_parts_are_pending,
    a_chunk_in_work_or_done_is_not_split,
    parts_out_of_range_are_refused,
    splits_of_splits_keep_the_cover_exact,
    splits_at_once_give_no_index_twice,
);

async fn split(s: &TestStore, chunk: &JobChunk, parts: u64) -> Vec<JobChunk> {
    s.repository.split_chunk(chunk.id, parts, &tester()).await.unwrap()
}

async fn the_parts_partition_the_chunk(s: &TestStore) {
    let (job_id, chunks) = s.chunked_as(NewCrawlJob::named("parts"), 1500).await;
    let parts = split(s, &chunks[1], 3).await;
    assert_eq!(ranges(&parts), [(500, 666), (667, 833), (834, 999)]);
    assert_eq!(
        ranges(&s.chunks(job_id, None).await),
        [(0, 499), (500, 666), (667, 833), (834, 999), (1000, 1499)]
    );
    s.counts(job_id, [5, 0, 0, 0]).await;
    for part in &parts {
        assert_eq!(s.chunk(part.id).await, *part, "the answer is what is stored");
    }
    let single = s.one_chunk(small("to the last image")).await;
    assert_eq!(ranges(&split(s, &single, 5).await), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
}

async fn the_chunk_keeps_its_name_and_the_new_ones_begin_afresh(s: &TestStore) {
    let new = NewCrawlJob { priority: priority(4), ..small("names") };
    let (job_id, chunks) = s.chunked_as(new, 15).await;
    s.update(job_id, JobChanges { priority: Some(priority(6)), ..JobChanges::default() }).await.unwrap();
    let held = s.apply(chunks[1].id, start(Some("worker-1"))).await.unwrap();
    s.apply(held.id, fail(Some(held.attempt), "half of it is slow")).await.unwrap();
    s.apply(held.id, Event::Retry).await.unwrap();
    s.pass_s(3).await;
    let parts = split(s, &chunks[1], 2).await;
    let (kept, new) = (&parts[0], &parts[1]);
    assert_eq!((kept.id, kept.chunk_index, kept.priority), (chunks[1].id, 1, priority(4)));
    assert_eq!((kept.attempt, kept.retry_count, kept.split_from), (held.attempt, 1, None));
    assert!(kept.updated_at > kept.created_at && kept.created_at == chunks[1].created_at);
    assert_eq!((new.chunk_index, new.priority, new.split_from), (3, priority(6), Some(kept.id)));
    assert_eq!((new.attempt.get(), new.retry_count, &new.task_id, &new.error_message), (0, 0, &None, &None));
    assert_eq!((new.created_at, new.job_id), (kept.updated_at, job_id));
    assert_eq!(indexes(&s.chunks(job_id, None).await), [0, 1, 3, 2]);
    let log = s.log(job_id).await;
    let row = log.last().unwrap();
    assert_eq!((row.action.as_str(), row.chunk_id), ("split", Some(kept.id)));
    assert!(row.message.as_ref().unwrap().contains("5-9"), "{row:?}");
}

async fn a_failed_chunk_stays_failed_and_its_parts_are_pending(s: &TestStore) {
    let chunk = s.one_chunk(small("failed")).await;
    let held = s.claim_one("worker").await;
    s.apply(chunk.id, fail(Some(held.attempt), "fault")).await.unwrap();
    let before = s.chunk(chunk.id).await;
    let parts = split(s, &chunk, 2).await;
    assert_eq!((parts[0].state.clone(), &parts[0].error_message), (before.state, &before.error_message));
    assert_eq!(parts[1].status(), JobChunkStatus::Pending);
    s.counts(chunk.job_id, [1, 0, 0, 1]).await;
    assert_eq!(s.claim_one("worker").await.id, parts[1].id);
}

async fn a_chunk_in_work_or_done_is_not_split(s: &TestStore) {
    let (job_id, chunks) = s.chunked("held", 10).await;
    s.apply(chunks[0].id, start(None)).await.unwrap();
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    for chunk in &chunks {
        assert_eq!(refusal(s.repository.split_chunk(chunk.id, 2, &tester()).await), "wrong_status");
    }
    s.counts(job_id, [0, 1, 1, 0]).await;
}

async fn parts_out_of_range_are_refused(s: &TestStore) {
    let chunk = s.one_chunk(small("parts")).await;
    for parts in [0, 1, 6, 1001, u64::MAX] {
        assert_eq!(
            refusal(s.repository.split_chunk(chunk.id, parts, &tester()).await),
            "validation",
            "{parts}"
        );
    }
    assert_eq!(s.chunk(chunk.id).await, chunk);
}

async fn splits_of_splits_keep_the_cover_exact(s: &TestStore) {
    let (job_id, mut chunks) = s.chunked_as(NewCrawlJob::named("deep"), 1234).await;
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..40 {
        let chunk = &chunks[random.usize(..chunks.len())];
        let images = chunk.image_range.images();
        if images > 1 {
            split(s, chunk, random.u64(2..=images.min(4))).await;
        }
        chunks = s.chunks(job_id, None).await;
    }
    s.sound(job_id).await;
    assert_eq!(s.get(job_id).await.counters.total_chunks, chunks.len() as i64);
    let mut names = indexes(&chunks);
    names.sort_unstable();
    assert_eq!(names, (0..chunks.len() as u64).collect::<Vec<_>>(), "each has a name of its own");
}

async fn splits_at_once_give_no_index_twice(s: &TestStore) {
    let (job_id, chunks) = s.chunked_as(NewCrawlJob::named("at once"), 5000).await;
    let other = s.hooks.another_handle().await;
    let mut callers = tokio::task::JoinSet::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let repository = if n % 2 == 0 { s.repository.clone() } else { other.clone() };
        let id = chunk.id;
        callers.spawn(async move { repository.split_chunk(id, 3, &tester()).await.unwrap() });
        let repository = if n % 2 == 1 { s.repository.clone() } else { other.clone() };
        callers.spawn(async move { repository.split_chunk(id, 2, &tester()).await.unwrap() });
    }
    callers.join_all().await;
    let mut names = indexes(&s.chunks(job_id, None).await);
    names.sort_unstable();
    assert_eq!(names, (0..40).collect::<Vec<_>>());
    s.sound(job_id).await;
}
