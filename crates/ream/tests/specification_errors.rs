//! Protects the specification's errors: which call refuses what, in which order the checks run, and what they name.
#![allow(clippy::unwrap_used)]

mod kit;

use kit::{Services, faults, refusal};
use ream::{
    Attempt, ChunkId, Completion, Heartbeat, ImageRange, JobChunkStatus, JobId, MAX_CALL_ITEMS, NewChunk,
    NewCrawlJob, Outcome,
};

#[tokio::test]
async fn an_unknown_job_is_not_found_by_every_call() {
    let s = Services::new();
    let (nowhere, service) = (JobId::new(999), &s.service);
    let error = service.create_chunks_for_job(nowhere, 1000, None).await.map(drop).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), ("not_found", "job 999 does not exist"));
    assert_eq!(refusal(service.get_chunks_for_job(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_pending_chunks(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_processing_chunks(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_completed_chunks(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_failed_chunks(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_next_pending_chunk(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_chunk_statistics(nowhere).await), "not_found");
    assert_eq!(refusal(service.get_job_chunk_progress(nowhere).await), "not_found");
    assert_eq!(refusal(service.check_job_completion(nowhere).await), "not_found");
    assert_eq!(refusal(service.update_job_chunk_tracking(nowhere, 0, 0, 0).await), "not_found");
    assert_eq!(refusal(s.jobs.start(nowhere).await), "not_found");
    assert_eq!(refusal(s.jobs.pause(nowhere).await), "not_found");
    assert_eq!(refusal(s.jobs.retry(nowhere).await), "not_found");
    assert_eq!(refusal(s.jobs.delete(nowhere).await), "not_found");
}

#[tokio::test]
async fn an_unknown_chunk_is_not_found_by_every_call() {
    let s = Services::new();
    let (nowhere, service) = (ChunkId::new(999), &s.service);
    assert_eq!(refusal(service.get_chunk_by_id(nowhere).await), "not_found");
    assert_eq!(refusal(service.mark_chunk_processing(nowhere, Some("celery-1")).await), "not_found");
    assert_eq!(refusal(service.mark_chunk_completed(nowhere).await), "not_found");
    assert_eq!(refusal(service.mark_chunk_failed(nowhere, None).await), "not_found");
    assert_eq!(refusal(service.retry_chunk(nowhere).await), "not_found");
    assert_eq!(refusal(service.update_chunk_status(nowhere, "failed", None, None).await), "not_found");
    assert_eq!(refusal(service.release(nowhere, Attempt::new(1)).await), "not_found");
    assert_eq!(refusal(service.split_chunk(nowhere, 2).await), "not_found");
    assert_eq!(refusal(service.set_priority(nowhere, 5).await), "not_found");
    assert_eq!(refusal(service.dispatch(nowhere, "celery-1").await), "not_found");
}

#[tokio::test]
async fn invalid_numbers_are_named_with_all_that_is_wrong_before_anything_else() {
    let s = Services::new();
    let job_id = s.job().await;
    for target in [job_id, JobId::new(999)] {
        for images in [0, -1, i64::MIN] {
            let refused = s.service.create_chunks_for_job(target, images, None).await.map(drop);
            assert_eq!(faults(refused), ["max_images"]);
        }
        for priority in [-1, 11, i64::MAX, i64::MIN] {
            let refused = s.service.create_chunks_for_job(target, 10, Some(priority)).await.map(drop);
            assert_eq!(faults(refused), ["priority"]);
        }
        let both = s.service.create_chunks_for_job(target, 0, Some(11)).await.map(drop);
        assert_eq!(faults(both), ["max_images", "priority"]);
    }
    let error = s.service.create_chunks_for_job(job_id, 10, Some(11)).await.map(drop).unwrap_err();
    assert!(
        error.to_string().contains("`priority` is 11") && error.to_string().contains("0 to 10"),
        "{error}"
    );
    for priority in [0, 10] {
        let job_id = s.job().await;
        s.service.create_chunks_for_job(job_id, 1, Some(priority)).await.map(drop).unwrap();
    }
    assert_eq!(faults(s.jobs.start(job_id).await.map(drop)), ["max_images"], "unknown yet");
    let refused = s.service.update_job_chunk_tracking(JobId::new(999), i64::MIN, i64::MAX, 600_000_001).await;
    assert_eq!(faults(refused), ["active_delta", "completed_delta", "failed_delta"]);
    assert_eq!(faults(s.service.mark_chunk_processing(ChunkId::new(999), Some("")).await), ["task_id"]);
    assert_eq!(faults(s.service.set_priority(ChunkId::new(999), 11).await), ["priority"]);
}

#[tokio::test]
async fn other_numbers_for_a_job_with_chunks_are_a_conflict() {
    let s = Services::new();
    let (job_id, before) = s.chunked(2500).await;
    assert_eq!(refusal(s.service.create_chunks_for_job(job_id, 2501, None).await), "already_chunked");
    assert_eq!(refusal(s.service.create_chunks_for_job(job_id, 2500, Some(6)).await), "already_chunked");
    let whole = NewChunk { chunk_index: 0, image_range: ImageRange::new(0, 2499).unwrap(), priority: None };
    assert_eq!(refusal(s.service.bulk_create(job_id, vec![whole]).await), "already_chunked");
    assert_eq!(s.service.get_chunks_for_job(job_id).await.unwrap().to_vec().await.unwrap(), before);
    let gap = NewChunk { chunk_index: 0, image_range: ImageRange::new(1, 9).unwrap(), priority: None };
    let other = s.job().await;
    assert_eq!(refusal(s.service.bulk_create(other, vec![gap]).await), "validation");
    assert_eq!(s.service.bulk_create(other, vec![whole]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn moves_from_the_wrong_status_are_conflicts() {
    let s = Services::new();
    let (_, chunks) = s.chunked(500).await;
    let id = chunks[0].id;
    assert_eq!(refusal(s.service.retry_chunk(id).await), "wrong_status");
    s.service.mark_chunk_processing(id, Some("celery-1")).await.unwrap();
    let again = s.service.mark_chunk_processing(id, Some("celery-1")).await.unwrap_err();
    assert_eq!(again.code(), "wrong_status", "it may be a redelivered copy");
    assert!(again.to_string().contains("`celery-1`"), "{again}");
    assert_eq!(refusal(s.service.retry_chunk(id).await), "wrong_status");
    assert_eq!(refusal(s.service.split_chunk(id, 2).await), "wrong_status");
    s.service.mark_chunk_completed(id).await.unwrap();
    assert_eq!(refusal(s.service.mark_chunk_failed(id, None).await), "wrong_status");
    assert_eq!(refusal(s.service.mark_chunk_processing(id, None).await), "wrong_status");
    assert_eq!(
        s.service.mark_chunk_completed(id).await.unwrap().status(),
        JobChunkStatus::Completed,
        "no change"
    );
}

#[tokio::test]
async fn who_gives_an_attempt_is_fenced() {
    let s = Services::new();
    let (_, chunks) = s.chunked(500).await;
    let claimed = s.claim("worker", 1).await.remove(0);
    let stale = (chunks[0].id, Attempt::new(9));
    let beat = |attempt| Heartbeat { chunk_id: chunks[0].id, attempt, progress: None };
    assert_eq!(refusal(s.service.mark_chunk_completed(stale).await), "lease_lost");
    assert_eq!(refusal(s.service.mark_chunk_failed(stale, None).await), "lease_lost");
    assert_eq!(refusal(s.service.release(stale.0, stale.1).await), "lease_lost");
    assert_eq!(refusal(s.service.heartbeat(beat(stale.1)).await), "lease_lost");
    assert!(s.service.heartbeat(beat(claimed.chunk.attempt)).await.unwrap().reason.is_none());
    s.service.mark_chunk_completed(chunks[0].id).await.unwrap();
    let late = s.service.mark_chunk_completed(&claimed).await.unwrap_err();
    assert!(late.is_lease_lost(), "an operator's word has ended the lease: {late}");
}

#[tokio::test]
async fn calls_with_many_items_judge_each_alone_up_to_their_limit() {
    let s = Services::new();
    let (job_id, chunks) = s.chunked(2500).await;
    let bad = Outcome { outputs: vec!["../escape".to_owned()], ..Outcome::default() };
    let answers = s
        .service
        .complete_many(vec![
            Completion::from(chunks[0].id),
            Completion::from((chunks[1].id, Attempt::new(1))),
            Completion::with_outcome(chunks[2].id, bad),
            Completion::from(ChunkId::new(999)),
        ])
        .await
        .unwrap();
    let told: Vec<_> =
        answers.iter().map(|a| a.as_ref().map_or_else(ream::Error::code, |c| c.status().as_str())).collect();
    assert_eq!(told, ["completed", "lease_lost", "validation", "not_found"]);
    let many = vec![Completion::from(chunks[3].id); MAX_CALL_ITEMS + 1];
    assert_eq!(faults(s.service.complete_many(many).await), ["items"]);
    assert_eq!(s.service.get_chunk_statistics(job_id).await.unwrap().completed, 1);
    assert!(s.service.heartbeat_many(vec![]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_list_that_is_too_long_is_refused_whole_and_read_as_a_stream() {
    use futures::TryStreamExt;
    let s = Services::new();
    let new = NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("long") };
    let job_id = s.jobs.create_crawl_job(new).await.unwrap().id;
    let list = s.service.create_chunks_for_job(job_id, 100_001, None).await.unwrap();
    let error = list.to_vec().await.unwrap_err();
    assert!(error.code() == "validation" && error.to_string().contains("stream"), "{error}");
    let mut next_image = 0;
    let mut stream = std::pin::pin!(list.stream());
    while let Some(chunk) = stream.try_next().await.unwrap() {
        assert_eq!(chunk.image_range.start(), next_image);
        next_image += 1;
    }
    assert_eq!(next_image, 100_001, "nothing is cut silently");
    s.service
        .mark_chunk_completed(s.service.get_next_pending_chunk(job_id).await.unwrap().unwrap().id)
        .await
        .unwrap();
    let pending = s.service.get_pending_chunks(job_id).await.unwrap();
    assert_eq!(pending.to_vec().await.unwrap().len(), 100_000, "as long as a whole list may be");
}

#[tokio::test]
async fn a_database_out_of_reach_is_named_and_no_url_is_repeated() {
    let missing = tempfile::tempdir().unwrap().path().join("gone").join("ream.db");
    let Err(error) = ream::open(&format!("sqlite:{}", missing.display())).await else { panic!("opened") };
    assert!(error.code() == "unavailable" && error.is_unavailable(), "{error}");
    let Err(error) = ream::open("mysql://user:secret@host/db").await else { panic!("opened") };
    assert!(error.code() == "validation" && !error.to_string().contains("secret"), "{error}");
}
