//! Creating chunks: an exact cover, seen all at once, and idempotent.

use super::TestStore;
use super::kit::{indexes, priority, ranges, refusal, small, task, tester};
use crate::repository::ClaimRequest;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{CrawlJobStatus, JobChunkStatus, JobId};

facts!($ creation:
    chunks_cover_the_images_exactly_around_every_boundary,
    a_new_chunk_has_its_defaults_and_the_jobs_priority,
    a_given_priority_becomes_the_jobs_and_its_chunks,
    the_same_numbers_again_bring_the_present_chunks_back,
    other_numbers_are_a_conflict_and_change_nothing,
    an_image_list_fixes_the_number_of_images,
    numbers_out_of_range_are_refused_before_the_job_is_looked_for,
    a_cancelled_job_gets_no_chunks,
    nobody_sees_chunks_before_the_last_step,
    two_callers_at_once_create_each_chunk_once,
);

async fn chunks_cover_the_images_exactly_around_every_boundary(s: &TestStore) {
    for images in [1, 250, 499, 500, 501, 999, 1000, 1001, 2500] {
        let (job_id, chunks) = s.chunked_as(NewCrawlJob::named(format!("{images} images")), images).await;
        let expected: Vec<(u64, u64)> =
            (0..images.div_ceil(500)).map(|n| (n * 500, (n * 500 + 499).min(images - 1))).collect();
        assert_eq!(ranges(&chunks), expected);
        assert_eq!(indexes(&chunks), (0..images.div_ceil(500)).collect::<Vec<_>>());
        let job = s.get(job_id).await;
        assert_eq!((job.max_images, job.counters.total_chunks), (Some(images), chunks.len() as i64));
        s.sound(job_id).await;
    }
}

async fn a_new_chunk_has_its_defaults_and_the_jobs_priority(s: &TestStore) {
    let new = NewCrawlJob { priority: priority(8), ..small("defaults") };
    let job_id = s.job(new).await.id;
    s.pass_s(5).await;
    let before = s.now().await;
    s.create(job_id, 7, None).await.unwrap();
    let chunks = s.chunks(job_id, None).await;
    for chunk in &chunks {
        assert_eq!(
            (chunk.job_id, chunk.status(), chunk.priority),
            (job_id, JobChunkStatus::Pending, priority(8))
        );
        assert_eq!(
            (chunk.attempt.get(), chunk.retry_count, chunk.policy_retries, chunk.expiry_count),
            (0, 0, 0, 0)
        );
        assert_eq!(
            (&chunk.task_id, &chunk.error_message, &chunk.outcome, chunk.split_from),
            (&None, &None, &None, None)
        );
        assert_eq!((chunk.started_at, chunk.finished_at, chunk.lease()), (None, None, None));
        assert!(chunk.created_at >= before && chunk.updated_at == chunk.created_at);
        assert!(chunk.is_due(s.now().await));
        assert_eq!(s.chunk(chunk.id).await, *chunk, "looked up alone it is the same");
    }
    assert_eq!(s.get(job_id).await.status(), CrawlJobStatus::Pending);
}

async fn a_given_priority_becomes_the_jobs_and_its_chunks(s: &TestStore) {
    let job_id = s.job(small("urgent")).await.id;
    s.create(job_id, 12, Some(7)).await.unwrap();
    assert_eq!(s.get(job_id).await.priority, priority(7));
    assert!(s.chunks(job_id, None).await.iter().all(|chunk| chunk.priority == priority(7)));
}

async fn the_same_numbers_again_bring_the_present_chunks_back(s: &TestStore) {
    let job_id = s.job(small("again")).await.id;
    let first = s.create(job_id, 12, Some(7)).await.unwrap();
    assert_eq!((first.total_chunks, first.done, first.created), (3, true, true));
    let before = s.chunks(job_id, None).await;
    s.apply(before[0].id, super::kit::start(None)).await.unwrap();
    s.repository.split_chunk(before[1].id, 2, &tester()).await.unwrap();
    for priority in [Some(7), None] {
        let again = s.create(job_id, 12, priority).await.unwrap();
        assert_eq!((again.total_chunks, again.stored_chunks, again.created), (4, 4, false));
    }
    assert_eq!(s.chunks(job_id, None).await.len(), 4);
    let created =
        s.log(job_id).await.into_iter().filter(|row| row.action.as_str() == "chunks_created").count();
    assert_eq!(created, 1);
    s.sound(job_id).await;
}

async fn other_numbers_are_a_conflict_and_change_nothing(s: &TestStore) {
    let job_id = s.job(small("other")).await.id;
    s.create(job_id, 12, Some(7)).await.unwrap();
    let before = (s.get(job_id).await, s.chunks(job_id, None).await);
    assert_eq!(refusal(s.create(job_id, 13, None).await), "already_chunked");
    assert_eq!(refusal(s.create(job_id, 11, Some(7)).await), "already_chunked");
    assert_eq!(refusal(s.create(job_id, 12, Some(8)).await), "already_chunked");
    assert_eq!((s.get(job_id).await, s.chunks(job_id, None).await), before);
}

async fn an_image_list_fixes_the_number_of_images(s: &TestStore) {
    let list = NewCrawlJob { image_list: Some("lists/1".to_owned()), max_images: Some(12), ..small("list") };
    let job_id = s.job(list).await.id;
    assert_eq!(refusal(s.create(job_id, 13, None).await), "already_chunked");
    assert_eq!(s.chunks(job_id, None).await, []);
    s.create(job_id, 12, None).await.unwrap();
    let free = s.job(NewCrawlJob { max_images: Some(12), ..small("no list") }).await.id;
    s.create(free, 13, None).await.unwrap();
    assert_eq!(s.get(free).await.max_images, Some(13), "without a list the first call fixes it");
}

async fn numbers_out_of_range_are_refused_before_the_job_is_looked_for(s: &TestStore) {
    let nowhere = JobId::new(987_654);
    assert_eq!(refusal(s.create(nowhere, 0, None).await), "validation");
    assert_eq!(refusal(s.create(nowhere, u64::MAX, None).await), "validation");
    assert_eq!(refusal(s.create(nowhere, 1, None).await), "not_found");
    let job_id = s.job(NewCrawlJob { chunk_size: 1, ..small("too many chunks") }).await.id;
    assert_eq!(refusal(s.create(job_id, i64::MAX as u64, None).await), "validation");
    assert_eq!(s.get(job_id).await.counters.total_chunks, 0);
}

async fn a_cancelled_job_gets_no_chunks(s: &TestStore) {
    let job_id = s.job(small("cancelled")).await.id;
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(refusal(s.create(job_id, 12, None).await), "job_not_running");
    let (job_id, chunks) = s.chunked("cancelled later", 12).await;
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(s.create(job_id, 12, None).await.unwrap().total_chunks, chunks.len() as u64);
}

async fn nobody_sees_chunks_before_the_last_step(s: &TestStore) {
    let job_id = s.job(NewCrawlJob { chunk_size: 1, ..small("steps") }).await.id;
    let images = 40_000;
    let other = s.hooks.another_handle().await;
    loop {
        let step =
            s.repository.create_chunks_step(job_id, images, Some(priority(3)), &tester()).await.unwrap();
        assert_eq!(step.total_chunks, images);
        if step.done {
            break;
        }
        assert!(step.stored_chunks < images);
        assert_eq!(s.chunks(job_id, None).await, []);
        assert_eq!(other.next_pending_chunk(job_id).await.unwrap(), None);
        assert_eq!(s.claim("early", 1).await, []);
        assert_eq!(other.claim(ClaimRequest::new(task("early"), 1).of_job(job_id)).await.unwrap(), []);
        assert_eq!(s.get(job_id).await.counters.total_chunks, 0);
        let verdict = other.verify_job(job_id).await.unwrap();
        assert!(verdict.creation_unfinished && verdict.is_sound(), "{verdict:?}");
        assert_eq!(refusal(s.create(job_id, images + 1, None).await), "already_chunked");
        assert_eq!(refusal(s.create(job_id, images, Some(4)).await), "already_chunked");
    }
    assert!(!s.repository.verify_job(job_id).await.unwrap().creation_unfinished);
    assert_eq!(s.get(job_id).await.counters.total_chunks, 40_000);
    s.sound(job_id).await;
}

async fn two_callers_at_once_create_each_chunk_once(s: &TestStore) {
    let job_id = s.job(NewCrawlJob { chunk_size: 1, ..small("twice") }).await.id;
    let mut callers = tokio::task::JoinSet::new();
    for n in 0..4 {
        let repository = if n % 2 == 0 { s.repository.clone() } else { s.hooks.another_handle().await };
        callers.spawn(async move {
            let mut created = 0;
            loop {
                let step = repository.create_chunks_step(job_id, 20_000, None, &tester()).await.unwrap();
                created += u32::from(step.created && step.done);
                if step.done {
                    return created;
                }
            }
        });
    }
    let finished: u32 = callers.join_all().await.into_iter().sum();
    assert_eq!(finished, 1, "one caller finished it, the others found it done");
    assert_eq!(s.get(job_id).await.counters.total_chunks, 20_000);
    s.sound(job_id).await;
}
