//! Output waits for its final names from the completion on, until somebody has published it.

use super::TestStore;
use super::kit::{complete, refusal, small, tester};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::outcome::Outcome;
use ream_core::{ChunkState, JobChunk, JobId};
use std::time::Duration;

facts!($ publishing:
    only_completed_chunks_with_output_wait_in_the_order_of_their_images,
    a_published_chunk_waits_no_more,
    a_chunk_that_is_not_as_it_was_is_left_alone,
    what_was_deleted_is_not_published,
    output_that_waits_for_long_is_somebodys_to_finish,
    an_end_is_somebodys_to_finish_until_its_summary_is_noted,
    a_job_that_ended_again_is_to_be_finished_again,
    chunks_that_were_completed_since_are_to_be_told_of,
    only_datasets_of_reams_jobs_that_are_there_are_to_be_finished,
    what_is_to_be_finished_is_found_page_by_page,
);

async fn done(s: &TestStore, chunk: &JobChunk, outputs: &[&str]) -> JobChunk {
    let outputs = outputs.iter().map(|name| (*name).to_owned()).collect();
    let outcome = Some(Outcome { images_ok: 5, outputs, ..Outcome::default() });
    s.apply(chunk.id, Event::Complete { attempt: None, outcome }).await.unwrap()
}

async fn only_completed_chunks_with_output_wait_in_the_order_of_their_images(s: &TestStore) {
    let (job_id, c) = s.chunked("output", 30).await;
    let (other, more) = s.chunked("other", 5).await;
    done(s, &more[0], &["9.tar"]).await;
    for n in [4, 1, 2] {
        done(s, &c[n], &["a.tar", "a.parquet"]).await;
    }
    done(s, &c[3], &[]).await;
    s.apply(c[5].id, complete(None)).await.unwrap();
    let waiting = async |limit| -> Vec<u64> {
        super::kit::indexes(&s.repository.list_unpublished(job_id, limit).await.unwrap())
    };
    assert_eq!(waiting(10).await, [1, 2, 4]);
    assert_eq!(waiting(2).await, [1, 2]);
    assert_eq!(s.repository.list_unpublished(other, 10).await.unwrap().len(), 1);
    assert_eq!(s.repository.list_unpublished(job_id, 1).await.unwrap(), [s.chunk(c[1].id).await]);
}

async fn a_published_chunk_waits_no_more(s: &TestStore) {
    let chunk = s.one_chunk(small("published")).await;
    let finished = done(s, &chunk, &["a.tar"]).await;
    assert_eq!(finished.state, ChunkState::Completed { unpublished: true });
    s.pass_s(1).await;
    s.repository.mark_published(&finished).await.unwrap();
    let published = s.chunk(chunk.id).await;
    assert_eq!(published.state, ChunkState::Completed { unpublished: false });
    assert!(published.updated_at > finished.updated_at);
    assert_eq!(s.repository.list_unpublished(chunk.job_id, 10).await.unwrap(), []);
    s.pass_s(1).await;
    s.repository.mark_published(&finished).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await, published, "as often as need be");
    s.sound(chunk.job_id).await;
}

async fn a_chunk_that_is_not_as_it_was_is_left_alone(s: &TestStore) {
    let chunk = s.one_chunk(small("another attempt")).await;
    s.repository.mark_published(&chunk).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await, chunk, "it is not even completed");
    let held = s.claim_one("worker").await;
    let finished = done(s, &held, &["a.tar"]).await;
    s.repository.mark_published(&chunk).await.unwrap();
    assert_eq!(s.chunk(chunk.id).await, finished, "completed in a later attempt");
}

async fn what_was_deleted_is_not_published(s: &TestStore) {
    let chunk = s.one_chunk(small("deleted")).await;
    let finished = done(s, &chunk, &["a.tar"]).await;
    s.repository.delete_job(chunk.job_id, &tester()).await.unwrap();
    assert_eq!(refusal(s.repository.mark_published(&finished).await), "not_found");
    assert_eq!(refusal(s.repository.list_unpublished(chunk.job_id, 10).await), "not_found");
}

/// A chunk of a job with a dataset of its own.
async fn with_dataset(s: &TestStore, dataset: &str) -> JobChunk {
    s.one_chunk(NewCrawlJob { dataset: Some(dataset.to_owned()), ..small("dataset") }).await
}

async fn unfinished(s: &TestStore, waiting_s: u64, limit: u32) -> Vec<JobId> {
    s.repository.list_unfinished_datasets(Duration::from_secs(waiting_s), None, limit).await.unwrap()
}

async fn output_that_waits_for_long_is_somebodys_to_finish(s: &TestStore) {
    let (first, second) = (with_dataset(s, "out/1").await, with_dataset(s, "out/2").await);
    let finished = done(s, &first, &["a.tar"]).await;
    assert_eq!(unfinished(s, 30, 10).await, []);
    s.pass_s(31).await;
    done(s, &second, &["a.tar"]).await;
    assert_eq!(unfinished(s, 30, 10).await, [first.job_id]);
    assert_eq!(unfinished(s, 0, 10).await, [first.job_id, second.job_id]);
    assert_eq!(unfinished(s, 0, 1).await, [first.job_id]);
    s.repository.mark_published(&finished).await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, [second.job_id]);
}

async fn an_end_is_somebodys_to_finish_until_its_summary_is_noted(s: &TestStore) {
    let chunk = with_dataset(s, "out").await;
    done(s, &chunk, &[]).await;
    assert_eq!(unfinished(s, 0, 10).await, []);
    s.repository.announce_ends().await.unwrap();
    let cancelled = with_dataset(s, "cancelled").await.job_id;
    s.act(cancelled, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, [chunk.job_id, cancelled]);
    assert_eq!(unfinished(s, 0, 1).await.len(), 1);
    let job = s.get(chunk.job_id).await;
    for _ in 0..2 {
        assert!(s.repository.mark_dataset_finished(&job).await.unwrap());
        assert_eq!(unfinished(s, 0, 10).await, [cancelled]);
    }
    assert_eq!(s.get(chunk.job_id).await, job);
}

async fn a_job_that_ended_again_is_to_be_finished_again(s: &TestStore) {
    let chunk = with_dataset(s, "out").await;
    s.apply(chunk.id, Event::Fail { attempt: None, message: None }).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    let failed = s.get(chunk.job_id).await;
    assert!(s.repository.mark_dataset_finished(&failed).await.unwrap());
    s.pass_s(1).await;
    s.apply(chunk.id, Event::Retry).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, []);
    assert!(!s.repository.mark_dataset_finished(&failed).await.unwrap(), "it has not ended any more");
    done(s, &chunk, &[]).await;
    s.repository.announce_ends().await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, [chunk.job_id]);
    assert!(!s.repository.mark_dataset_finished(&failed).await.unwrap(), "an end that is over");
    assert_eq!(unfinished(s, 0, 10).await, [chunk.job_id]);
    assert!(s.repository.mark_dataset_finished(&s.get(chunk.job_id).await).await.unwrap());
    assert_eq!(unfinished(s, 0, 10).await, []);
}

async fn chunks_that_were_completed_since_are_to_be_told_of(s: &TestStore) {
    let chunk = with_dataset(s, "out").await;
    s.apply(chunk.id, Event::Fail { attempt: None, message: None }).await.unwrap();
    s.repository.announce_ends().await.unwrap();
    assert!(s.repository.mark_dataset_finished(&s.get(chunk.job_id).await).await.unwrap());
    // Before anybody has looked for ends again.
    s.apply(chunk.id, Event::Retry).await.unwrap();
    done(s, &chunk, &[]).await;
    s.repository.announce_ends().await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, [chunk.job_id]);
}

async fn only_datasets_of_reams_jobs_that_are_there_are_to_be_finished(s: &TestStore) {
    let without = s.one_chunk(small("no dataset")).await;
    done(s, &without, &["a.tar"]).await;
    let executor = Some(Executor::External);
    let others =
        s.one_chunk(NewCrawlJob { executor, dataset: Some("others".to_owned()), ..small("others") }).await;
    done(s, &others, &["a.tar"]).await;
    let deleted = with_dataset(s, "out").await;
    done(s, &deleted, &["a.tar"]).await;
    s.repository.announce_ends().await.unwrap();
    let job = s.get(deleted.job_id).await;
    s.repository.delete_job(deleted.job_id, &tester()).await.unwrap();
    assert_eq!(unfinished(s, 0, 10).await, []);
    assert_eq!(refusal(s.repository.mark_dataset_finished(&job).await), "not_found");
}

async fn what_is_to_be_finished_is_found_page_by_page(s: &TestStore) {
    let mut all = Vec::new();
    for n in 0..5 {
        let chunk = with_dataset(s, &format!("out/{n}")).await;
        // Some wait to be published, others to be told of.
        done(s, &chunk, if n % 2 == 0 { &["a.tar"] } else { &[] }).await;
        all.push(chunk.job_id);
    }
    s.repository.announce_ends().await.unwrap();
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = s.repository.list_unfinished_datasets(Duration::ZERO, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        found.extend(page);
    }
    assert_eq!(found, all);
}
