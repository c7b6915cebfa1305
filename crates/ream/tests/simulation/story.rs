//! How a story is told: operations, and what comes of each. Every answer is judged by the model as well, and everything
//! that is stored is compared after each step.

use crate::answer::Answer;
use crate::ops::{NewJob, Op, Report, Rules};
use crate::run;
use ream::JobChunkStatus;

/// What the story says of an answer.
pub(crate) enum Told {
    Done,
    Refused(&'static str),
    /// These chunks, in this order.
    Chunks(&'static [i64]),
    /// So much was done.
    Count(u64),
    Is(i64, JobChunkStatus),
}
pub(crate) use Told::{Chunks, Count, Done, Is, Refused};

impl Told {
    fn fits(&self, answer: &Answer) -> bool {
        match (self, answer) {
            (Refused(code), Answer::Refused(found, _)) => code == found,
            (_, Answer::Refused(..)) => false,
            (Done, _) => true,
            (Chunks(ids), Answer::Claimed(found)) => {
                found.iter().map(|claimed| claimed.chunk.id.get()).eq(ids.iter().copied())
            }
            (Chunks(ids), Answer::Chunks(found)) => {
                found.iter().map(|chunk| chunk.id.get()).eq(ids.iter().copied())
            }
            (Count(count), Answer::Count(found)) => count == found,
            (Is(attempt, status), Answer::Chunk(found)) => {
                (found.attempt.get(), found.status()) == (*attempt, *status)
            }
            _ => false,
        }
    }
}

pub(crate) const PENDING: JobChunkStatus = JobChunkStatus::Pending;
pub(crate) const PROCESSING: JobChunkStatus = JobChunkStatus::Processing;
pub(crate) const COMPLETED: JobChunkStatus = JobChunkStatus::Completed;
pub(crate) const FAILED: JobChunkStatus = JobChunkStatus::Failed;

#[track_caller]
pub(crate) fn tell(story: &[(Op, Told)]) {
    let ops: Vec<Op> = story.iter().map(|(op, _)| op.clone()).collect();
    let answers = run::script(&ops).unwrap_or_else(|fault| panic!("{fault}"));
    for (n, ((op, told), answer)) in story.iter().zip(&answers).enumerate() {
        assert!(told.fits(answer), "operation {n}, {op:?}, answered {}", answer.brief());
    }
}

/// Job 1 with so many images in chunks of five.
pub(crate) fn job(images: i64, rules: Rules) -> [(Op, Told); 2] {
    let new = NewJob { rules, ..NewJob::USUAL };
    [(Op::CreateJob(new), Done), (Op::CreateChunks { job: 1, images, priority: None }, Done)]
}

pub(crate) fn claim(worker: u16, limit: u32) -> Op {
    Op::Claim { worker, job: None, executor: None, limit }
}

pub(crate) fn complete(chunk: i64, attempt: i64) -> Op {
    Op::Complete { chunk, attempt: Some(attempt), report: Some(Report { ok: 5, outputs: 1 }) }
}

pub(crate) fn fail(chunk: i64, attempt: i64) -> Op {
    Op::Fail { chunk, attempt: Some(attempt), why: Some(1) }
}

pub(crate) fn heartbeat(chunk: i64, attempt: i64) -> Op {
    Op::Heartbeat { chunk, attempt, progress: None }
}

/// A story: a job, then what happens to it.
macro_rules! story {
    ($first:expr; $($op:expr => $told:expr),+ $(,)?) => {
        crate::story::tell(&$first.into_iter().chain([$(($op, $told)),+]).collect::<Vec<_>>())
    };
}
pub(crate) use story;
