//! The nastiest stories, told by hand: a history may or may not draw them.

use crate::ops::{Bulk, NewJob, Op, Rules};
use crate::story::{
    COMPLETED, Chunks, Count, Done, FAILED, Is, PENDING, PROCESSING, Refused, claim, complete, fail,
    heartbeat, job, story,
};
use ream::Executor;

#[test]
fn a_completion_whose_answer_was_lost_is_acknowledged_when_it_is_repeated() {
    story!(job(10, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        complete(1, 1) => Is(1, COMPLETED),
        Op::Advance(100_000) => Done,
        Op::Kill => Done,
        Op::Duties => Done,
        complete(1, 1) => Is(1, COMPLETED),
        Op::Publish { chunk: 1, attempt: 1 } => Done,
        complete(1, 1) => Is(1, COMPLETED),
        Op::Unpublished { job: 1, limit: 10 } => Chunks(&[]),
        fail(1, 1) => Refused("lease_lost"),
        Op::Release { chunk: 1, attempt: 1 } => Refused("lease_lost"),
    );
}

#[test]
fn a_late_completion_of_an_expired_attempt_does_not_touch_the_next_holders_work() {
    story!(job(5, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        // The completion is lost on its way, and the worker waits too long before it tries again.
        Op::Advance(5_000) => Done,
        complete(1, 1) => Refused("lease_lost"),
        Op::Expire(500) => Count(1),
        complete(1, 1) => Refused("lease_lost"),
        claim(2, 1) => Chunks(&[1]),
        complete(1, 1) => Refused("lease_lost"),
        heartbeat(1, 1) => Refused("lease_lost"),
        Op::Release { chunk: 1, attempt: 1 } => Refused("lease_lost"),
        complete(1, 2) => Is(2, COMPLETED),
        complete(1, 1) => Refused("lease_lost"),
        complete(1, 2) => Is(2, COMPLETED),
    );
}

#[test]
fn a_lease_holds_until_its_last_millisecond_and_no_longer() {
    story!(job(5, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(4_999) => Done,
        Op::Expire(500) => Count(0),
        heartbeat(1, 1) => Done,
        Op::Advance(4_999) => Done,
        Op::Expire(500) => Count(0),
        Op::Advance(1) => Done,
        heartbeat(1, 1) => Refused("lease_lost"),
        Op::Expire(500) => Count(1),
    );
}

#[test]
fn a_worker_that_froze_past_its_timeout_is_fenced_however_often_it_reported() {
    let rules = Rules { timeout: 7, ..Rules::USUAL };
    story!(job(5, rules);
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(4_000) => Done,
        heartbeat(1, 1) => Done,
        Op::Advance(2_999) => Done,
        heartbeat(1, 1) => Done,
        Op::Advance(1) => Done,
        heartbeat(1, 1) => Refused("lease_lost"),
        complete(1, 1) => Refused("lease_lost"),
        Op::Duties => Done,
        claim(2, 1) => Chunks(&[1]),
        fail(1, 1) => Refused("lease_lost"),
    );
}

#[test]
fn a_claim_whose_answer_was_lost_costs_one_lease() {
    story!(job(10, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        // The worker heard nothing and asks again.
        claim(1, 1) => Chunks(&[2]),
        claim(1, 1) => Chunks(&[]),
        Op::Advance(4_000) => Done,
        heartbeat(2, 1) => Done,
        Op::Advance(1_000) => Done,
        Op::Duties => Done,
        claim(1, 2) => Chunks(&[1]),
        complete(1, 2) => Is(2, COMPLETED),
        complete(2, 1) => Is(1, COMPLETED),
        Op::Duties => Done,
    );
}

#[test]
fn a_split_between_two_attempts_leaves_the_old_attempt_nothing_to_complete() {
    story!(job(5, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        fail(1, 1) => Is(1, FAILED),
        Op::Split { chunk: 1, parts: 3 } => Chunks(&[1, 2, 3]),
        fail(1, 1) => Is(1, FAILED),
        complete(1, 1) => Refused("lease_lost"),
        Op::Retry(1) => Is(1, PENDING),
        claim(2, 10) => Chunks(&[1, 2, 3]),
        Op::Split { chunk: 1, parts: 2 } => Refused("wrong_status"),
        complete(1, 1) => Refused("lease_lost"),
        Op::CompleteMany(vec![(1, Some(2)), (2, Some(1)), (3, Some(1)), (1, Some(1))]) => Done,
        Op::Split { chunk: 1, parts: 2 } => Refused("wrong_status"),
        Op::Duties => Done,
    );
}

#[test]
fn a_split_of_a_failed_job_takes_its_announced_end_back() {
    story!(job(5, Rules::USUAL);
        Op::Fail { chunk: 1, attempt: None, why: None } => Is(0, FAILED),
        Op::Ends => Done,
        Op::Split { chunk: 1, parts: 2 } => Chunks(&[1, 2]),
        claim(1, 10) => Chunks(&[2]),
        complete(2, 1) => Is(1, COMPLETED),
        Op::Ends => Done,
        Op::Ends => Done,
        Op::RetryJob(1) => Count(1),
        Op::Ends => Done,
    );
}

#[test]
fn claims_that_race_with_a_pause_win_or_lose_whole() {
    let together = |ops| Op::Together(ops);
    story!(job(25, Rules::USUAL);
        together(vec![claim(1, 2), Op::Pause(1), claim(2, 2), heartbeat(1, 1)]) => Done,
        claim(2, 2) => Chunks(&[]),
        Op::Start { chunk: 3, task: None } => Refused("job_not_running"),
        Op::Dispatch { chunk: 3, task: 4 } => Refused("job_not_running"),
        complete(1, 1) => Is(1, COMPLETED),
        together(vec![Op::Resume(1), claim(2, 1), Op::Cancel(1), claim(3, 1)]) => Done,
        heartbeat(3, 1) => Done,
        complete(3, 1) => Is(1, COMPLETED),
        Op::Release { chunk: 2, attempt: 1 } => Is(1, PENDING),
        claim(1, 10) => Chunks(&[]),
        Op::Resume(1) => Refused("job_not_running"),
    );
}

#[test]
fn a_deadline_that_passes_while_chunks_run_lets_their_holders_finish() {
    let rules = Rules { deadline: Some(3), ..Rules::USUAL };
    story!(job(15, rules);
        claim(1, 2) => Chunks(&[1, 2]),
        Op::Advance(2_999) => Done,
        Op::Deadlines => Count(0),
        Op::Advance(1) => Done,
        Op::Deadlines => Count(1),
        Op::Deadlines => Count(0),
        heartbeat(1, 1) => Done,
        claim(2, 1) => Chunks(&[]),
        complete(1, 1) => Is(1, COMPLETED),
        // Nobody will start it again, so nothing awaits a retry.
        fail(2, 1) => Is(1, FAILED),
        Op::Advance(1_000_000) => Done,
        Op::Duties => Done,
        Op::Cancel(1) => Done,
    );
}

#[test]
fn a_retry_budget_that_is_used_up_waits_for_a_person_who_gives_a_new_one() {
    let rules = Rules { retries: 2, backoff: 1, ..Rules::USUAL };
    story!(job(5, rules);
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(5_000) => Done,
        // The first expiry is retried at once, and counts.
        Op::Expire(500) => Count(1),
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(5_000) => Done,
        Op::Expire(500) => Count(1),
        claim(1, 1) => Chunks(&[]),
        Op::Advance(4_000) => Done,
        Op::RetryDue(500) => Count(1),
        claim(1, 1) => Chunks(&[1]),
        fail(1, 3) => Is(3, FAILED),
        Op::Advance(10_000_000) => Done,
        Op::RetryDue(500) => Count(0),
        Op::Ends => Done,
        Op::Retry(1) => Is(3, PENDING),
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(5_000) => Done,
        Op::Expire(500) => Count(1),
        claim(1, 1) => Chunks(&[1]),
        complete(1, 5) => Is(5, COMPLETED),
    );
}

#[test]
fn an_operators_word_ends_a_lease_and_its_holder_hears_of_it() {
    story!(job(10, Rules::USUAL);
        claim(1, 2) => Chunks(&[1, 2]),
        Op::Complete { chunk: 1, attempt: None, report: None } => Is(1, COMPLETED),
        complete(1, 1) => Refused("lease_lost"),
        Op::Complete { chunk: 1, attempt: None, report: None } => Is(1, COMPLETED),
        Op::Fail { chunk: 1, attempt: None, why: None } => Refused("wrong_status"),
        Op::SetStatus { chunk: 2, status: "pending", why: None, task: None } => Is(1, PENDING),
        Op::Release { chunk: 2, attempt: 1 } => Refused("lease_lost"),
        claim(2, 1) => Chunks(&[2]),
        heartbeat(2, 1) => Refused("lease_lost"),
        Op::SetStatus { chunk: 2, status: "failed", why: Some(2), task: None } => Is(2, FAILED),
        fail(2, 2) => Refused("lease_lost"),
        Op::Advance(1_000_000) => Done,
        Op::RetryDue(500) => Count(0),
    );
}

#[test]
fn a_task_that_comes_twice_starts_its_chunk_once() {
    let start = |task| Op::Start { chunk: 1, task };
    story!(job(5, Rules::USUAL);
        Op::Dispatch { chunk: 1, task: 3 } => Is(0, PENDING),
        claim(1, 1) => Chunks(&[]),
        start(Some(4)) => Refused("wrong_status"),
        start(Some(3)) => Is(1, PROCESSING),
        start(Some(3)) => Refused("wrong_status"),
        // No heartbeat is due for the whole timeout; the first makes it a normal lease.
        Op::Advance(59_000) => Done,
        heartbeat(1, 1) => Done,
        Op::Advance(1_000) => Done,
        Op::Expire(500) => Count(1),
        Op::Dispatch { chunk: 1, task: 3 } => Is(1, PENDING),
        Op::Advance(10_000) => Done,
        claim(1, 1) => Chunks(&[1]),
        start(Some(3)) => Refused("wrong_status"),
    );
}

#[test]
fn a_deleted_job_takes_its_holders_with_it() {
    story!(job(10, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        Op::DeleteAndDie(1) => Done,
        complete(1, 1) => Refused("not_found"),
        heartbeat(1, 1) => Refused("not_found"),
        claim(2, 10) => Chunks(&[]),
        Op::Kill => Done,
        Op::Advance(100_000) => Done,
        Op::Expire(500) => Count(0),
        Op::Duties => Done,
        Op::Duties => Done,
        Op::Duties => Done,
        Op::CreateJob(NewJob::USUAL) => Done,
        Op::CreateChunks { job: 2, images: 5, priority: None } => Chunks(&[3]),
        claim(2, 10) => Chunks(&[3]),
        complete(1, 1) => Refused("not_found"),
    );
}

#[test]
fn a_priority_whose_caller_died_reaches_the_chunks_by_the_duty() {
    story!(job(10, Rules::USUAL);
        Op::SetPriority { chunk: 2, priority: 7 } => Done,
        Op::SetJobPriorityAndDie { job: 1, priority: 9 } => Done,
        Op::Kill => Done,
        claim(1, 1) => Chunks(&[2]),
        Op::Priorities => Done,
        Op::Release { chunk: 2, attempt: 1 } => Done,
        claim(1, 1) => Chunks(&[1]),
    );
}

#[test]
fn what_a_locked_database_refused_is_not_done_at_all() {
    let locked = |op| Op::Locked(Box::new(op));
    story!(job(10, Rules::USUAL);
        locked(claim(1, 1)) => Refused("unavailable"),
        claim(1, 1) => Chunks(&[1]),
        locked(complete(1, 1)) => Refused("unavailable"),
        Op::Reopen => Done,
        complete(1, 1) => Is(1, COMPLETED),
    );
}

#[test]
fn claims_go_by_the_jobs_priority_then_age_and_by_the_chunks_priority_then_index() {
    let second = NewJob { executor: Some(Executor::Celery), priority: 8, ..NewJob::USUAL };
    let bulk = Op::BulkCreate { job: 2, sizes: vec![5, 5, 1], but: Bulk::Exact };
    story!(job(10, Rules::USUAL);
        Op::CreateJob(second) => Done,
        bulk => Chunks(&[3, 4, 5]),
        Op::SetPriority { chunk: 4, priority: 10 } => Done,
        // Of the others the one with the lower index, though its images come last.
        claim(1, 4) => Chunks(&[4, 5, 3, 1]),
        Op::Claim { worker: 1, job: None, executor: Some(Executor::Celery), limit: 9 } => Chunks(&[]),
        Op::Claim { worker: 1, job: Some(1), executor: None, limit: 9 } => Chunks(&[2]),
    );
}

#[test]
fn a_clock_that_goes_back_breaks_no_lease() {
    story!(job(5, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        Op::Advance(-3_000) => Done,
        Op::Expire(500) => Count(0),
        heartbeat(1, 1) => Done,
        Op::Advance(4_999) => Done,
        complete(1, 1) => Is(1, COMPLETED),
    );
}

#[test]
fn what_was_refused_among_other_calls_leaves_nothing() {
    let nowhere = Op::Claim { worker: 1, job: Some(9), executor: None, limit: 1 };
    let too_many = Op::Split { chunk: 2, parts: 6 };
    story!(job(10, Rules::USUAL);
        Op::Dispatch { chunk: 1, task: 3 } => Done,
        Op::Advance(10_000) => Done,
        // A claim forgets overdue dispatches, but this one never was.
        Op::Together(vec![Op::Ends, nowhere, too_many, Op::Split { chunk: 2, parts: 5 }]) => Done,
        Op::Start { chunk: 1, task: Some(4) } => Is(1, PROCESSING),
    );
}
