//! Calls that are asked once: a caller that lost the answer asks again with the same key, and nothing is created twice.

use super::TestStore;
use super::kit::{complete, ids, ranges, refusal, small, start, task, tester};
use crate::once::{Answered, Once};
use crate::repository::{Actor, ClaimRequest, ClaimedChunk, JobChunkRepository, JobFilter, NewChunk};
use futures::future::join_all;
use ream_core::event::Event;
use ream_core::job_event::{JobEvent, NewCrawlJob};
use ream_core::{CrawlJob, ImageRange, JobId, Result};

facts!($ once:
    a_job_asked_for_again_is_the_first_as_it_stands_now,
    what_was_refused_leaves_its_key_free,
    a_key_is_for_one_call,
    owners_do_not_share_keys,
    of_many_who_ask_at_once_one_creates,
    a_key_is_kept_for_a_day,
    what_was_deleted_is_not_created_anew_by_its_key,
    chunks_are_given_in_bulk_once,
    a_split_is_done_once,
    a_claim_asked_again_gives_what_is_still_held,
    a_claim_asked_again_extends_its_leases_and_logs_nothing,
    a_claim_that_gave_nothing_leaves_its_key_free,
    many_claims_at_once_with_the_same_keys_share_out_every_chunk_once,
    a_claims_key_is_free_again_when_its_leases_are_over,
    upkeep_removes_the_keys_that_have_expired_and_no_others,
);

/// Somebody's key, for a call that is told by a digit.
fn key_of(owner: &str, key: &str, call: char) -> Once {
    Once::new(owner, key, call.to_string().repeat(64)).unwrap()
}

fn key(key: &str) -> Once {
    key_of("owner", key, 'a')
}

async fn create(s: &TestStore, new: NewCrawlJob, once: &Once) -> Result<Answered<CrawlJob>> {
    s.repository.create_job_once(new, &tester(), Some(once)).await
}

async fn all_jobs(s: &TestStore) -> usize {
    s.jobs(JobFilter::default()).await.len()
}

fn with_dataset(dataset: &str) -> NewCrawlJob {
    NewCrawlJob { dataset: Some(dataset.to_owned()), ..small("dataset") }
}

async fn a_job_asked_for_again_is_the_first_as_it_stands_now(s: &TestStore) {
    let first = create(s, with_dataset("out"), &key("k")).await.unwrap();
    assert!(!first.repeated);
    let job_id = first.answer.id;
    assert_eq!(s.get(job_id).await, first.answer);
    s.pass_s(3600).await;
    let again = create(s, with_dataset("out"), &key("k")).await.unwrap();
    assert_eq!(again, Answered { answer: first.answer, repeated: true });

    s.create(job_id, 10, None).await.unwrap();
    let held = s.claim_one("worker").await;
    s.act(job_id, JobEvent::Pause).await.unwrap();
    let rows = s.log(job_id).await.len();
    let other = s.hooks.another_handle().await;
    let again = other.create_job_once(with_dataset("out"), &tester(), Some(&key("k"))).await.unwrap();
    assert_eq!(again, Answered { answer: s.get(job_id).await, repeated: true });
    assert_eq!(again.answer.task_ids, [held.task_id.unwrap()]);
    assert_eq!((all_jobs(s).await, s.log(job_id).await.len()), (1, rows));
    // Without a key it is another call.
    assert!(!s.repository.create_job_once(small("new"), &tester(), None).await.unwrap().repeated);
    assert_eq!(all_jobs(s).await, 2);
}

async fn what_was_refused_leaves_its_key_free(s: &TestStore) {
    let taken = s.job(with_dataset("out")).await.id;
    for refused in [small(""), with_dataset("out")] {
        assert_eq!(refusal(create(s, refused, &key("k")).await), "validation");
    }
    s.repository.delete_job(taken, &tester()).await.unwrap();
    assert!(!create(s, with_dataset("out"), &key("k")).await.unwrap().repeated);
}

async fn a_key_is_for_one_call(s: &TestStore) {
    let job = create(s, small("job"), &key("k")).await.unwrap().answer;
    let (job_id, chunks) = s.chunked("other", 10).await;
    let r = &s.repository;
    let other = key_of("owner", "k", 'b');
    let bulk = vec![NewChunk { chunk_index: 0, image_range: ImageRange::new(0, 4).unwrap(), priority: None }];
    assert_eq!(refusal(create(s, small("job"), &other).await), "key_reused");
    for once in [key("k"), other] {
        let once = Some(once);
        let actor = tester();
        let in_bulk = r.bulk_create_once(job.id, bulk.clone(), &actor, once.as_ref());
        assert_eq!(refusal(in_bulk.await), "key_reused");
        let split = r.split_chunk_once(chunks[0].id, 2, &actor, once.as_ref());
        assert_eq!(refusal(split.await), "key_reused");
        let claim = r.claim(ClaimRequest { once, ..ClaimRequest::new(task("worker"), 1) });
        assert_eq!(refusal(claim.await), "key_reused");
    }
    assert_eq!(s.chunks(job_id, None).await, chunks);
    assert_eq!((all_jobs(s).await, s.chunks(job.id, None).await), (2, vec![]));
}

async fn owners_do_not_share_keys(s: &TestStore) {
    let mine = create(s, small("mine"), &key_of("me", "k", 'a')).await.unwrap();
    let yours = create(s, small("yours"), &key_of("you", "k", 'b')).await.unwrap();
    assert!(!mine.repeated && !yours.repeated);
    assert_eq!(create(s, small("mine"), &key_of("me", "k", 'a')).await.unwrap().answer, mine.answer);
}

async fn of_many_who_ask_at_once_one_creates(s: &TestStore) {
    let other = s.hooks.another_handle().await;
    for n in 0..5 {
        let (new, once, actor) = (with_dataset(&format!("out/{n}")), key(&format!("k{n}")), tester());
        let asking = (0..6).map(|caller| {
            let repository = if caller % 2 == 0 { &s.repository } else { &other };
            repository.create_job_once(new.clone(), &actor, Some(&once))
        });
        let answers: Vec<_> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answered| !answered.repeated).count(), 1);
        assert!(answers.iter().all(|answered| answered.answer == answers[0].answer));
    }
    assert_eq!(all_jobs(s).await, 5);
}

async fn a_key_is_kept_for_a_day(s: &TestStore) {
    let first = create(s, small("job"), &key("k")).await.unwrap().answer;
    s.pass_s(24 * 3600 - 60).await;
    assert!(create(s, small("job"), &key("k")).await.unwrap().repeated);
    s.pass_s(61).await;
    let next = create(s, small("job"), &key_of("owner", "k", 'b')).await.unwrap();
    assert!(!next.repeated && next.answer.id > first.id);
    assert_eq!(create(s, small("job"), &key_of("owner", "k", 'b')).await.unwrap().answer, next.answer);
    assert_eq!(refusal(create(s, small("job"), &key("k")).await), "key_reused");
}

async fn what_was_deleted_is_not_created_anew_by_its_key(s: &TestStore) {
    let job = create(s, small("job"), &key("k")).await.unwrap().answer;
    s.repository.delete_job(job.id, &tester()).await.unwrap();
    assert_eq!(refusal(create(s, small("job"), &key("k")).await), "not_found");
    while s.repository.purge_step().await.unwrap() {}
    assert_eq!(refusal(create(s, small("job"), &key("k")).await), "not_found");
    assert_eq!(all_jobs(s).await, 0);
}

async fn chunks_are_given_in_bulk_once(s: &TestStore) {
    let job_id = s.job(small("bulk")).await.id;
    let given: Vec<NewChunk> = [(0, 3), (4, 9)]
        .into_iter()
        .enumerate()
        .map(|(n, (first, last))| NewChunk {
            chunk_index: n as u64,
            image_range: ImageRange::new(first, last).unwrap(),
            priority: None,
        })
        .collect();
    let (once, actor) = (key("k"), tester());
    let ask = || s.repository.bulk_create_once(job_id, given.clone(), &actor, Some(&once));
    let both = join_all([ask(), ask()]).await;
    let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
    assert_eq!(both.iter().filter(|answered| answered.repeated).count(), 1);
    assert!(both.iter().all(|answered| answered.answer.total_chunks == 2 && answered.answer.done));
    assert!(both.iter().all(|answered| answered.answer.created != answered.repeated));
    let chunks = s.chunks(job_id, None).await;
    s.repository.split_chunk(chunks[1].id, 2, &tester()).await.unwrap();
    assert_eq!(ask().await.unwrap().answer.total_chunks, 3);
    s.sound(job_id).await;
}

async fn a_split_is_done_once(s: &TestStore) {
    let (job_id, chunks) = s.chunked("split", 5).await;
    let (once, actor) = (key("k"), tester());
    let ask = || s.repository.split_chunk_once(chunks[0].id, 5, &actor, Some(&once));
    let both = join_all([ask(), ask()]).await;
    let both: Vec<_> = both.into_iter().map(Result::unwrap).collect();
    assert_eq!(both.iter().filter(|answered| answered.repeated).count(), 1);
    assert_eq!(both[0].answer, both[1].answer);
    assert_eq!(ranges(&both[0].answer), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    let part = both[0].answer[3].id;
    s.apply(part, start(None)).await.unwrap();
    s.apply(part, complete(None)).await.unwrap();
    let again = ask().await.unwrap().answer;
    assert_eq!(again, s.chunks(job_id, None).await, "as they stand now");
    s.counts(job_id, [4, 0, 1, 0]).await;
}

async fn claim(s: &TestStore, once: &Once, limit: u32) -> Vec<ClaimedChunk> {
    claim_from(s.repository.as_ref(), once, limit).await
}

async fn claim_from(r: &dyn JobChunkRepository, once: &Once, limit: u32) -> Vec<ClaimedChunk> {
    let request = ClaimRequest { once: Some(once.clone()), ..ClaimRequest::new(task("worker"), limit) };
    r.claim(request).await.unwrap()
}

fn chunk_ids(claimed: &[ClaimedChunk]) -> Vec<i64> {
    ids(claimed.iter().map(|claimed| &claimed.chunk))
}

async fn a_claim_asked_again_gives_what_is_still_held(s: &TestStore) {
    let (job_id, chunks) = s.chunked("claimed", 40).await;
    let first = claim(s, &key("k"), 6).await;
    assert_eq!(chunk_ids(&first), ids(&chunks[..6]));
    assert_eq!(chunk_ids(&claim(s, &key("k"), 6).await), chunk_ids(&first));

    let held = |n: usize| (first[n].chunk.id, Some(first[n].chunk.attempt));
    s.apply(held(0).0, complete(held(0).1)).await.unwrap();
    s.apply(held(1).0, Event::Release { attempt: first[1].chunk.attempt }).await.unwrap();
    s.apply(held(2).0, complete(None)).await.unwrap();
    s.apply(held(3).0, Event::PutBack).await.unwrap();
    s.apply(held(3).0, start(Some("another"))).await.unwrap();
    let again = claim(s, &key("k"), 6).await;
    let order: Vec<_> = again.iter().map(|claimed| (claimed.chunk.id, Some(claimed.chunk.attempt))).collect();
    assert_eq!(order, [held(4), held(5)], "in the order of the first answer, and no others");
    s.counts(job_id, [3, 3, 2, 0]).await;

    // Nobody has said so yet, but the leases are over.
    s.pass_s(16).await;
    assert_eq!(claim(s, &key("k"), 6).await, []);
    s.counts(job_id, [3, 3, 2, 0]).await;
    s.repository.delete_job(job_id, &tester()).await.unwrap();
    assert_eq!(claim(s, &key("k"), 6).await, []);
}

async fn a_claim_asked_again_extends_its_leases_and_logs_nothing(s: &TestStore) {
    let (job_id, _) = s.chunked("claimed", 5).await;
    let first = claim(s, &key("k"), 1).await.remove(0);
    let rows = s.log(job_id).await;
    s.pass_s(5).await;
    let again = claim(s, &key("k"), 1).await.remove(0);
    assert_eq!(again.lease_duration_ms, first.lease_duration_ms);
    let (was, is) = (first.chunk.lease().unwrap(), again.chunk.lease().unwrap());
    assert!(is.expires_at.ms_since(was.expires_at) >= 5_000);
    assert_eq!(is.timeout_at, was.timeout_at, "the attempt's end stays where it was");
    assert!(again.chunk_timeout_ms <= first.chunk_timeout_ms - 5_000);
    assert_eq!(s.chunk(again.chunk.id).await, again.chunk);
    assert_eq!(s.log(job_id).await, rows);
    s.apply(again.chunk.id, complete(Some(again.chunk.attempt))).await.unwrap();
}

async fn a_claim_that_gave_nothing_leaves_its_key_free(s: &TestStore) {
    assert_eq!(claim(s, &key("k"), 5).await, []);
    let (_, chunks) = s.chunked("late", 10).await;
    assert_eq!(chunk_ids(&claim(s, &key("k"), 5).await), ids(&chunks));
}

async fn many_claims_at_once_with_the_same_keys_share_out_every_chunk_once(s: &TestStore) {
    let (job_id, chunks) = s.chunked("many", 100).await;
    let other = s.hooks.another_handle().await;
    let asking = (0..30).map(|n| {
        let repository = if n % 2 == 0 { &s.repository } else { &other };
        let request = ClaimRequest {
            once: Some(key(&format!("k{}", n % 10))),
            actor: Some(Actor::new("workers").unwrap()),
            ..ClaimRequest::new(task(&format!("worker-{}", n % 10)), 2)
        };
        repository.claim(request)
    });
    let answers: Vec<_> = join_all(asking).await.into_iter().map(Result::unwrap).collect();
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.len(), 2);
        assert_eq!(chunk_ids(answer), chunk_ids(&answers[n % 10]));
    }
    let mut all: Vec<i64> = answers[..10].iter().flat_map(|answer| chunk_ids(answer)).collect();
    all.sort_unstable();
    assert_eq!(all, ids(&chunks));
    s.counts(job_id, [0, 20, 0, 0]).await;
    let starts = s.log(job_id).await.iter().filter(|row| row.action.as_str() == "claimed").count();
    assert_eq!(starts, 20);
}

async fn a_claims_key_is_free_again_when_its_leases_are_over(s: &TestStore) {
    let (_, chunks) = s.chunked("claimed", 15).await;
    assert_eq!(chunk_ids(&claim(s, &key("k"), 1).await), ids(&chunks[..1]));
    s.pass_s(30).await;
    assert_eq!(claim(s, &key("k"), 1).await, [], "a minute at least");
    s.pass_s(30).await;
    let next = claim(s, &key_of("owner", "k", 'b'), 1).await;
    assert_eq!(chunk_ids(&next), ids(&chunks[1..2]));
    assert_eq!(chunk_ids(&claim(s, &key_of("owner", "k", 'b'), 1).await), chunk_ids(&next));
    let job_id: JobId = chunks[0].job_id;
    s.sound(job_id).await;
}

async fn upkeep_removes_the_keys_that_have_expired_and_no_others(s: &TestStore) {
    while s.repository.upkeep().await.unwrap() > 0 {}
    for n in 0..3 {
        create(s, small("job"), &key(&format!("k{n}"))).await.unwrap();
    }
    assert_eq!(s.repository.upkeep().await.unwrap(), 0);
    s.pass_s(12 * 3600).await;
    let late = create(s, small("late"), &key("late")).await.unwrap().answer;
    s.pass_s(12 * 3600 + 1).await;
    assert_eq!(s.repository.upkeep().await.unwrap(), 3);
    assert_eq!(s.repository.upkeep().await.unwrap(), 0);
    let again = create(s, small("late"), &key("late")).await.unwrap();
    assert_eq!(again, Answered { answer: late, repeated: true });
    assert!(!create(s, small("job"), &key("k0")).await.unwrap().repeated);
}
