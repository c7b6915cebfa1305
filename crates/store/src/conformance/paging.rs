//! Keyset pages while rows change: nothing twice, and nothing missed that was there all along.

use super::TestStore;
use super::kit::{complete, fail, ids, small, start, tester};
use crate::page::PageRequest;
use crate::repository::{ActivityFilter, JobFilter};
use ream_core::{JobChunk, JobChunkStatus, JobId};
use std::collections::BTreeSet;

facts!($ paging:
    every_page_size_gives_the_same_list,
    the_last_page_says_so_even_when_it_is_full,
    chunks_that_are_completed_meanwhile_move_no_others,
    chunks_that_are_split_meanwhile_hide_none,
    jobs_that_come_and_go_meanwhile_move_no_others,
    activity_that_is_written_meanwhile_moves_no_rows,
    a_cursor_survives_its_row_and_goes_through_text,
);

fn of(limit: i64) -> PageRequest {
    PageRequest::new(limit, None).unwrap()
}

async fn every_page_size_gives_the_same_list(s: &TestStore) {
    let (job_id, chunks) = s.chunked("sizes", 60).await;
    s.chunked("beside it", 60).await;
    for limit in [1, 2, 5, 11, 12, 13, 1000] {
        let (mut request, mut all) = (of(limit), Vec::new());
        loop {
            let page = s.repository.list_chunks(job_id, None, request).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            assert!(page.next.is_none() || page.items.len() == limit as usize, "only the last page is short");
            all.extend(page.items);
            let Some(next) = page.next else { break };
            request = request.at(Some(next));
        }
        assert_eq!(all, chunks);
    }
}

async fn the_last_page_says_so_even_when_it_is_full(s: &TestStore) {
    let (job_id, chunks) = s.chunked("full", 20).await;
    let page = s.repository.list_chunks(job_id, None, of(4)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (chunks.len(), None));
    let page = s.repository.list_jobs(JobFilter::default(), of(1)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
}

/// Reads a list by pages of four and lets `meanwhile` happen after each.
async fn read_while(
    s: &TestStore,
    job_id: JobId,
    status: Option<JobChunkStatus>,
    meanwhile: impl AsyncFn(usize),
) -> Vec<JobChunk> {
    let (mut request, mut all) = (of(4), Vec::new());
    for round in 0.. {
        let page = s.repository.list_chunks(job_id, status, request).await.unwrap();
        all.extend(page.items);
        let Some(next) = page.next else { break };
        request = request.at(Some(next));
        meanwhile(round).await;
    }
    let seen: BTreeSet<i64> = all.iter().map(|chunk| chunk.id.get()).collect();
    assert_eq!(seen.len(), all.len(), "no chunk twice");
    all
}

async fn chunks_that_are_completed_meanwhile_move_no_others(s: &TestStore) {
    let (job_id, chunks) = s.chunked("moving", 100).await;
    // Some of the page just read, and some of one to come, leave the list.
    let leave = |round: usize| [round * 4 + 1, round * 4 + 2, (round * 4 + 9).min(19)];
    let seen = read_while(s, job_id, Some(JobChunkStatus::Pending), async |round| {
        for n in leave(round) {
            s.apply(chunks[n].id, complete(None)).await.unwrap();
        }
    })
    .await;
    let stayed = s.chunks(job_id, Some(JobChunkStatus::Pending)).await;
    let seen = ids(&seen);
    assert!(ids(&stayed).iter().all(|id| seen.contains(id)), "none that stayed pending was missed");
    s.sound(job_id).await;
}

async fn chunks_that_are_split_meanwhile_hide_none(s: &TestStore) {
    let (job_id, chunks) = s.chunked("splitting", 100).await;
    let seen = read_while(s, job_id, None, async |round| {
        for n in [round * 4, round * 4 + 3, round * 4 + 7].map(|n| n.min(19)) {
            let _ = s.repository.split_chunk(chunks[n].id, 2, &tester()).await;
        }
    })
    .await;
    let seen_ids = ids(&seen);
    assert!(ids(&chunks).iter().all(|id| seen_ids.contains(id)));
    assert!(seen.windows(2).all(|pair| pair[0].image_range.start() < pair[1].image_range.start()));
    s.sound(job_id).await;
}

async fn jobs_that_come_and_go_meanwhile_move_no_others(s: &TestStore) {
    let mut jobs = Vec::new();
    for n in 0..9 {
        jobs.push(s.job(small(&format!("job {n}"))).await.id);
    }
    let (mut request, mut seen) = (of(2), Vec::new());
    for round in 0..9 {
        let page = s.repository.list_jobs(JobFilter::default(), request).await.unwrap();
        seen.extend(page.items.iter().map(|job| job.id));
        let Some(next) = page.next else { break };
        request = request.at(Some(next));
        s.job(small(&format!("late {round}"))).await;
        if round == 1 {
            s.repository.delete_job(jobs[8], &tester()).await.unwrap();
            s.repository.delete_job(jobs[2], &tester()).await.unwrap();
        }
    }
    assert_eq!(seen, [8, 7, 6, 5, 4, 3, 1, 0].map(|n: usize| jobs[n]));
}

async fn activity_that_is_written_meanwhile_moves_no_rows(s: &TestStore) {
    let (job_id, chunks) = s.chunked("logged", 30).await;
    for chunk in &chunks {
        s.apply(chunk.id, start(None)).await.unwrap();
    }
    let before = s.log(job_id).await;
    let filter = ActivityFilter { job_id: Some(job_id), ..ActivityFilter::default() };
    let (mut request, mut seen) = (of(3), Vec::new());
    for chunk in &chunks {
        let page = s.repository.list_activity(filter.clone(), request).await.unwrap();
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        request = request.at(Some(next));
        s.apply(chunk.id, fail(None, "fault")).await.unwrap();
    }
    seen.reverse();
    assert_eq!(seen, before);
}

async fn a_cursor_survives_its_row_and_goes_through_text(s: &TestStore) {
    let (job_id, chunks) = s.chunked("cursor", 20).await;
    let page = s.repository.list_chunks(job_id, Some(JobChunkStatus::Pending), of(2)).await.unwrap();
    s.apply(chunks[1].id, complete(None)).await.unwrap();
    let cursor = page.next.unwrap().to_string().parse().unwrap();
    let page = s
        .repository
        .list_chunks(job_id, Some(JobChunkStatus::Pending), of(2).at(Some(cursor)))
        .await
        .unwrap();
    assert_eq!(ids(&page.items), ids(&chunks[2..4]));
}
