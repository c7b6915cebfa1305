//! Hand-over to a task queue: the chunk stays pending, and others pass over it until its time is over.

use super::TestStore;
use super::kit::{refusal, small, start, task, with_policy};
use ream_core::chunk::Dispatch;
use ream_core::event::Event;
use ream_core::job_event::JobEvent;
use ream_core::policy::PolicyFields;
use ream_core::{Attempt, ChunkState, JobChunkStatus};

facts!($ dispatch:
    a_dispatched_chunk_is_pending_and_passed_over,
    only_its_own_task_starts_it,
    an_overdue_dispatch_is_anybodys,
    an_overdue_dispatch_may_be_dispatched_again,
    a_chunk_that_cannot_start_is_not_dispatched,
    a_retried_chunk_has_lost_its_dispatch,
);

fn to(name: &str) -> Event {
    Event::Dispatch { task_id: task(name) }
}

async fn a_dispatched_chunk_is_pending_and_passed_over(s: &TestStore) {
    let (job_id, chunks) = s.chunked("queue", 15).await;
    let sent = s.apply(chunks[0].id, to("celery-1")).await.unwrap();
    let dispatched_at = sent.updated_at;
    let dispatch = Dispatch { dispatched_at, redispatch_at: dispatched_at.plus_s(600) };
    assert_eq!(sent.state, ChunkState::Pending { dispatch: Some(dispatch) });
    assert_eq!(
        (&sent.task_id, sent.attempt, sent.started_at),
        (&Some(task("celery-1")), Attempt::NEVER, None)
    );
    assert_eq!(s.chunk(sent.id).await, sent);
    s.counts(job_id, [3, 0, 0, 0]).await;
    assert_eq!(s.get(job_id).await.task_ids, [], "nobody works on it yet");
    s.pass_s(400).await;
    let taken = s.claim("worker", 10).await;
    assert_eq!(taken.iter().map(|c| c.chunk.id).collect::<Vec<_>>(), [chunks[1].id, chunks[2].id]);
    assert_eq!(s.actions(sent.id).await, ["dispatched"]);
}

async fn only_its_own_task_starts_it(s: &TestStore) {
    let chunk = s.one_chunk(small("own")).await;
    s.apply(chunk.id, to("celery-1")).await.unwrap();
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-2"))).await), "wrong_status");
    assert_eq!(refusal(s.apply(chunk.id, start(None)).await), "wrong_status");
    let started = s.apply(chunk.id, start(Some("celery-1"))).await.unwrap();
    assert_eq!((started.status(), started.attempt), (JobChunkStatus::Processing, Attempt::new(1)));
    assert_eq!(s.chunk(chunk.id).await, started);
    s.pass_s(1000).await;
    assert_eq!(s.claim("worker", 1).await, [], "the time to redispatch is gone with the start");
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-1"))).await), "wrong_status");
}

async fn an_overdue_dispatch_is_anybodys(s: &TestStore) {
    let (job_id, chunks) = s.chunked("overdue", 10).await;
    s.apply(chunks[0].id, to("celery-1")).await.unwrap();
    s.apply(chunks[1].id, to("celery-2")).await.unwrap();
    s.pass_s(600).await;
    let started = s.apply(chunks[1].id, start(Some("celery-3"))).await.unwrap();
    assert_eq!(started.task_id, Some(task("celery-3")));
    let taken = s.claim_one("worker").await;
    assert_eq!((taken.id, &taken.task_id), (chunks[0].id, &Some(task("worker"))));
    assert_eq!(refusal(s.apply(chunks[0].id, start(Some("celery-1"))).await), "wrong_status");
    s.counts(job_id, [0, 2, 0, 0]).await;
}

async fn an_overdue_dispatch_may_be_dispatched_again(s: &TestStore) {
    let fields = PolicyFields { redispatch_after_s: 77, ..PolicyFields::default() };
    let chunk = s.one_chunk(with_policy("lost task", fields)).await;
    let sent = s.apply(chunk.id, to("celery-1")).await.unwrap();
    let ChunkState::Pending { dispatch: Some(dispatch) } = sent.state else { panic!("{sent:?}") };
    assert_eq!(dispatch.redispatch_at.ms_since(dispatch.dispatched_at), 77_000);
    assert_eq!(refusal(s.apply(chunk.id, to("celery-2")).await), "wrong_status");
    s.pass_s(77).await;
    let again = s.apply(chunk.id, to("celery-2")).await.unwrap();
    assert_eq!(again.task_id, Some(task("celery-2")));
    assert_eq!(s.claim("worker", 1).await, []);
    assert_eq!(refusal(s.apply(chunk.id, start(Some("celery-1"))).await), "wrong_status");
    s.apply(chunk.id, start(Some("celery-2"))).await.unwrap();
}

async fn a_chunk_that_cannot_start_is_not_dispatched(s: &TestStore) {
    let (job_id, chunks) = s.chunked("stopped", 10).await;
    s.apply(chunks[0].id, start(None)).await.unwrap();
    assert_eq!(refusal(s.apply(chunks[0].id, to("celery-1")).await), "wrong_status");
    s.apply(chunks[1].id, to("celery-1")).await.unwrap();
    s.act(job_id, JobEvent::Pause).await.unwrap();
    assert_eq!(refusal(s.apply(chunks[1].id, start(Some("celery-1"))).await), "job_not_running");
    s.pass_s(600).await;
    assert_eq!(refusal(s.apply(chunks[1].id, to("celery-2")).await), "job_not_running");
}

async fn a_retried_chunk_has_lost_its_dispatch(s: &TestStore) {
    let chunk = s.one_chunk(small("failed while dispatched")).await;
    s.apply(chunk.id, to("celery-1")).await.unwrap();
    let failed = s.apply(chunk.id, super::kit::fail(None, "broker down")).await.unwrap();
    assert_eq!(failed.state, ChunkState::Failed { retry_at: None });
    s.apply(chunk.id, Event::Retry).await.unwrap();
    assert_eq!(s.claim_one("worker").await.id, chunk.id);
}
