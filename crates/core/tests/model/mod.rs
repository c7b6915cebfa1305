//! What the design says of one chunk, as a small model of its own: statuses, attempts and leases, and who may do what.
//! Written from the design's sentences, not from the code that it is compared with.

use proptest::prelude::*;
use ream_core::event::Event;
use ream_core::{Attempt, JobChunkStatus, JobGate, Priority};

use super::support::task;

/// Whose attempt a call names.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose {
    Present,
    Former,
    Never,
    Nobody,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Claim,
    Start,
    Heartbeat(Whose),
    Complete(Whose),
    Fail(Whose),
    Release(Whose),
    Retry,
    PutBack,
    RetryByPolicy,
    Expire,
    Dispatch,
    SetPriority(i64),
    Advance(u32),
    Gate(JobGate),
}

pub(crate) fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![5 => Just(Whose::Present), 1 => Just(Whose::Former), 1 => Just(Whose::Never), 2 => Just(Whose::Nobody)]
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Claim),
        2 => Just(Op::Start),
        4 => whose().prop_map(Op::Heartbeat),
        3 => whose().prop_map(Op::Complete),
        4 => whose().prop_map(Op::Fail),
        2 => whose().prop_map(Op::Release),
        2 => Just(Op::Retry),
        1 => Just(Op::PutBack),
        3 => Just(Op::RetryByPolicy),
        3 => Just(Op::Expire),
        1 => Just(Op::Dispatch),
        1 => (0i64..=10).prop_map(Op::SetPriority),
        5 => prop_oneof![1u32..5_000, 10_000u32..20_000, 100_000u32..4_000_000].prop_map(Op::Advance),
        1 => prop_oneof![4 => Just(JobGate::Open), 2 => Just(JobGate::Paused), 1 => Just(JobGate::Cancelled)]
            .prop_map(Op::Gate),
    ]
}

/// What the design says of one chunk, as far as its words go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) status: Option<JobChunkStatus>,
    pub(crate) attempt: i64,
    pub(crate) retry_count: u32,
    /// Until when the present attempt may write, and its last possible moment.
    pub(crate) lease: Option<(i64, i64)>,
    /// Until when a dispatched chunk is left to its task.
    pub(crate) dispatched_until: Option<i64>,
    /// The verb of the last fenced success, which the same attempt may repeat.
    pub(crate) repeatable: Option<&'static str>,
}

/// What the design has a call do.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Moves,
    Nothing,
    Refused(&'static str),
    /// Retries by policy depend on a random wait: both are possible.
    MovesOrNothing,
}

impl Model {
    pub(crate) fn status(&self) -> JobChunkStatus {
        self.status.unwrap_or(JobChunkStatus::Pending)
    }

    fn attempt_of(&self, whose: Whose) -> Option<i64> {
        match whose {
            Whose::Present => Some(self.attempt),
            Whose::Former => Some(self.attempt - 1),
            Whose::Never => Some(self.attempt + 1),
            Whose::Nobody => None,
        }
    }

    fn holds(&self, attempt: i64, now: i64) -> bool {
        attempt == self.attempt && self.lease.is_some_and(|(until, _)| now < until)
    }

    fn end(&mut self, status: JobChunkStatus, repeatable: Option<&'static str>) -> Verdict {
        (self.status, self.lease, self.dispatched_until) = (Some(status), None, None);
        self.repeatable = repeatable;
        Verdict::Moves
    }

    fn start(&mut self, now: i64, gate: JobGate, lease_ms: i64) -> Verdict {
        let left_alone = self.dispatched_until.is_some_and(|until| now < until);
        if self.status() != JobChunkStatus::Pending || left_alone {
            return Verdict::Refused("wrong_status");
        }
        if gate != JobGate::Open {
            return Verdict::Refused("job_not_running");
        }
        self.end(JobChunkStatus::Processing, None);
        self.attempt += 1;
        self.lease = Some((now + lease_ms, now + 3_600_000));
        Verdict::Moves
    }

    fn worker_or_operator(
        &mut self,
        whose: Whose,
        verb: &'static str,
        to: JobChunkStatus,
        now: i64,
    ) -> Verdict {
        let done = self.status() == to;
        match self.attempt_of(whose) {
            Some(attempt) if done && attempt == self.attempt && self.repeatable == Some(verb) => {
                Verdict::Nothing
            }
            Some(attempt) if self.holds(attempt, now) => self.end(to, Some(verb)),
            Some(_) => Verdict::Refused("lease_lost"),
            None if done => Verdict::Nothing,
            None if self.status() == JobChunkStatus::Completed => Verdict::Refused("wrong_status"),
            None => self.end(to, None),
        }
    }

    pub(crate) fn put_back(&mut self) -> Verdict {
        if self.status() != JobChunkStatus::Failed {
            return Verdict::Refused("wrong_status");
        }
        self.retry_count += 1;
        self.end(JobChunkStatus::Pending, None)
    }

    pub(crate) fn apply(&mut self, op: Op, now: i64, gate: JobGate, priority: i64) -> Verdict {
        match op {
            Op::Claim => self.start(now, gate, 15_000),
            Op::Start => self.start(now, gate, 3_600_000),
            Op::Heartbeat(whose) => {
                let attempt = self.attempt_of(whose).unwrap_or(self.attempt);
                match self.lease {
                    Some((_, timeout)) if self.holds(attempt, now) => {
                        self.lease = Some(((now + 15_000).min(timeout), timeout));
                        Verdict::Moves
                    }
                    _ => Verdict::Refused("lease_lost"),
                }
            }
            Op::Complete(whose) => self.worker_or_operator(whose, "complete", JobChunkStatus::Completed, now),
            Op::Fail(whose) => self.worker_or_operator(whose, "fail", JobChunkStatus::Failed, now),
            Op::Release(whose) => {
                let attempt = self.attempt_of(whose).unwrap_or(self.attempt);
                let repeated = self.status() == JobChunkStatus::Pending && self.repeatable == Some("release");
                if repeated && attempt == self.attempt {
                    Verdict::Nothing
                } else if self.holds(attempt, now) {
                    self.end(JobChunkStatus::Pending, Some("release"))
                } else {
                    Verdict::Refused("lease_lost")
                }
            }
            Op::PutBack if self.status() == JobChunkStatus::Processing => {
                self.end(JobChunkStatus::Pending, None)
            }
            Op::Retry | Op::PutBack => self.put_back(),
            Op::RetryByPolicy if self.status() == JobChunkStatus::Failed => Verdict::MovesOrNothing,
            Op::RetryByPolicy => Verdict::Nothing,
            Op::Expire => match self.lease {
                Some((until, _)) if until <= now => self.end(JobChunkStatus::Failed, None),
                _ => Verdict::Nothing,
            },
            Op::Dispatch => {
                let left_alone = self.dispatched_until.is_some_and(|until| now < until);
                if self.status() != JobChunkStatus::Pending || left_alone {
                    return Verdict::Refused("wrong_status");
                }
                if gate != JobGate::Open {
                    return Verdict::Refused("job_not_running");
                }
                self.dispatched_until = Some(now + 600_000);
                Verdict::Moves
            }
            Op::SetPriority(to) if to == priority => Verdict::Nothing,
            Op::SetPriority(_) => Verdict::Moves,
            Op::Advance(_) | Op::Gate(_) => Verdict::Nothing,
        }
    }
}

pub(crate) fn event(op: Op, model: &Model) -> Option<Event> {
    let attempt = |whose| model.attempt_of(whose).map(Attempt::new);
    let given = |whose| Attempt::new(model.attempt_of(whose).unwrap_or(model.attempt));
    Some(match op {
        Op::Claim => Event::Claim { task_id: task("worker") },
        Op::Start => Event::Start { task_id: None },
        Op::Heartbeat(whose) => Event::Heartbeat { attempt: given(whose), progress: None },
        Op::Complete(whose) => Event::Complete { attempt: attempt(whose), outcome: None },
        Op::Fail(whose) => Event::Fail { attempt: attempt(whose), message: Some("why".to_owned()) },
        Op::Release(whose) => Event::Release { attempt: given(whose) },
        Op::Retry => Event::Retry,
        Op::PutBack => Event::PutBack,
        Op::RetryByPolicy => Event::RetryByPolicy,
        Op::Expire => Event::Expire,
        Op::Dispatch => Event::Dispatch { task_id: task("celery") },
        Op::SetPriority(to) => Event::SetPriority(Priority::new(to).unwrap()),
        Op::Advance(_) | Op::Gate(_) => return None,
    })
}
