//! The checks find what is wrong, say nothing where all is well, and the repair mends the counters.

use super::TestStore;
use super::kit::{complete, fail, small, start, task, tester};
use ream_core::cover::CoverFault;
use ream_core::event::Event;

facts!($ verify:
    a_job_in_every_status_is_sound,
    a_broken_cover_is_named,
    spoiled_counters_are_found_and_mended,
    a_repair_of_true_counters_changes_nothing,
    a_job_without_chunks_is_sound,
    the_schema_is_whole,
);

async fn a_job_in_every_status_is_sound(s: &TestStore) {
    let (job_id, chunks) = s.chunked("all", 23).await;
    s.apply(chunks[0].id, start(None)).await.unwrap();
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    s.apply(chunks[2].id, fail(None, "fault")).await.unwrap();
    s.apply(chunks[3].id, Event::Dispatch { task_id: task("celery-1") }).await.unwrap();
    let verdict = s.repository.verify_job(job_id).await.unwrap();
    assert!(verdict.is_sound() && !verdict.creation_unfinished, "{verdict:?}");
    assert_eq!((verdict.job_id, verdict.chunks), (job_id, 5));
    assert_eq!((verdict.counted.total_chunks, verdict.counted.completed_images), (5, 5));
}

async fn a_broken_cover_is_named(s: &TestStore) {
    let (job_id, _) = s.chunked("broken", 15).await;
    let (other, _) = s.chunked("whole", 15).await;
    s.hooks.break_cover(job_id).await;
    let verdict = s.repository.verify_job(job_id).await.unwrap();
    assert!(!verdict.is_sound());
    assert_eq!(verdict.cover_faults, [CoverFault::Gap { start: 4, end: 4 }]);
    s.sound(other).await;
}

async fn spoiled_counters_are_found_and_mended(s: &TestStore) {
    let (job_id, chunks) = s.chunked("spoiled", 20).await;
    s.apply(chunks[0].id, start(Some("celery-1"))).await.unwrap();
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    let truth = s.get(job_id).await.counters;
    s.hooks.spoil_counters(job_id).await;
    let verdict = s.repository.verify_job(job_id).await.unwrap();
    assert!(!verdict.is_sound());
    assert_eq!((verdict.counted, verdict.counters.failed_chunks), (truth, 1));
    s.pass_s(1).await;
    let job = s.repository.repair_counters(job_id, &tester()).await.unwrap();
    assert_eq!((job.counters, &job.task_ids), (truth, &vec![task("celery-1")]));
    assert_eq!(s.get(job_id).await, job);
    s.sound(job_id).await;
    let row = s.log(job_id).await.pop().unwrap();
    assert_eq!((row.action.as_str(), row.actor.as_str()), ("repaired", "tester"));
    s.apply(chunks[2].id, fail(None, "fault")).await.unwrap();
    s.counts(job_id, [1, 1, 1, 1]).await;
}

async fn a_repair_of_true_counters_changes_nothing(s: &TestStore) {
    let (job_id, chunks) = s.chunked("true", 10).await;
    s.apply(chunks[0].id, start(Some("celery-1"))).await.unwrap();
    let before = (s.get(job_id).await, s.log(job_id).await);
    s.pass_s(1).await;
    assert_eq!(s.repository.repair_counters(job_id, &tester()).await.unwrap(), before.0);
    assert_eq!((s.get(job_id).await, s.log(job_id).await), before);
}

async fn a_job_without_chunks_is_sound(s: &TestStore) {
    let job_id = s.job(small("empty")).await.id;
    let verdict = s.repository.verify_job(job_id).await.unwrap();
    assert!(verdict.is_sound() && !verdict.creation_unfinished);
    assert_eq!(verdict.chunks, 0);
    s.repository.repair_counters(job_id, &tester()).await.unwrap();
}

async fn the_schema_is_whole(s: &TestStore) {
    assert_eq!(s.repository.verify_schema().await.unwrap(), Vec::<String>::new());
}
