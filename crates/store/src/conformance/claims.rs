//! Claims: the most urgent job first, then the most urgent chunk; each chunk to one worker.

use super::TestStore;
use super::kit::{complete, ids, indexes, priority, refusal, small, task, with_policy};
use crate::repository::ClaimRequest;
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::policy::PolicyFields;
use ream_core::{Attempt, JobId, Timestamp};

facts!($ claims:
    jobs_go_by_priority_then_age_and_chunks_by_priority_then_index,
    a_chunks_own_priority_does_not_reach_over_its_job,
    many_jobs_keep_their_order,
    a_claim_gives_the_lease_and_all_that_a_holder_needs,
    the_lease_begins_by_the_databases_clock,
    a_limit_out_of_range_is_refused,
    a_limit_spans_jobs_and_is_never_exceeded,
    a_claim_may_name_a_job_or_an_executor,
    paused_and_cancelled_jobs_give_nothing,
    nothing_to_do_is_an_empty_answer,
    ten_claimers_at_once_share_out_every_chunk_once,
    a_wake_up_comes_when_chunks_become_startable,
);

async fn urgent(s: &TestStore, name: &str, number: i64, images: u64) -> JobId {
    s.chunked_as(NewCrawlJob { priority: priority(number), ..small(name) }, images).await.0
}

async fn jobs_go_by_priority_then_age_and_chunks_by_priority_then_index(s: &TestStore) {
    let low = urgent(s, "low", 1, 10).await;
    let first = urgent(s, "first of two", 6, 15).await;
    let second = urgent(s, "second of two", 6, 10).await;
    let top = urgent(s, "top", 9, 5).await;
    let chunks = s.chunks(first, None).await;
    s.apply(chunks[2].id, Event::SetPriority(priority(7))).await.unwrap();
    s.apply(chunks[0].id, Event::SetPriority(priority(0))).await.unwrap();
    let mut order = Vec::new();
    for _ in 0..8 {
        s.hooks.shift_clock(3).await;
        let chunk = s.claim_one("worker").await;
        order.push((chunk.job_id, chunk.chunk_index));
    }
    let wanted = [(top, 0), (first, 2), (first, 1), (first, 0), (second, 0), (second, 1), (low, 0), (low, 1)];
    assert_eq!(order, wanted);
    assert_eq!(s.claim("worker", 1).await, []);
}

async fn a_chunks_own_priority_does_not_reach_over_its_job(s: &TestStore) {
    let low = urgent(s, "low", 1, 5).await;
    let high = urgent(s, "high", 2, 5).await;
    let chunk = s.chunks(low, None).await.remove(0);
    s.apply(chunk.id, Event::SetPriority(priority(10))).await.unwrap();
    assert_eq!(s.claim_one("worker").await.job_id, high);
    s.update(low, JobChanges { priority: Some(priority(10)), ..JobChanges::default() }).await.unwrap();
    assert_eq!(s.claim_one("worker").await.job_id, low);
}

async fn many_jobs_keep_their_order(s: &TestStore) {
    let mut jobs = Vec::new();
    for n in 0..40 {
        jobs.push((10 - n * 7 % 11, urgent(s, "many", n * 7 % 11, 5).await));
    }
    jobs.sort_unstable();
    let claimed = s.claim("worker", 1000).await;
    let order: Vec<JobId> = claimed.iter().map(|claimed| claimed.chunk.job_id).collect();
    assert_eq!(order, jobs.iter().map(|(_, job_id)| *job_id).collect::<Vec<_>>());
}

async fn a_claim_gives_the_lease_and_all_that_a_holder_needs(s: &TestStore) {
    let fields = PolicyFields {
        heartbeat_interval_s: 7,
        lease_duration_s: 31,
        chunk_timeout_s: 901,
        ..PolicyFields::default()
    };
    let chunk = s.one_chunk(with_policy("numbers", fields)).await;
    s.pass_s(60).await;
    let claimed = s.claim("worker-7", 5).await.remove(0);
    assert_eq!(
        (claimed.lease_duration_ms, claimed.heartbeat_interval_ms, claimed.chunk_timeout_ms),
        (31_000, 7_000, 901_000)
    );
    let now = claimed.chunk.started_at.unwrap();
    let lease = claimed.chunk.lease().unwrap();
    assert_eq!((lease.expires_at, lease.timeout_at), (now.plus_s(31), now.plus_s(901)));
    assert_eq!((claimed.chunk.attempt, &claimed.chunk.task_id), (Attempt::new(1), &Some(task("worker-7"))));
    assert_eq!((claimed.chunk.created_at, claimed.chunk.updated_at), (chunk.created_at, now));
    assert_eq!(s.chunk(chunk.id).await, claimed.chunk);
    let job = s.get(chunk.job_id).await;
    assert_eq!((job.started_at, job.task_ids), (Some(now), vec![task("worker-7")]));
}

async fn the_lease_begins_by_the_databases_clock(s: &TestStore) {
    s.chunked("clock", 5).await;
    let year_ms = 365 * 86_400_000;
    s.hooks.shift_clock(year_ms).await;
    let before = s.now().await;
    let chunk = s.claim_one("worker").await;
    let after = s.now().await;
    let began: Timestamp = chunk.started_at.unwrap();
    assert!(before <= began && began <= after, "{before} {began} {after}");
    assert!(chunk.lease().unwrap().expires_at >= before.plus_s(15));
}

async fn a_limit_out_of_range_is_refused(s: &TestStore) {
    s.chunked("limits", 5).await;
    for limit in [0, 1001, u32::MAX] {
        assert_eq!(refusal(s.repository.claim(ClaimRequest::new(task("worker"), limit)).await), "validation");
    }
    assert_eq!(s.claim("worker", 1000).await.len(), 1);
}

async fn a_limit_spans_jobs_and_is_never_exceeded(s: &TestStore) {
    urgent(s, "a", 5, 15).await;
    urgent(s, "b", 5, 15).await;
    assert_eq!(s.claim("worker", 2).await.len(), 2);
    assert_eq!(s.claim("worker", 3).await.len(), 3, "one of the first job, two of the second");
    assert_eq!(s.claim("worker", 3).await.len(), 1);
}

async fn a_claim_may_name_a_job_or_an_executor(s: &TestStore) {
    let list = |name: &str, executor| NewCrawlJob {
        image_list: Some(format!("lists/{name}")),
        max_images: Some(5),
        executor,
        ..small(name)
    };
    let external = urgent(s, "external", 9, 10).await;
    let ream = s.chunked_as(list("ream", None), 5).await.0;
    let celery = s.chunked_as(list("celery", Some(Executor::Celery)), 5).await.0;
    let claim = async |request: ClaimRequest| -> Vec<JobId> {
        s.repository.claim(request).await.unwrap().iter().map(|claimed| claimed.chunk.job_id).collect()
    };
    let request = |executor| ClaimRequest { executor, ..ClaimRequest::new(task("worker"), 5) };
    assert_eq!(claim(request(Some(Executor::Ream)).of_job(external)).await, []);
    assert_eq!(claim(request(Some(Executor::Ream))).await, [ream]);
    assert_eq!(claim(request(Some(Executor::Ream))).await, []);
    assert_eq!(claim(request(None).of_job(celery)).await, [celery]);
    assert_eq!(claim(request(None).of_job(celery)).await, []);
    assert_eq!(claim(request(None)).await, [external, external], "a bare claim takes any");
    let nowhere = request(None).of_job(JobId::new(987_654));
    assert_eq!(refusal(s.repository.claim(nowhere).await), "not_found");
}

async fn paused_and_cancelled_jobs_give_nothing(s: &TestStore) {
    let job_id = urgent(s, "stopped", 9, 10).await;
    let other = urgent(s, "other", 1, 10).await;
    let of_job = || ClaimRequest::new(task("worker"), 1).of_job(job_id);
    s.act(job_id, JobEvent::Pause).await.unwrap();
    assert_eq!(s.claim_one("worker").await.job_id, other);
    assert_eq!(s.repository.claim(of_job()).await.unwrap(), []);
    s.act(job_id, JobEvent::Resume).await.unwrap();
    assert_eq!(s.repository.claim(of_job()).await.unwrap().len(), 1);
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(s.repository.claim(of_job()).await.unwrap(), []);
    assert_eq!(s.claim_one("worker").await.job_id, other);
    assert_eq!(s.claim("worker", 10).await, []);
}

async fn nothing_to_do_is_an_empty_answer(s: &TestStore) {
    assert_eq!(s.claim("worker", 10).await, []);
    let empty = s.job(small("no chunks yet")).await.id;
    assert_eq!(s.repository.claim(ClaimRequest::new(task("worker"), 1).of_job(empty)).await.unwrap(), []);
}

async fn ten_claimers_at_once_share_out_every_chunk_once(s: &TestStore) {
    let (mut all, mut jobs) = (Vec::new(), Vec::new());
    for n in 0..3 {
        let (job_id, chunks) =
            s.chunked_as(NewCrawlJob { chunk_size: 1, ..small(&format!("job {n}")) }, 100).await;
        jobs.push(job_id);
        all.extend(chunks);
    }
    let other = s.hooks.another_handle().await;
    let mut claimers = tokio::task::JoinSet::new();
    for n in 0..10 {
        let repository = if n % 2 == 0 { s.repository.clone() } else { other.clone() };
        claimers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let request = ClaimRequest::new(task(&format!("worker-{n}")), 1 + n % 4);
                let got = repository.claim(request).await.unwrap();
                if got.is_empty() {
                    return mine;
                }
                mine.extend(got.into_iter().map(|claimed| claimed.chunk));
            }
        });
    }
    let claimed: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids(&claimed), ids(&all), "nothing lost, nothing twice");
    assert!(claimed.iter().all(|chunk| chunk.attempt == Attempt::new(1)));
    for chunk in &claimed {
        assert_eq!(s.chunk(chunk.id).await.task_id, chunk.task_id, "it is whose it was told to be");
    }
    for job_id in jobs {
        s.counts(job_id, [0, 100, 0, 0]).await;
    }
}

async fn a_wake_up_comes_when_chunks_become_startable(s: &TestStore) {
    let mut wake_ups = s.repository.wake_ups();
    let mut woken = move || {
        let changed = wake_ups.has_changed().unwrap();
        wake_ups.mark_unchanged();
        changed
    };
    let job_id = s.job(small("waking")).await.id;
    assert!(!woken());
    s.create(job_id, 10, None).await.unwrap();
    assert!(woken(), "created");
    let chunk = s.claim_one("worker").await;
    assert!(!woken());
    s.apply(chunk.id, Event::Release { attempt: chunk.attempt }).await.unwrap();
    assert!(woken(), "released");
    s.act(job_id, JobEvent::Pause).await.unwrap();
    assert!(!woken());
    s.act(job_id, JobEvent::Resume).await.unwrap();
    assert!(woken(), "resumed");
    let again = s.claim_one("worker").await;
    s.pass_s(15).await;
    assert!(!woken());
    s.repository.expire_due(10).await.unwrap();
    assert!(woken(), "expired and retried at once");
    s.apply(again.id, complete(None)).await.unwrap();
    assert!(!woken());
    assert_eq!(indexes(&[again]), [0]);
}
