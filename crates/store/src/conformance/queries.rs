//! Lists and looks: each finds exactly its rows, in its order, and changes nothing.

use super::TestStore;
use super::kit::{complete, fail, ids, indexes, priority, ranges, refusal, small, start, task, tester};
use crate::page::PageRequest;
use crate::repository::JobFilter;
use ream_core::event::Event;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{ChunkId, CrawlJobStatus, JobChunk, JobChunkStatus, JobId};

facts!($ queries:
    each_list_has_the_chunks_of_its_status_and_job,
    lists_follow_the_images_not_the_ids,
    the_next_chunk_is_the_one_that_a_claim_takes,
    the_next_chunk_is_none_where_none_can_start,
    what_does_not_exist_is_not_found,
    a_job_lists_the_task_ids_of_its_chunks_in_work,
    jobs_are_listed_newest_first_and_by_status,
    another_process_sees_every_commit,
);

/// Two jobs whose chunks stand everywhere, so that a list which mixes them up is noticed.
async fn two_jobs(s: &TestStore) -> (JobId, Vec<JobChunk>) {
    let (_, others) = s.chunked_as(NewCrawlJob { priority: priority(9), ..small("other") }, 40).await;
    let (job_id, chunks) = s.chunked_as(NewCrawlJob { priority: priority(2), ..small("mine") }, 40).await;
    for (n, (mine, other)) in chunks.iter().zip(&others).enumerate() {
        for (chunk, kind) in [(mine, n % 4), (other, (n + 1) % 4)] {
            s.hooks.shift_clock(13).await;
            match kind {
                1 => drop(s.apply(chunk.id, start(Some(&format!("task-{}", chunk.id)))).await.unwrap()),
                2 => drop(s.apply(chunk.id, complete(None)).await.unwrap()),
                3 => drop(s.apply(chunk.id, fail(None, &format!("fault {n}"))).await.unwrap()),
                _ => {}
            }
        }
    }
    (job_id, chunks)
}

async fn each_list_has_the_chunks_of_its_status_and_job(s: &TestStore) {
    let (job_id, chunks) = two_jobs(s).await;
    for (kind, status) in JobChunkStatus::ALL.into_iter().enumerate() {
        let listed = s.chunks(job_id, Some(status)).await;
        let wanted: Vec<u64> = (0..chunks.len() as u64).filter(|n| n % 4 == kind as u64).collect();
        assert_eq!(indexes(&listed), wanted, "{status}");
        assert!(listed.iter().all(|chunk| chunk.job_id == job_id && chunk.status() == status));
        for chunk in &listed {
            assert_eq!(s.chunk(chunk.id).await, *chunk, "a list shows the whole chunk");
        }
    }
    assert_eq!(ids(&s.chunks(job_id, None).await), ids(&chunks));
    s.counts(job_id, [2, 2, 2, 2]).await;
}

async fn lists_follow_the_images_not_the_ids(s: &TestStore) {
    let (job_id, chunks) = s.chunked("split", 15).await;
    s.repository.split_chunk(chunks[0].id, 2, &tester()).await.unwrap();
    let all = s.chunks(job_id, None).await;
    assert_eq!(ranges(&all), [(0, 2), (3, 4), (5, 9), (10, 14)]);
    assert!(all[1].id > all[3].id);
    assert_eq!(ranges(&s.chunks(job_id, Some(JobChunkStatus::Pending)).await), ranges(&all));
}

async fn the_next_chunk_is_the_one_that_a_claim_takes(s: &TestStore) {
    let (job_id, chunks) = s.chunked("queue", 60).await;
    s.apply(chunks[4].id, Event::SetPriority(priority(8))).await.unwrap();
    s.apply(chunks[7].id, Event::SetPriority(priority(8))).await.unwrap();
    s.apply(chunks[0].id, Event::SetPriority(priority(1))).await.unwrap();
    for (n, event) in [(2, "late"), (9, "late")] {
        s.apply(chunks[n].id, Event::Dispatch { task_id: task(event) }).await.unwrap();
    }
    s.apply(chunks[9].id, Event::SetPriority(priority(10))).await.unwrap();
    let mut order = Vec::new();
    for n in 0..12 {
        if n == 3 {
            s.pass_s(600).await;
        }
        let next = s.repository.next_pending_chunk(job_id).await.unwrap().unwrap();
        assert_eq!(next, s.chunk(next.id).await, "looking takes nothing");
        let taken = s.claim_one("worker").await;
        assert_eq!(taken.id, next.id, "take {n}");
        order.push(taken.chunk_index);
    }
    assert_eq!(order, [4, 7, 1, 9, 2, 3, 5, 6, 8, 10, 11, 0]);
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap(), None);
}

async fn the_next_chunk_is_none_where_none_can_start(s: &TestStore) {
    let empty = s.job(small("empty")).await.id;
    assert_eq!(s.repository.next_pending_chunk(empty).await.unwrap(), None);
    let (job_id, chunks) = s.chunked("one", 5).await;
    s.act(job_id, JobEvent::Pause).await.unwrap();
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap(), None, "paused");
    s.act(job_id, JobEvent::Resume).await.unwrap();
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap().unwrap().id, chunks[0].id);
    s.apply(chunks[0].id, Event::Dispatch { task_id: task("celery-1") }).await.unwrap();
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap(), None, "dispatched");
    s.pass_s(600).await;
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap().unwrap().id, chunks[0].id, "overdue");
    s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(s.repository.next_pending_chunk(job_id).await.unwrap(), None, "cancelled");
}

async fn what_does_not_exist_is_not_found(s: &TestStore) {
    let (_, chunks) = s.chunked("some", 5).await;
    let (job_id, chunk_id) = (JobId::new(chunks[0].job_id.get() + 1), ChunkId::new(chunks[0].id.get() + 1));
    let r = &s.repository;
    assert_eq!(refusal(r.get_job(job_id).await), "not_found");
    assert_eq!(refusal(r.get_chunk(chunk_id).await), "not_found");
    assert_eq!(refusal(r.list_chunks(job_id, None, PageRequest::default()).await), "not_found");
    assert_eq!(refusal(r.next_pending_chunk(job_id).await), "not_found");
    assert_eq!(refusal(r.verify_job(job_id).await), "not_found");
    assert_eq!(refusal(r.repair_counters(job_id, &tester()).await), "not_found");
    assert_eq!(refusal(r.delete_job(job_id, &tester()).await), "not_found");
    assert_eq!(refusal(r.apply_to_job(job_id, JobEvent::Pause, &tester()).await), "not_found");
    assert_eq!(refusal(r.split_chunk(chunk_id, 2, &tester()).await), "not_found");
    assert_eq!(refusal(r.split_chunk(chunk_id, 1, &tester()).await), "validation", "checked first");
    assert_eq!(refusal(r.list_unpublished(job_id, 1).await), "not_found");
    assert_eq!(refusal(s.apply(chunk_id, Event::Retry).await), "not_found");
    for strange in [i64::MIN, -1, 0, i64::MAX] {
        assert_eq!(refusal(r.get_job(JobId::new(strange)).await), "not_found");
        assert_eq!(refusal(r.get_chunk(ChunkId::new(strange)).await), "not_found");
    }
}

async fn a_job_lists_the_task_ids_of_its_chunks_in_work(s: &TestStore) {
    let (job_id, chunks) = s.chunked("busy", 30).await;
    for (n, name) in
        [(3, Some("task-c")), (1, Some("task-z")), (2, None), (4, Some("task-d")), (5, Some("task-e"))]
    {
        s.apply(chunks[n].id, start(name)).await.unwrap();
    }
    s.apply(chunks[4].id, complete(None)).await.unwrap();
    s.apply(chunks[5].id, fail(None, "fault")).await.unwrap();
    s.apply(chunks[0].id, Event::Dispatch { task_id: task("waiting") }).await.unwrap();
    assert_eq!(s.get(job_id).await.task_ids, [task("task-z"), task("task-c")]);
}

async fn jobs_are_listed_newest_first_and_by_status(s: &TestStore) {
    let mut all = Vec::new();
    for n in 0..6 {
        let (job_id, chunks) =
            s.chunked_as(NewCrawlJob { priority: priority(10 - n), ..small("job") }, 5).await;
        match n {
            1 => drop(s.claim_one("worker").await),
            2 => drop(s.act(job_id, JobEvent::Pause).await.unwrap()),
            3 => drop(s.apply(chunks[0].id, complete(None)).await.unwrap()),
            4 => drop(s.apply(chunks[0].id, fail(None, "fault")).await.unwrap()),
            5 => drop(s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap()),
            _ => {}
        }
        if n == 0 {
            s.apply(chunks[0].id, start(None)).await.unwrap();
            s.apply(chunks[0].id, Event::PutBack).await.unwrap();
        }
        all.insert(0, job_id);
    }
    let fresh = s.chunked("pending", 5).await.0;
    all.insert(0, fresh);
    assert_eq!(s.jobs(JobFilter::default()).await, all);
    for status in CrawlJobStatus::ALL {
        let mut wanted = Vec::new();
        for job_id in &all {
            if s.get(*job_id).await.status() == *status {
                wanted.push(*job_id);
            }
        }
        assert_eq!(s.jobs(JobFilter { status: Some(*status) }).await, wanted, "{status}");
        assert!(!wanted.is_empty(), "{status}");
    }
}

async fn another_process_sees_every_commit(s: &TestStore) {
    let other = s.hooks.another_handle().await;
    let (job_id, chunks) = s.chunked("shared", 10).await;
    let taken = s.claim_one("worker").await;
    assert_eq!(other.get_chunk(taken.id).await.unwrap(), taken);
    assert_eq!(other.get_job(job_id).await.unwrap(), s.get(job_id).await);
    super::kit::apply_to(&other, taken.id, complete(Some(taken.attempt))).await.unwrap();
    assert_eq!(s.chunk(taken.id).await.status(), JobChunkStatus::Completed);
    assert_eq!(other.next_pending_chunk(job_id).await.unwrap().unwrap().id, chunks[1].id);
    let ms = other.now().await.unwrap().ms_since(s.now().await);
    assert!(ms.abs() < 60_000, "both read the same clock: {ms} ms apart");
}
