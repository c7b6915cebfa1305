//! The audit trail: one row per change of a status, with who, what, from, to and why.

use super::TestStore;
use super::kit::{complete, fail, heartbeat, ids, refusal, small, start, task, tester};
use crate::page::PageRequest;
use crate::repository::{ActivityFilter, Actor, ClaimRequest};
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent};
use ream_core::{Action, Activity, Attempt, ChunkId, JobChunkStatus, JobId};

facts!($ activity:
    every_transition_has_one_row_with_all_its_fields,
    a_claim_is_logged_as_the_workers,
    a_claim_is_logged_as_of_whom_it_names,
    refused_and_repeated_calls_and_heartbeats_leave_no_row,
    acts_on_a_job_have_one_row_each,
    filters_find_exactly_their_rows_newest_first,
);

fn told(row: &Activity) -> (Action, Option<JobChunkStatus>, Option<JobChunkStatus>, Option<i64>, bool) {
    (row.action, row.from_status, row.to_status, row.attempt.map(Attempt::get), row.unfenced)
}

async fn every_transition_has_one_row_with_all_its_fields(s: &TestStore) {
    use JobChunkStatus::{Completed, Failed, Pending, Processing};
    let chunk = s.one_chunk(small("told")).await;
    let one = Some(Attempt::new(1));
    let two = Some(Attempt::new(2));
    let steps = [
        (
            Event::Dispatch { task_id: task("t-1") },
            Action::Dispatched,
            Pending,
            Pending,
            0,
            false,
            Some("t-1"),
            None,
        ),
        (start(Some("t-1")), Action::Started, Pending, Processing, 1, false, Some("t-1"), None),
        (fail(one, "why"), Action::Failed, Processing, Failed, 1, false, Some("t-1"), Some("why")),
        (Event::Retry, Action::Retried, Failed, Pending, 1, false, Some("t-1"), None),
        (start(Some("t-2")), Action::Started, Pending, Processing, 2, false, Some("t-2"), None),
        (
            Event::Release { attempt: Attempt::new(2) },
            Action::Released,
            Processing,
            Pending,
            2,
            false,
            Some("t-2"),
            None,
        ),
        (fail(None, "by hand"), Action::Failed, Pending, Failed, 2, true, None, Some("by hand")),
        (Event::PutBack, Action::Retried, Failed, Pending, 2, false, None, None),
        (start(None), Action::Started, Pending, Processing, 3, false, None, None),
        (Event::PutBack, Action::Released, Processing, Pending, 3, true, None, None),
        (start(Some("t-4")), Action::Started, Pending, Processing, 4, false, Some("t-4"), None),
        (
            complete(Some(Attempt::new(4))),
            Action::Completed,
            Processing,
            Completed,
            4,
            false,
            Some("t-4"),
            None,
        ),
    ];
    assert!(two > one);
    let before = s.log(chunk.job_id).await.len();
    for (n, (event, action, from, to, attempt, unfenced, task_id, message)) in steps.into_iter().enumerate() {
        s.pass_s(1).await;
        let after = s.apply(chunk.id, event).await.unwrap();
        let log = s.log(chunk.job_id).await;
        assert_eq!(log.len(), before + n + 1, "one row for {action}");
        let row = log.last().unwrap();
        assert_eq!(told(row), (action, Some(from), Some(to), Some(attempt), unfenced));
        assert_eq!((row.job_id, row.chunk_id, row.actor.as_str()), (chunk.job_id, Some(chunk.id), "tester"));
        assert_eq!(
            (row.task_id.as_ref().map(ream_core::TaskId::as_str), row.message.as_deref()),
            (task_id, message),
            "{action}"
        );
        assert_eq!(row.created_at, after.updated_at, "written with the chunk");
    }
}

async fn a_claim_is_logged_as_the_workers(s: &TestStore) {
    s.chunked("claimed", 5).await;
    let held = s.claim_one("worker-7").await;
    let row = s.log(held.job_id).await.pop().unwrap();
    assert_eq!(
        (row.actor.as_str(), row.action, row.task_id),
        ("worker-7", Action::Claimed, Some(task("worker-7")))
    );
    assert_eq!((row.attempt, row.chunk_id), (Some(held.attempt), Some(held.id)));
}

async fn a_claim_is_logged_as_of_whom_it_names(s: &TestStore) {
    let (job_id, _) = s.chunked("claimed", 40).await;
    let claim = |worker: &str, actor: Option<&str>| {
        let actor = actor.map(|name| Actor::new(name).unwrap());
        s.repository.claim(ClaimRequest { actor, ..ClaimRequest::new(task(worker), 2) })
    };
    let (a, b, c) = tokio::join!(
        claim("worker-1", Some("crawlers")),
        claim("worker-2", Some("others")),
        claim("worker-3", None)
    );
    for (claimed, worker, actor) in
        [(a, "worker-1", "crawlers"), (b, "worker-2", "others"), (c, "worker-3", "worker-3")]
    {
        let mut of_actor = ids(claimed.unwrap().iter().map(|claimed| &claimed.chunk));
        assert_eq!(of_actor.len(), 2);
        for row in s.log(job_id).await.iter().filter(|row| row.actor == actor) {
            assert_eq!((row.action, &row.task_id), (Action::Claimed, &Some(task(worker))));
            of_actor.retain(|id| Some(*id) != row.chunk_id.map(ChunkId::get));
        }
        assert!(of_actor.is_empty(), "{actor}");
    }
}

async fn refused_and_repeated_calls_and_heartbeats_leave_no_row(s: &TestStore) {
    s.chunked("quiet", 10).await;
    let held = s.claim_one("worker").await;
    let before = s.log(held.job_id).await;
    s.apply(held.id, heartbeat(held.attempt)).await.unwrap();
    assert_eq!(refusal(s.apply(held.id, start(None)).await), "wrong_status");
    assert_eq!(refusal(s.apply(held.id, complete(Some(Attempt::new(5)))).await), "lease_lost");
    assert_eq!(refusal(s.create(held.job_id, 11, None).await), "already_chunked");
    assert_eq!(refusal(s.repository.split_chunk(held.id, 2, &tester()).await), "wrong_status");
    assert_eq!(s.log(held.job_id).await, before);
}

async fn acts_on_a_job_have_one_row_each(s: &TestStore) {
    let job_id = s.job(small("acts")).await.id;
    s.create(job_id, 10, Some(6)).await.unwrap();
    let named = JobChanges { name: Some("renamed".to_owned()), ..JobChanges::default() };
    s.update(job_id, named).await.unwrap();
    let urgent = JobChanges { priority: Some(super::kit::priority(9)), ..JobChanges::default() };
    s.update(job_id, urgent).await.unwrap();
    while s.repository.propagate_priority_step().await.unwrap() {}
    for act in [JobEvent::Pause, JobEvent::Resume, JobEvent::Cancel { reason: Some("enough".to_owned()) }] {
        s.act(job_id, act).await.unwrap();
    }
    s.repository.delete_job(job_id, &tester()).await.unwrap();
    let log = s.log(job_id).await;
    let actions: Vec<&str> = log.iter().map(|row| row.action.as_str()).collect();
    let wanted = [
        "job_created",
        "chunks_created",
        "job_updated",
        "priority_set",
        "paused",
        "resumed",
        "cancelled",
        "deleted",
    ];
    assert_eq!(actions, wanted);
    assert!(log.iter().all(|row| row.actor == "tester" && row.chunk_id.is_none() && row.attempt.is_none()));
    assert!(log[1].message.as_ref().unwrap().contains("2 chunks for 10 images"), "{:?}", log[1]);
    assert!(log.windows(2).all(|pair| pair[0].id < pair[1].id && pair[0].created_at <= pair[1].created_at));
}

async fn filters_find_exactly_their_rows_newest_first(s: &TestStore) {
    let (first, a) = s.chunked("a", 10).await;
    let (second, b) = s.chunked("b", 10).await;
    for (n, chunk) in a.iter().chain(&b).enumerate() {
        s.claim(&format!("worker-{}", n % 2), 1).await;
        s.apply(chunk.id, fail(None, "fault")).await.unwrap();
    }
    let by_other = Actor::new("somebody else").unwrap();
    s.repository.apply(vec![(a[1].id, Event::Retry)], &by_other).await.unwrap();
    let all =
        s.repository.list_activity(ActivityFilter::default(), PageRequest::largest()).await.unwrap().items;
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let filters = [
        ActivityFilter { job_id: Some(second), ..ActivityFilter::default() },
        ActivityFilter { chunk_id: Some(a[1].id), ..ActivityFilter::default() },
        ActivityFilter { actor: Some("worker-1".to_owned()), ..ActivityFilter::default() },
        ActivityFilter { action: Some(Action::Claimed), ..ActivityFilter::default() },
        ActivityFilter { job_id: Some(first), action: Some(Action::Failed), ..ActivityFilter::default() },
        ActivityFilter {
            chunk_id: Some(b[0].id),
            actor: Some("tester".to_owned()),
            ..ActivityFilter::default()
        },
        ActivityFilter { job_id: Some(JobId::new(987_654)), ..ActivityFilter::default() },
    ];
    for (n, filter) in filters.into_iter().enumerate() {
        let wanted: Vec<Activity> = all
            .iter()
            .filter(|row| filter.job_id.is_none_or(|id| row.job_id == id))
            .filter(|row| filter.chunk_id.is_none_or(|id| row.chunk_id == Some(id)))
            .filter(|row| filter.actor.as_ref().is_none_or(|actor| row.actor == *actor))
            .filter(|row| filter.action.is_none_or(|action| row.action == action))
            .cloned()
            .collect();
        let found = s.repository.list_activity(filter, PageRequest::largest()).await.unwrap().items;
        assert_eq!(found, wanted, "filter {n}");
        assert_eq!(found.is_empty(), n == 6, "filter {n}");
    }
}
