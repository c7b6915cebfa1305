//! What failing seeds were cut down to, as facts.

use crate::ops::{NewJob, Op, Report, Rules, TOO_FAR};
use crate::story::{
    COMPLETED, Chunks, Count, Done, FAILED, Is, PENDING, Refused, claim, complete, fail, job, story, tell,
};

#[test]
fn a_paused_job_with_every_chunk_completed_does_not_keep_others_from_their_deadlines() {
    let rules = Rules { deadline: Some(10), ..Rules::USUAL };
    story!(job(5, rules);
        Op::CreateJob(NewJob { rules, ..NewJob::USUAL }) => Done,
        Op::CreateChunks { job: 2, images: 5, priority: None } => Done,
        claim(1, 1) => Chunks(&[1]),
        Op::Pause(1) => Done,
        complete(1, 1) => Is(1, COMPLETED),
        Op::Advance(10_000) => Done,
        Op::Deadlines => Count(1),
        Op::Duties => Done,
    );
}

#[test]
fn a_cancelled_job_has_ended_whatever_becomes_of_its_chunks() {
    story!(job(10, Rules::USUAL);
        claim(1, 1) => Chunks(&[1]),
        Op::Cancel(1) => Done,
        fail(1, 1) => Is(1, FAILED),
        Op::Retry(1) => Is(1, PENDING),
    );
}

#[test]
fn a_bad_argument_is_named_before_the_chunk_or_job_is_looked_for() {
    tell(&[
        (Op::Heartbeat { chunk: 1, attempt: 1, progress: Some(TOO_FAR) }, Refused("validation")),
        (
            Op::Complete { chunk: 1, attempt: None, report: Some(Report { ok: 0, outputs: Report::CLIMBS }) },
            Refused("validation"),
        ),
        (Op::UpdateJob { job: 1, images: Some(0), priority: None, rules: None }, Refused("validation")),
    ]);
}
