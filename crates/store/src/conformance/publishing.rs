//! Output waits for its final names from the completion on, until somebody has published it.

use super::TestStore;
use super::kit::{complete, refusal, small, tester};
use ream_core::event::Event;
use ream_core::outcome::Outcome;
use ream_core::{ChunkState, JobChunk};

facts!($ publishing:
    only_completed_chunks_with_output_wait_in_the_order_of_their_images,
    a_published_chunk_waits_no_more,
    a_chunk_that_is_not_as_it_was_is_left_alone,
    what_was_deleted_is_not_published,
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
