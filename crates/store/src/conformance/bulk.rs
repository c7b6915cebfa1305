//! `bulk_create`: all chunks of a job at once, or none.

use super::TestStore;
use super::kit::{indexes, priority, ranges, refusal, small, tester};
use crate::repository::NewChunk;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{ImageRange, JobId};

facts!($ bulk:
    exactly_the_given_chunks_are_stored,
    anything_but_an_exact_cover_is_refused_whole,
    an_index_twice_is_refused_whole,
    a_job_with_chunks_takes_no_more,
    another_number_of_images_than_the_jobs_is_a_conflict,
    create_after_bulk_brings_the_bulk_chunks_back,
    a_split_goes_on_after_the_highest_index,
);

fn chunk(chunk_index: u64, first: u64, last: u64, own: Option<i64>) -> NewChunk {
    let image_range = ImageRange::new(first, last).unwrap();
    NewChunk { chunk_index, image_range, priority: own.map(priority) }
}

async fn refused(s: &TestStore, job_id: JobId, chunks: Vec<NewChunk>) -> &'static str {
    let code = refusal(s.repository.bulk_create(job_id, chunks, &tester()).await);
    assert_eq!(s.chunks(job_id, None).await, [], "nothing of a refused call is stored");
    code
}

async fn exactly_the_given_chunks_are_stored(s: &TestStore) {
    let job_id = s.job(NewCrawlJob { priority: priority(2), ..small("bulk") }).await.id;
    let chunks = vec![chunk(9, 4, 4, Some(7)), chunk(0, 0, 3, None), chunk(5, 5, 9, Some(0))];
    let done = s.repository.bulk_create(job_id, chunks, &tester()).await.unwrap();
    assert_eq!((done.total_chunks, done.done, done.created), (3, true, true));
    let stored = s.chunks(job_id, None).await;
    assert_eq!(ranges(&stored), [(0, 3), (4, 4), (5, 9)]);
    assert_eq!(indexes(&stored), [0, 9, 5]);
    let priorities: Vec<i64> = stored.iter().map(|chunk| chunk.priority.get()).collect();
    assert_eq!(priorities, [2, 7, 0]);
    assert_eq!(s.get(job_id).await.max_images, Some(10));
    s.counts(job_id, [3, 0, 0, 0]).await;
    let order: Vec<u64> =
        s.claim("worker", 3).await.iter().map(|claimed| claimed.chunk.chunk_index).collect();
    assert_eq!(order, [9, 0, 5], "by priority");
}

async fn anything_but_an_exact_cover_is_refused_whole(s: &TestStore) {
    let job_id = s.job(small("faulty")).await.id;
    assert_eq!(refused(s, job_id, vec![]).await, "validation");
    assert_eq!(refused(s, job_id, vec![chunk(0, 1, 4, None)]).await, "validation");
    assert_eq!(refused(s, job_id, vec![chunk(0, 0, 4, None), chunk(1, 6, 9, None)]).await, "validation");
    assert_eq!(refused(s, job_id, vec![chunk(0, 0, 4, None), chunk(1, 4, 9, None)]).await, "validation");
    assert_eq!(refused(s, job_id, vec![chunk(0, 0, 9, None), chunk(1, 3, 5, None)]).await, "validation");
    assert_eq!(refused(s, job_id, vec![chunk(0, 0, 4, None), chunk(1, 0, 4, None)]).await, "validation");
    s.create(job_id, 10, None).await.unwrap();
    s.sound(job_id).await;
}

async fn an_index_twice_is_refused_whole(s: &TestStore) {
    let job_id = s.job(small("index")).await.id;
    assert_eq!(refused(s, job_id, vec![chunk(3, 0, 4, None), chunk(3, 5, 9, None)]).await, "validation");
}

async fn a_job_with_chunks_takes_no_more(s: &TestStore) {
    let (job_id, before) = s.chunked("full", 10).await;
    let same = vec![chunk(0, 0, 4, None), chunk(1, 5, 9, None)];
    assert_eq!(refusal(s.repository.bulk_create(job_id, same.clone(), &tester()).await), "already_chunked");
    assert_eq!(s.chunks(job_id, None).await, before);
    let nowhere = JobId::new(987_654);
    assert_eq!(refusal(s.repository.bulk_create(nowhere, same.clone(), &tester()).await), "not_found");
    let cancelled = s.job(small("cancelled")).await.id;
    s.act(cancelled, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(refused(s, cancelled, same).await, "job_not_running");
}

async fn another_number_of_images_than_the_jobs_is_a_conflict(s: &TestStore) {
    let job_id = s.job(NewCrawlJob { max_images: Some(10), ..small("ten") }).await.id;
    assert_eq!(refused(s, job_id, vec![chunk(0, 0, 10, None)]).await, "already_chunked");
    s.repository.bulk_create(job_id, vec![chunk(0, 0, 9, None)], &tester()).await.unwrap();
    s.sound(job_id).await;
}

async fn create_after_bulk_brings_the_bulk_chunks_back(s: &TestStore) {
    let job_id = s.job(small("both")).await.id;
    s.repository.bulk_create(job_id, vec![chunk(0, 0, 9, None)], &tester()).await.unwrap();
    let again = s.create(job_id, 10, None).await.unwrap();
    assert_eq!((again.total_chunks, again.created), (1, false));
    assert_eq!(refusal(s.create(job_id, 11, None).await), "already_chunked");
}

async fn a_split_goes_on_after_the_highest_index(s: &TestStore) {
    let job_id = s.job(small("gaps in the index")).await.id;
    let chunks = vec![chunk(40, 0, 4, None), chunk(7, 5, 9, None)];
    s.repository.bulk_create(job_id, chunks, &tester()).await.unwrap();
    let first = s.chunks(job_id, None).await.remove(0);
    s.repository.split_chunk(first.id, 3, &tester()).await.unwrap();
    assert_eq!(indexes(&s.chunks(job_id, None).await), [40, 41, 42, 7]);
    s.sound(job_id).await;
}
