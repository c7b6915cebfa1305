//! Protects the specification's API, call by call and in its words: its examples, its workflow and its boundary cases.
#![allow(clippy::unwrap_used)]

mod kit;

use kit::{Services, refusal};
use ream::{Attempt, ChunkId, JobChunkStatus, NewCrawlJob, Priority};

fn ranges(chunks: &[ream::JobChunk]) -> Vec<(u64, u64)> {
    chunks.iter().map(|chunk| (chunk.image_range.start(), chunk.image_range.end())).collect()
}

#[tokio::test]
async fn creating_chunks_gives_the_ranges_of_the_specification_and_its_boundaries() {
    let s = Services::new();
    for (images, last, count) in [
        (1, (0, 0), 1),
        (250, (0, 249), 1),
        (499, (0, 498), 1),
        (500, (0, 499), 1),
        (501, (500, 500), 2),
        (1000, (500, 999), 2),
        (1500, (1000, 1499), 3),
        (2000, (1500, 1999), 4),
        (2500, (2000, 2499), 5),
    ] {
        let job_id = s.job().await;
        let chunks = s.service.create_chunks_for_job(job_id, images, Some(7)).await.unwrap();
        assert_eq!((chunks.len(), chunks.is_empty()), (count, false));
        let chunks = chunks.to_vec().await.unwrap();
        assert_eq!((ranges(&chunks)[0].0, *ranges(&chunks).last().unwrap()), (0, last), "{images} images");
        assert!(ranges(&chunks).windows(2).all(|pair| pair[0] == (pair[1].0 - 500, pair[1].0 - 1)));
        assert!(
            chunks.iter().all(|chunk| chunk.priority.get() == 7 && chunk.status() == JobChunkStatus::Pending)
        );
    }
    let (_, chunks) = s.chunked(2500).await;
    assert_eq!(ranges(&chunks), [(0, 499), (500, 999), (1000, 1499), (1500, 1999), (2000, 2499)]);
    assert!(chunks.iter().all(|chunk| chunk.priority == Priority::DEFAULT), "5 where nothing is said");
}

#[tokio::test]
async fn the_complete_workflow_line_by_line() {
    let s = Services::new();
    let job_id = s.job().await;
    // 1. Create chunks for a job
    let chunks = s.service.create_chunks_for_job(job_id, 2500, Some(7)).await.unwrap();
    assert_eq!(chunks.len(), 5);
    // 2. Get next pending chunk
    let chunk = s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap();
    // 3. Mark as processing
    let processing = s.service.mark_chunk_processing(chunk.id, Some("celery-task-123")).await.unwrap();
    assert_eq!(processing.status(), JobChunkStatus::Processing);
    assert_eq!(processing.task_id.unwrap().as_str(), "celery-task-123");
    // 5. Mark as completed
    let completed = s.service.mark_chunk_completed(chunk.id).await.unwrap();
    assert_eq!(completed.status(), JobChunkStatus::Completed);
    // 6. Update job tracking
    let job = s.service.update_job_chunk_tracking(job_id, -1, 1, 0).await.unwrap();
    let c = job.counters;
    assert_eq!((c.total_chunks, c.active_chunks, c.completed_chunks, c.failed_chunks), (5, 0, 1, 0));
    // 7. Check if job is complete
    assert!(!s.service.check_job_completion(job_id).await.unwrap());
    // 8. Get progress
    let progress = s.service.get_job_chunk_progress(job_id).await.unwrap();
    assert_eq!((progress.pending_chunks, progress.processing_chunks), (4, 0));
    assert_eq!((progress.completed_chunks, progress.failed_chunks), (1, 0));
    assert_eq!((progress.completion_percentage, progress.is_complete), (20.0, false));
}

#[tokio::test]
async fn statistics_and_progress_have_the_keys_of_the_specification() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(2500).await;
    s.service.mark_chunk_completed(chunks[0].id).await.unwrap();
    s.service.mark_chunk_completed(chunks[1].id).await.unwrap();
    s.service.mark_chunk_processing(chunks[2].id, None).await.unwrap();
    let progress = serde_json::to_value(s.service.get_job_chunk_progress(job_id).await.unwrap()).unwrap();
    for (key, value) in [
        ("job_id", job_id.get()),
        ("total_chunks", 5),
        ("pending_chunks", 2),
        ("processing_chunks", 1),
        ("completed_chunks", 2),
        ("failed_chunks", 0),
    ] {
        assert_eq!(progress[key], value, "{key}");
    }
    assert_eq!((&progress["completion_percentage"], &progress["is_complete"]), (&40.0.into(), &false.into()));
    assert!(progress["timestamp"].as_str().unwrap().contains('T'), "{progress}");
    assert_eq!(progress["success_rate"], 100.0);
    s.service.mark_chunk_failed(chunks[3].id, Some("Connection timeout")).await.unwrap();
    let statistics = serde_json::to_value(s.service.get_chunk_statistics(job_id).await.unwrap()).unwrap();
    let numbers = ["total", "pending", "processing", "completed", "failed"]
        .map(|key| statistics[key].as_i64().unwrap());
    assert_eq!(numbers, [5, 1, 1, 2, 1]);
    assert_eq!(statistics["completion_percentage"], 40.0);
    assert!((statistics["success_rate"].as_f64().unwrap() - 200.0 / 3.0).abs() < 1e-9);
    let empty = s.service.get_job_chunk_progress(s.job().await).await.unwrap();
    assert_eq!((empty.completion_percentage, empty.is_complete, empty.success_rate), (0.0, false, 0.0));
}

#[tokio::test]
async fn a_job_is_complete_when_its_last_chunk_is() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(1000).await;
    for (chunk, complete) in chunks.iter().zip([false, true]) {
        s.service.mark_chunk_processing(chunk.id, Some("celery-task-id")).await.unwrap();
        s.service.mark_chunk_completed(chunk.id).await.unwrap();
        assert_eq!(s.service.check_job_completion(job_id).await.unwrap(), complete);
    }
    assert_eq!(s.service.get_job_chunk_progress(job_id).await.unwrap().completion_percentage, 100.0);
    assert!(
        !s.service.check_job_completion(s.job().await).await.unwrap(),
        "without chunks it is not complete"
    );
}

#[tokio::test]
async fn a_failed_chunk_keeps_its_error_and_is_retried_by_hand() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(500).await;
    let id = chunks[0].id;
    s.service.mark_chunk_processing(id, Some("celery-task-id")).await.unwrap();
    let failed = s.service.mark_chunk_failed(id, Some("Connection timeout")).await.unwrap();
    assert_eq!(
        (failed.status(), failed.error_message.as_deref()),
        (JobChunkStatus::Failed, Some("Connection timeout"))
    );
    let retried = s.service.retry_chunk(id).await.unwrap();
    assert_eq!((retried.status(), retried.retry_count), (JobChunkStatus::Pending, 1));
    assert_eq!(s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap().id, id);
    assert_eq!(s.service.get_chunk_by_id(id).await.unwrap(), retried);
    assert_eq!(s.service.mark_chunk_failed(id, None).await.unwrap().error_message, None);
}

#[tokio::test]
async fn the_lists_have_the_chunks_of_their_status() {
    let s = Services::new();
    let (job_id, c) = s.chunked(2500).await;
    s.service.mark_chunk_processing(c[1].id, None).await.unwrap();
    s.service.mark_chunk_completed(c[3].id).await.unwrap();
    s.service.mark_chunk_failed(c[2].id, None).await.unwrap();
    let service = &s.service;
    let lists = [
        (service.get_chunks_for_job(job_id).await.unwrap(), vec![0, 1, 2, 3, 4]),
        (service.get_pending_chunks(job_id).await.unwrap(), vec![0, 4]),
        (service.get_processing_chunks(job_id).await.unwrap(), vec![1]),
        (service.get_completed_chunks(job_id).await.unwrap(), vec![3]),
        (service.get_failed_chunks(job_id).await.unwrap(), vec![2]),
    ];
    for (list, wanted) in lists {
        assert_eq!(list.len(), wanted.len() as u64);
        let found: Vec<u64> = list.to_vec().await.unwrap().iter().map(|chunk| chunk.chunk_index).collect();
        assert_eq!(found, wanted);
    }
    let none = service.get_chunks_for_job(s.job().await).await.unwrap();
    assert!(none.is_empty() && none.to_vec().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_next_pending_chunk_is_the_most_urgent_and_none_when_there_is_none() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(1500).await;
    s.service.set_priority(chunks[2].id, 9).await.unwrap();
    for wanted in [2, 0, 1] {
        for _ in 0..2 {
            let next = s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap();
            assert_eq!(next.chunk_index, wanted, "looking takes nothing");
        }
        s.service.mark_chunk_processing(chunks[wanted as usize].id, None).await.unwrap();
    }
    assert_eq!(s.service.get_next_pending_chunk(job_id).await.unwrap(), None);
}

#[tokio::test]
async fn update_chunk_status_is_the_call_that_it_names() {
    let s = Services::new();
    let (_, chunks) = s.chunked(500).await;
    let id = chunks[0].id;
    let update =
        async |status: &str, message, task| s.service.update_chunk_status(id, status, message, task).await;
    assert_eq!(refusal(update("pending", None, None).await), "wrong_status");
    let chunk = update("processing", None, Some("celery-1")).await.unwrap();
    assert_eq!((chunk.status(), chunk.task_id.unwrap().as_str()), (JobChunkStatus::Processing, "celery-1"));
    assert_eq!(refusal(update("processing", None, Some("celery-1")).await), "wrong_status");
    let released = update("pending", None, None).await.unwrap();
    assert_eq!(
        (released.status(), released.retry_count, released.attempt),
        (JobChunkStatus::Pending, 0, Attempt::new(1))
    );
    let failed = update("failed", Some("Connection timeout"), None).await.unwrap();
    assert_eq!(
        (failed.status(), failed.error_message.as_deref()),
        (JobChunkStatus::Failed, Some("Connection timeout"))
    );
    let retried = update("pending", None, None).await.unwrap();
    assert_eq!((retried.status(), retried.retry_count), (JobChunkStatus::Pending, 1));
    let completed = update("completed", None, None).await.unwrap();
    assert_eq!((completed.status(), completed.error_message), (JobChunkStatus::Completed, None));
    for status in ["pending", "processing", "failed"] {
        assert_eq!(refusal(update(status, None, None).await), "wrong_status", "completed stays completed");
    }
    for unknown in ["", "PENDING", "done", " pending"] {
        assert_eq!(kit::faults(update(unknown, None, None).await), ["status"]);
    }
    let both = s.service.update_chunk_status(ChunkId::new(987_654), "done", None, Some("")).await;
    assert_eq!(
        kit::faults(both),
        ["status", "task_id"],
        "all faults at once, before the chunk is looked for"
    );
}

#[tokio::test]
async fn tracking_never_counts_twice() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(1000).await;
    s.service.mark_chunk_processing(chunks[0].id, Some("celery-1")).await.unwrap();
    for _ in 0..3 {
        let job = s.service.update_job_chunk_tracking(job_id, 1, 0, 0).await.unwrap();
        assert_eq!(job.counters.active_chunks, 1);
        assert_eq!(job.task_ids.iter().map(ream::TaskId::as_str).collect::<Vec<_>>(), ["celery-1"]);
    }
    s.service.mark_chunk_failed(chunks[0].id, None).await.unwrap();
    for deltas in [(-1, 0, 1), (-1, 0, 1), (0, 0, 0), (-600_000_000, 600_000_000, 5)] {
        let job = s.service.update_job_chunk_tracking(job_id, deltas.0, deltas.1, deltas.2).await.unwrap();
        assert_eq!((job.counters.active_chunks, job.counters.failed_chunks), (0, 1));
        assert!(job.task_ids.is_empty());
    }
    assert!(s.jobs.verify(job_id).await.unwrap().is_sound());
}

#[tokio::test]
async fn creating_again_with_the_same_numbers_brings_the_chunks_back() {
    let s = Services::new();
    let job_id = s.job().await;
    let first = s.service.create_chunks_for_job(job_id, 2500, Some(7)).await.unwrap().to_vec().await.unwrap();
    for priority in [Some(7), None] {
        let again = s.service.create_chunks_for_job(job_id, 2500, priority).await.unwrap();
        assert_eq!(again.to_vec().await.unwrap(), first);
    }
    let job = s.jobs.get_crawl_job(job_id).await.unwrap();
    assert_eq!((job.priority.get(), job.max_images, job.counters.total_chunks), (7, Some(2500), 5));
    assert_eq!(
        s.jobs.start(job_id).await.unwrap().to_vec().await.unwrap(),
        first,
        "`start` changes nothing either"
    );
    let ready = NewCrawlJob { max_images: Some(600), ..NewCrawlJob::named("ready") };
    let ready = s.jobs.create_crawl_job(ready).await.unwrap();
    assert_eq!(s.jobs.start(ready.id).await.unwrap().len(), 2);
}
