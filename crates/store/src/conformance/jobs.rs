//! Jobs: what operators create, change, pause, cancel and delete.

use super::TestStore;
use super::kit::{complete, heartbeat, priority, refusal, small, start, task, tester};
use crate::page::PageRequest;
use crate::repository::{ClaimRequest, JobFilter};
use ream_core::event::Event;
use ream_core::job::Executor;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::policy::{PolicyFields, RobotsPolicy};
use ream_core::{ChunkId, CrawlJob, CrawlJobStatus, Error, JobGate, JobId, Policy, PolicyPatch};
use serde_json::{Value, json};

facts!($ jobs:
    a_job_is_stored_with_every_setting,
    a_job_that_makes_no_sense_is_refused,
    a_recipe_comes_back_exactly_as_it_was_given,
    two_jobs_never_share_a_dataset,
    of_two_who_ask_at_once_for_a_dataset_one_gets_it,
    a_dataset_makes_a_job_one_of_reams,
    a_list_that_was_taken_in_fixes_the_images,
    a_list_is_taken_once,
    a_list_comes_before_the_chunks,
    a_cancelled_job_takes_no_list,
    an_update_changes_what_it_names_and_nothing_else,
    the_number_of_images_is_fixed_by_the_chunks,
    the_number_of_images_is_fixed_while_chunks_are_being_created,
    a_new_policy_holds_from_the_next_start_on,
    a_new_priority_reaches_every_chunk_that_is_not_completed,
    after_a_pause_or_cancel_nothing_starts_and_what_runs_may_end,
    a_job_with_every_chunk_completed_is_neither_paused_nor_cancelled,
    cancelled_is_final,
    acts_that_change_nothing_leave_no_trace,
    a_deleted_job_and_its_chunks_are_gone_at_once,
    a_purge_removes_what_was_deleted_and_nothing_else,
    ids_are_never_given_again,
);

fn policy() -> Policy {
    let fields = PolicyFields {
        heartbeat_interval_s: 6,
        lease_duration_s: 16,
        chunk_timeout_s: 3601,
        job_deadline_s: Some(86_401),
        max_retries: 4,
        backoff_initial_s: 31,
        backoff_max_s: 3602,
        redispatch_after_s: 601,
        robots: RobotsPolicy::Ignore,
    };
    Policy::new(fields).unwrap()
}

async fn a_job_is_stored_with_every_setting(s: &TestStore) {
    let new = NewCrawlJob {
        name: "größte \"Liste\" 漢字".to_owned(),
        max_images: Some(6_000_000_000),
        priority: priority(3),
        chunk_size: 777,
        executor: Some(Executor::Celery),
        image_list: Some("lists/größe.parquet".to_owned()),
        dataset: Some("s3://bilder/größe".to_owned()),
        recipe: Some(json!({"format": "webdataset", "resize": {"size": 256}})),
        policy: policy(),
    };
    let before = s.now().await;
    let job = s.repository.create_job(new.clone(), &tester()).await.unwrap();
    assert_eq!(
        (&job.name, job.max_images, job.priority, job.chunk_size),
        (&new.name, new.max_images, new.priority, 777)
    );
    assert_eq!((job.executor, &job.image_list, job.policy), (Executor::Celery, &new.image_list, new.policy));
    assert_eq!((&job.dataset, &job.recipe), (&new.dataset, &new.recipe));
    assert_eq!(
        (job.gate, job.status(), job.counters),
        (JobGate::Open, CrawlJobStatus::Pending, Default::default())
    );
    assert_eq!((job.started_at, job.ended_at, job.deadline_at), (None, None, None));
    assert!(job.created_at >= before && job.updated_at == job.created_at);
    assert_eq!(s.get(job.id).await, job);
    let list = s.repository.list_jobs(JobFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!(list.items, [job]);
}

async fn a_job_that_makes_no_sense_is_refused(s: &TestStore) {
    for bad in [
        small(""),
        small("two\nlines"),
        small(&"x".repeat(256)),
        NewCrawlJob { chunk_size: 0, ..small("size") },
        NewCrawlJob { chunk_size: 1_000_001, ..small("size") },
        NewCrawlJob { max_images: Some(0), ..small("images") },
        NewCrawlJob { executor: Some(Executor::Ream), ..small("no list") },
        NewCrawlJob { image_list: Some("list".to_owned()), ..small("rows unknown") },
        NewCrawlJob { dataset: Some(String::new()), ..small("dataset") },
        NewCrawlJob { dataset: Some("two\nlines".to_owned()), ..small("dataset") },
        NewCrawlJob { dataset: Some("ä".repeat(4097)), ..small("dataset") },
        NewCrawlJob { recipe: Some(json!(["no object"])), ..small("recipe") },
        NewCrawlJob { recipe: Some(json!({"long": "x".repeat(16_384)})), ..small("recipe") },
    ] {
        let told = format!("{bad:?}");
        assert_eq!(refusal(s.repository.create_job(bad, &tester()).await), "validation", "{told}");
    }
    assert_eq!(s.jobs(JobFilter::default()).await, []);
}

async fn a_recipe_comes_back_exactly_as_it_was_given(s: &TestStore) {
    let text = r#"{"z": 1, "a": [0.1, 1.0, 1e300, 2.2250738585072014e-308, -0.0, 18446744073709551615, null, true],
        "ä\u0000": {"": "\ud83d\ude00 \" \\ \u0001"}, "deep": [[[[{}]]]]}"#;
    let recipe: Value = serde_json::from_str(text).unwrap();
    let job = s.job(NewCrawlJob { recipe: Some(recipe.clone()), ..small("recipe") }).await;
    for found in [job.clone(), s.get(job.id).await] {
        assert_eq!(found.recipe.unwrap().to_string(), recipe.to_string());
    }
}

fn with_dataset(dataset: &str) -> NewCrawlJob {
    NewCrawlJob { dataset: Some(dataset.to_owned()), ..small("dataset") }
}

async fn two_jobs_never_share_a_dataset(s: &TestStore) {
    let long = "ä".repeat(4096);
    let first = s.job(with_dataset(&long)).await;
    assert_eq!(first.dataset.as_deref(), Some(long.as_str()));
    let refused = s.repository.create_job(with_dataset(&long), &tester()).await.unwrap_err();
    let Error::Validation { errors } = refused else { panic!("{refused}") };
    assert_eq!((errors.len(), errors[0].field.as_str()), (1, "dataset"));
    assert_eq!(s.jobs(JobFilter::default()).await, [first.id]);
    s.job(with_dataset(&"ä".repeat(4095))).await;
    s.job(small("none")).await;
    s.job(small("none as well")).await;
    s.act(first.id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(refusal(s.repository.create_job(with_dataset(&long), &tester()).await), "validation");
    s.repository.delete_job(first.id, &tester()).await.unwrap();
    let next = s.job(with_dataset(&long)).await;
    while s.repository.purge_step().await.unwrap() {}
    assert_eq!(s.get(next.id).await.dataset, Some(long));
}

async fn of_two_who_ask_at_once_for_a_dataset_one_gets_it(s: &TestStore) {
    let other = s.hooks.another_handle().await;
    for n in 0..8 {
        let new = with_dataset(&format!("out/{n}"));
        let actor = tester();
        let (here, there) =
            tokio::join!(s.repository.create_job(new.clone(), &actor), other.create_job(new, &actor));
        let (created, refused) = if here.is_ok() { (here, there) } else { (there, here) };
        created.unwrap();
        assert_eq!(refusal(refused), "validation");
    }
    assert_eq!(s.jobs(JobFilter::default()).await.len(), 8);
}

async fn a_dataset_makes_a_job_one_of_reams(s: &TestStore) {
    for (n, executor) in [None, Some(Executor::Ream), Some(Executor::External)].into_iter().enumerate() {
        let job = s.job(NewCrawlJob { executor, ..with_dataset(&format!("out/{n}")) }).await;
        assert_eq!(s.get(job.id).await.executor, executor.unwrap_or(Executor::Ream));
    }
}

fn list(images: u64) -> JobEvent {
    JobEvent::TakeImageList { image_list: "out/_ream/list".to_owned(), images }
}

async fn a_list_that_was_taken_in_fixes_the_images(s: &TestStore) {
    let chosen = |executor| NewCrawlJob { executor: Some(executor), ..small("chosen") };
    for (new, executor) in [
        (with_dataset("out/a"), Executor::Ream),
        (NewCrawlJob { executor: Some(Executor::External), ..with_dataset("out/b") }, Executor::External),
        (small("no dataset"), Executor::Ream),
        (chosen(Executor::Celery), Executor::Celery),
        (NewCrawlJob { max_images: Some(7), ..small("a guess") }, Executor::Ream),
    ] {
        let job = s.job(new).await;
        s.pass_s(1).await;
        let taken = s.act(job.id, list(12)).await.unwrap();
        assert!(taken.updated_at > job.updated_at);
        let wanted = CrawlJob {
            image_list: Some("out/_ream/list".to_owned()),
            max_images: Some(12),
            executor,
            updated_at: taken.updated_at,
            ..job
        };
        assert_eq!(taken, wanted);
        assert_eq!(s.get(taken.id).await, wanted);
        assert_eq!(s.log(taken.id).await.last().unwrap().action.as_str(), "list_taken");
        assert_eq!(refusal(s.create(taken.id, 13, None).await), "already_chunked");
        s.create(taken.id, 12, None).await.unwrap();
        let request = ClaimRequest { executor: Some(executor), ..ClaimRequest::new(task("worker"), 10) };
        let claimed = s.repository.claim(request).await.unwrap();
        assert_eq!(claimed.iter().filter(|claimed| claimed.chunk.job_id == taken.id).count(), 3);
    }
}

async fn a_list_is_taken_once(s: &TestStore) {
    let job = s.job(with_dataset("out")).await;
    for bad in [list(0), JobEvent::TakeImageList { image_list: String::new(), images: 5 }] {
        assert_eq!(refusal(s.act(job.id, bad).await), "validation");
    }
    let taken = s.act(job.id, list(12)).await.unwrap();
    let rows = s.log(job.id).await.len();
    s.pass_s(1).await;
    assert_eq!(s.act(job.id, list(12)).await.unwrap(), taken);
    assert_eq!(refusal(s.act(job.id, list(13)).await), "already_chunked");
    let other = JobEvent::TakeImageList { image_list: "other".to_owned(), images: 12 };
    assert_eq!(refusal(s.act(job.id, other).await), "already_chunked");
    assert_eq!((s.get(job.id).await, s.log(job.id).await.len()), (taken, rows));
    s.create(job.id, 12, None).await.unwrap();
    let started = s.get(job.id).await;
    assert_eq!(s.act(job.id, list(12)).await.unwrap(), started, "the same again, after the start as well");
}

async fn a_list_comes_before_the_chunks(s: &TestStore) {
    let (job_id, _) = s.chunked("chunked", 12).await;
    assert_eq!(refusal(s.act(job_id, list(12)).await), "already_chunked");
    assert_eq!(s.get(job_id).await.image_list, None);
    let begun = s.job(NewCrawlJob { chunk_size: 1, max_images: Some(70_000), ..small("begun") }).await.id;
    assert!(!s.repository.create_chunks_step(begun, 70_000, None, &tester()).await.unwrap().done);
    assert_eq!(refusal(s.act(begun, list(70_000)).await), "already_chunked");
    assert_eq!(s.get(begun).await.image_list, None);
}

async fn a_cancelled_job_takes_no_list(s: &TestStore) {
    let job = s.job(with_dataset("out")).await;
    s.act(job.id, JobEvent::Cancel { reason: None }).await.unwrap();
    assert_eq!(refusal(s.act(job.id, list(12)).await), "job_not_running");
    assert_eq!(s.get(job.id).await.image_list, None);
}

async fn an_update_changes_what_it_names_and_nothing_else(s: &TestStore) {
    let other = s.job(small("other")).await;
    let mut job = s.job(NewCrawlJob { max_images: Some(10), ..small("before") }).await;
    let changes = [
        JobChanges { name: Some("after".to_owned()), ..JobChanges::default() },
        JobChanges { max_images: Some(20), ..JobChanges::default() },
        JobChanges { priority: Some(priority(1)), ..JobChanges::default() },
        JobChanges { policy: Some(policy().into()), ..JobChanges::default() },
        JobChanges {
            policy: Some(PolicyPatch { max_retries: Some(7), ..PolicyPatch::default() }),
            ..JobChanges::default()
        },
    ];
    for change in changes {
        s.pass_s(2).await;
        let after = s.update(job.id, change.clone()).await.unwrap();
        assert!(after.updated_at > job.updated_at);
        job.updated_at = after.updated_at;
        job.name = change.name.unwrap_or(job.name);
        job.max_images = change.max_images.or(job.max_images);
        job.priority = change.priority.unwrap_or(job.priority);
        if let Some(patch) = change.policy {
            job.policy = Policy::new(patch.apply(*job.policy)).unwrap();
        }
        assert_eq!(after, job);
        assert_eq!(s.get(job.id).await, job);
    }
    let bad = JobChanges { name: Some(String::new()), priority: Some(priority(9)), ..JobChanges::default() };
    assert_eq!(refusal(s.update(job.id, bad).await), "validation");
    assert_eq!((s.get(job.id).await, s.get(other.id).await), (job, other));
}

async fn the_number_of_images_is_fixed_by_the_chunks(s: &TestStore) {
    let (job_id, _) = s.chunked("fixed", 10).await;
    let to = |images| JobChanges { max_images: Some(images), ..JobChanges::default() };
    assert_eq!(refusal(s.update(job_id, to(11)).await), "already_chunked");
    assert_eq!(refusal(s.update(job_id, to(0)).await), "validation");
    s.update(job_id, to(10)).await.unwrap();
    s.sound(job_id).await;
}

async fn the_number_of_images_is_fixed_while_chunks_are_being_created(s: &TestStore) {
    let job_id = s.job(NewCrawlJob { chunk_size: 1, max_images: Some(7), ..small("begun") }).await.id;
    s.repository.create_chunks_step(job_id, 40_000, None, &tester()).await.unwrap();
    let changes = JobChanges { max_images: Some(8), ..JobChanges::default() };
    assert_eq!(
        refusal(s.update(job_id, changes).await),
        "already_chunked",
        "it would be lost with the last step"
    );
    s.create(job_id, 40_000, None).await.unwrap();
    assert_eq!(s.get(job_id).await.max_images, Some(40_000));
    s.sound(job_id).await;
}

async fn a_new_policy_holds_from_the_next_start_on(s: &TestStore) {
    let (job_id, _) = s.chunked("policy", 10).await;
    let first = s.claim_one("worker").await;
    s.update(job_id, JobChanges { policy: Some(policy().into()), ..JobChanges::default() }).await.unwrap();
    let second = s.claim_one("worker").await;
    let length = |chunk: &ream_core::JobChunk| chunk.lease().unwrap().expires_at.ms_since(chunk.updated_at);
    assert_eq!((length(&first), length(&second)), (15_000, 16_000));
    assert_eq!(length(&s.apply(first.id, heartbeat(first.attempt)).await.unwrap()), 16_000);
}

async fn a_new_priority_reaches_every_chunk_that_is_not_completed(s: &TestStore) {
    let (job_id, chunks) = s.chunked("urgent", 20).await;
    let (_, others) = s.chunked("other", 10).await;
    s.apply(chunks[0].id, complete(None)).await.unwrap();
    s.apply(chunks[1].id, start(None)).await.unwrap();
    s.apply(chunks[2].id, Event::SetPriority(priority(2))).await.unwrap();
    let changes = JobChanges { priority: Some(priority(8)), ..JobChanges::default() };
    assert_eq!(s.update(job_id, changes).await.unwrap().priority, priority(8));
    s.pass_s(5).await;
    while s.repository.propagate_priority_step().await.unwrap() {}
    let after = s.chunks(job_id, None).await;
    let priorities: Vec<i64> = after.iter().map(|chunk| chunk.priority.get()).collect();
    assert_eq!(priorities, [5, 8, 8, 8]);
    assert!(after[3].updated_at > chunks[3].updated_at, "every write sets updated_at");
    for chunk in others {
        assert_eq!(s.chunk(chunk.id).await, chunk);
    }
    assert!(!s.repository.propagate_priority_step().await.unwrap());
    s.sound(job_id).await;
}

async fn after_a_pause_or_cancel_nothing_starts_and_what_runs_may_end(s: &TestStore) {
    for act in [JobEvent::Pause, JobEvent::Cancel { reason: Some("not needed".to_owned()) }] {
        let (job_id, chunks) = s.chunked("stopped", 20).await;
        let held = s.apply(chunks[0].id, start(None)).await.unwrap();
        let job = s.act(job_id, act).await.unwrap();
        assert_eq!(s.get(job_id).await, job);
        assert_eq!(refusal(s.apply(chunks[1].id, start(None)).await), "job_not_running");
        assert_eq!(s.claim("worker", 5).await, []);
        s.apply(held.id, heartbeat(held.attempt)).await.unwrap();
        s.apply(held.id, complete(Some(held.attempt))).await.unwrap();
        s.counts(job_id, [3, 0, 1, 0]).await;
        assert_eq!(s.get(job_id).await.ended_at.is_some(), job.gate == JobGate::Cancelled);
    }
}

async fn cancelled_is_final(s: &TestStore) {
    let (job_id, chunks) = s.chunked("final", 5).await;
    let cancelled = s.act(job_id, JobEvent::Cancel { reason: Some("not needed".to_owned()) }).await.unwrap();
    assert_eq!(refusal(s.act(job_id, JobEvent::Resume).await), "job_not_running");
    assert_eq!(refusal(s.act(job_id, JobEvent::Pause).await), "job_not_running");
    assert_eq!(s.act(job_id, JobEvent::Cancel { reason: None }).await.unwrap(), cancelled);
    assert_eq!(s.log(job_id).await.last().unwrap().message.as_deref(), Some("not needed"));
    s.apply(chunks[0].id, complete(None)).await.unwrap();
    assert_eq!(s.get(job_id).await.status(), CrawlJobStatus::Cancelled);
    assert_eq!(s.get(job_id).await.ended_at, cancelled.ended_at);
}

async fn a_job_with_every_chunk_completed_is_neither_paused_nor_cancelled(s: &TestStore) {
    let (done, chunks) = s.chunked("done", 5).await;
    s.apply(chunks[0].id, complete(None)).await.unwrap();
    let before = (s.get(done).await, s.log(done).await.len());
    for act in [JobEvent::Pause, JobEvent::Cancel { reason: None }] {
        assert_eq!(refusal(s.act(done, act).await), "wrong_status");
    }
    assert_eq!((s.get(done).await, s.log(done).await.len()), before);
    assert_eq!(s.act(done, JobEvent::Resume).await.unwrap(), before.0, "not paused: no change");
}

async fn acts_that_change_nothing_leave_no_trace(s: &TestStore) {
    let (job_id, _) = s.chunked("quiet", 5).await;
    for (act, rows) in
        [(JobEvent::Resume, 0), (JobEvent::Pause, 1), (JobEvent::Pause, 0), (JobEvent::Resume, 1)]
    {
        s.pass_s(1).await;
        let before = (s.get(job_id).await, s.log(job_id).await.len());
        let after = s.act(job_id, act).await.unwrap();
        assert_eq!(s.log(job_id).await.len() - before.1, rows);
        assert_eq!(after.updated_at > before.0.updated_at, rows > 0);
    }
    let before = s.get(job_id).await;
    assert_eq!(s.update(job_id, JobChanges::default()).await.unwrap(), before);
}

async fn a_deleted_job_and_its_chunks_are_gone_at_once(s: &TestStore) {
    let (job_id, chunks) = s.chunked("deleted", 20).await;
    let (kept, _) = s.chunked("kept", 10).await;
    let held = s.apply(chunks[0].id, start(None)).await.unwrap();
    s.repository.delete_job(job_id, &tester()).await.unwrap();
    let r = s.hooks.another_handle().await;
    assert_eq!(refusal(r.get_job(job_id).await), "not_found");
    assert_eq!(refusal(r.list_chunks(job_id, None, PageRequest::default()).await), "not_found");
    assert_eq!(refusal(r.get_chunk(chunks[1].id).await), "not_found");
    assert_eq!(refusal(s.apply(held.id, complete(Some(held.attempt))).await), "not_found");
    assert_eq!(refusal(r.split_chunk(chunks[1].id, 2, &tester()).await), "not_found");
    assert_eq!(refusal(r.delete_job(job_id, &tester()).await), "not_found");
    assert_eq!(refusal(s.create(job_id, 20, None).await), "not_found");
    assert_eq!(s.jobs(JobFilter::default()).await, [kept]);
    assert!(s.claim("worker", 10).await.iter().all(|claimed| claimed.chunk.job_id == kept));
    assert_eq!(s.log(job_id).await.last().unwrap().action.as_str(), "deleted", "the trail stays");
}

async fn a_purge_removes_what_was_deleted_and_nothing_else(s: &TestStore) {
    let (first, _) = s.chunked("first", 20).await;
    let (kept, chunks) = s.chunked("kept", 20).await;
    let (second, _) = s.chunked("second", 20).await;
    assert!(!s.repository.purge_step().await.unwrap());
    for job_id in [first, second] {
        s.repository.delete_job(job_id, &tester()).await.unwrap();
    }
    let mut steps = 0;
    while s.repository.purge_step().await.unwrap() {
        steps += 1;
        assert!(steps < 100, "it ends");
    }
    assert_eq!(s.chunks(kept, None).await, chunks);
    s.sound(kept).await;
    assert!(s.log(first).await.len() >= 2 && s.log(second).await.len() >= 2, "the trail outlives the job");
}

async fn ids_are_never_given_again(s: &TestStore) {
    let (job_id, chunks) = s.chunked("first", 10).await;
    let last = chunks[1].id;
    s.repository.delete_job(job_id, &tester()).await.unwrap();
    while s.repository.purge_step().await.unwrap() {}
    let (next, chunks): (JobId, _) = s.chunked("second", 10).await;
    assert!(next > job_id && chunks.iter().all(|chunk| chunk.id > last));
    let old: ChunkId = last;
    assert_eq!(refusal(s.apply(old, complete(None)).await), "not_found");
}
