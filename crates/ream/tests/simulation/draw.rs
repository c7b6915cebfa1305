//! Draws a history from a seed: who acts next, what it does, and what becomes of its messages.

use crate::answer::Answer;
use crate::model::{Chunk, Model, Retry};
use crate::ops::Op;
use crate::workers::Worker;
use ream::Executor;

/// A number that no job or chunk has.
const NOBODY: i64 = 999_999;
pub(crate) const MAX_JOBS: usize = 5;
pub(crate) const MAX_CHUNKS: usize = 70;
/// Calls of the past that may come once more.
const MAX_PAST: usize = 40;

/// Who hears the answer: a worker, by its place.
pub(crate) type Hears = Option<usize>;

/// What kind of history it is, in percent.
struct Kind {
    steps: usize,
    look_every: usize,
    lost_before: u8,
    lost_after: u8,
    twice: u8,
    late: u8,
    crash: u8,
    freeze: u8,
    /// How often it is a worker's turn, rather than an operator's or the service's.
    worker: u8,
    time: u8,
    process: u8,
    together: u8,
    clock_goes_back: bool,
}

pub(crate) struct Draw {
    pub(crate) random: fastrand::Rng,
    kind: Kind,
    workers: Vec<Worker>,
    next_name: u16,
    step: usize,
    /// Messages on their way, with the step at which they arrive.
    late: Vec<(usize, Op)>,
    past: Vec<Op>,
    /// What comes next, whatever is drawn.
    then: Option<Op>,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let rough = |random: &mut fastrand::Rng, most: u8| if random.bool() { random.u8(..most) } else { 0 };
        let kind = Kind {
            steps: random.usize(60..400),
            look_every: random.usize(3..25),
            lost_before: rough(&mut random, 20),
            lost_after: rough(&mut random, 30),
            twice: rough(&mut random, 20),
            late: rough(&mut random, 20),
            crash: rough(&mut random, 8),
            freeze: rough(&mut random, 12),
            worker: random.u8(35..75),
            time: random.u8(5..20),
            process: rough(&mut random, 3),
            together: rough(&mut random, 25),
            clock_goes_back: random.u8(..8) == 0,
        };
        let only = [None, None, None, Some(Executor::External), Some(Executor::Celery), Some(Executor::Ream)];
        let workers: Vec<Worker> =
            (1..=random.u16(1..7)).map(|name| Worker::new(name, random.choice(only).flatten())).collect();
        let next_name = workers.len() as u16 + 1;
        Self { random, kind, workers, next_name, step: 0, late: Vec::new(), past: Vec::new(), then: None }
    }

    pub(crate) fn looks_now(&self) -> bool {
        self.step.is_multiple_of(self.kind.look_every)
    }

    fn percent(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }

    /// The next operation, and who hears its answer; `None` at the end.
    pub(crate) fn next(&mut self, model: &Model) -> Option<(Op, Hears)> {
        while self.step < self.kind.steps {
            self.step += 1;
            if let Some(op) = self.then.take() {
                return Some((op, None));
            }
            if let Some(n) = self.late.iter().position(|(arrives, _)| *arrives <= self.step) {
                return Some((self.late.swap_remove(n).1, None));
            }
            if model.jobs.is_empty() {
                return Some((self.new_job(), None));
            }
            let dice = self.random.u8(..100);
            let (worker, time, process) = (self.kind.worker, self.kind.time, self.kind.process);
            let drawn = match dice {
                d if d < worker => self.worker_acts(model),
                d if d < worker + time => Some((self.time_passes(model), None)),
                d if d < worker + time + process => {
                    let op = if self.random.bool() { Op::Reopen } else { Op::Kill };
                    Some((op, None))
                }
                _ => Some((self.operator_acts(model), None)),
            };
            let Some((op, hears)) = drawn else { continue };
            if self.random.u8(..200) == 0 && is_one_write(&op) {
                return Some((Op::Locked(Box::new(op)), hears));
            }
            if self.percent(self.kind.together) && is_one_write(&op) {
                return Some((self.with_others(op, model), None));
            }
            return Some((op, hears));
        }
        None
    }

    pub(crate) fn hear(&mut self, op: &Op, hears: Hears, answer: &Answer) {
        let op = if let Op::Locked(op) = op { op } else { op };
        if let Some(worker) = hears {
            self.workers[worker].hears(op, answer);
        }
    }

    /// Others ask at the same time.
    fn with_others(&mut self, op: Op, model: &Model) -> Op {
        let mut ops = vec![op];
        for _ in 0..self.random.usize(1..5) {
            let other = match self.worker_acts(model) {
                Some((op, _)) if self.random.bool() => op,
                _ => self.operator_acts(model),
            };
            if is_one_write(&other) {
                ops.push(other);
            }
        }
        self.random.shuffle(&mut ops);
        Op::Together(ops)
    }

    fn worker_acts(&mut self, model: &Model) -> Option<(Op, Hears)> {
        if self.random.u8(..12) == 0 && !self.past.is_empty() {
            // A copy of an old message, from an attempt that may be long over.
            return Some((self.past[self.random.usize(..self.past.len())].clone(), None));
        }
        let n = self.random.usize(..self.workers.len());
        if self.percent(self.kind.crash) {
            self.workers[n].crash(self.next_name);
            self.next_name += 1;
        }
        if self.percent(self.kind.freeze) {
            let until = self.step + self.random.usize(5..60);
            self.workers[n].freeze(until);
        }
        if self.workers[n].is_frozen(self.step) {
            return None;
        }
        let mut jobs: Vec<i64> = model.jobs.keys().copied().collect();
        jobs.push(NOBODY);
        let op = if self.random.u8(..10) == 0 {
            self.start_of_a_task(n, model)
        } else {
            self.workers[n].next(&mut self.random, &jobs)
        };
        if self.past.len() == MAX_PAST {
            self.past.swap_remove(self.random.usize(..MAX_PAST));
        }
        self.past.push(op.clone());
        self.send(n, op)
    }

    /// A message may be lost on its way, or its answer; come twice, or late.
    fn send(&mut self, worker: usize, op: Op) -> Option<(Op, Hears)> {
        let arrives = self.step + self.random.usize(1..80);
        if self.percent(self.kind.lost_before) {
            self.workers[worker].hears_nothing(&op);
            return None;
        }
        if self.percent(self.kind.late) {
            self.late.push((arrives, op.clone()));
            self.workers[worker].hears_nothing(&op);
            return None;
        }
        if self.percent(self.kind.twice) {
            self.late.push((arrives, op.clone()));
        }
        if self.percent(self.kind.lost_after) {
            self.workers[worker].hears_nothing(&op);
            return Some((op, None));
        }
        Some((op, Some(worker)))
    }

    /// What a task queue's worker does: it starts a chunk by name, most often one that was dispatched to it.
    fn start_of_a_task(&mut self, worker: usize, model: &Model) -> Op {
        let chunk = self.chunk(model, |chunk| chunk.dispatch.is_some());
        let given = model.chunks.get(&chunk).and_then(|chunk| chunk.task.clone());
        let given = given.and_then(|name| name.trim_start_matches('w').parse().ok());
        let task = match self.random.u8(..10) {
            0 => None,
            1 => Some(0),
            2..4 => Some(self.workers[worker].name),
            _ => given.or(Some(self.workers[worker].name)),
        };
        Op::Start { chunk, task }
    }

    /// Some chunk, rather one that fits.
    pub(crate) fn chunk(&mut self, model: &Model, fits: impl Fn(&Chunk) -> bool) -> i64 {
        if self.random.u8(..40) == 0 {
            return NOBODY;
        }
        let wanted = self.random.u8(..10) > 1;
        let found: Vec<i64> =
            model.chunks.values().filter(|chunk| !wanted || fits(chunk)).map(|chunk| chunk.id).collect();
        match self.random.choice(&found) {
            Some(chunk) => *chunk,
            None => self.random.choice(model.chunks.keys()).copied().unwrap_or(NOBODY),
        }
    }

    pub(crate) fn job(&mut self, model: &Model) -> i64 {
        match self.random.u8(..40) {
            0 => NOBODY,
            _ => self.random.choice(model.jobs.keys()).copied().unwrap_or(NOBODY),
        }
    }

    /// A few milliseconds, a lease, a minute, or exactly until something is due, or a millisecond beside it.
    fn time_passes(&mut self, model: &Model) -> Op {
        let back = self.kind.clock_goes_back;
        Op::Advance(match self.random.u8(..20) {
            0..6 => self.random.i64(1..1500),
            6..13 => match self.next_moment(model) {
                Some(at) => at - model.now + self.random.i64(-1..2),
                None => self.random.i64(1..20),
            },
            13..17 => self.random.i64(1000..7000),
            17 if back => -self.random.i64(1..4000),
            17..19 => self.random.i64(7_000..70_000),
            _ => self.random.i64(1..20),
        })
    }

    /// When something will be due, one of the next few; often somebody acts on it right then.
    fn next_moment(&mut self, model: &Model) -> Option<i64> {
        let mut moments: Vec<(i64, Op)> = Vec::new();
        for chunk in model.chunks.values() {
            let (id, attempt) = (chunk.id, chunk.attempt);
            let acts = if let Some((until, _)) = chunk.lease {
                let holders = [
                    Op::Heartbeat { chunk: id, attempt, progress: None },
                    Op::Complete { chunk: id, attempt: Some(attempt), report: None },
                    Op::Fail { chunk: id, attempt: Some(attempt), why: None },
                    Op::Release { chunk: id, attempt },
                    Op::Expire(500),
                ];
                self.random.choice(holders).map(|op| (until, op))
            } else if let Some((_, until)) = chunk.dispatch {
                let task = self.random.u16(1..9);
                let refused = Op::Claim { worker: task, job: Some(NOBODY), executor: None, limit: 1 };
                let others = [
                    // What was refused leaves nothing, in a group of calls as well.
                    Op::Together(vec![Op::Ends, refused]),
                    Op::Start { chunk: id, task: Some(task) },
                    Op::Start { chunk: id, task: None },
                    Op::Dispatch { chunk: id, task },
                    Op::Next(chunk.job),
                    Op::Claim { worker: task, job: Some(chunk.job), executor: None, limit: 2 },
                ];
                self.random.choice(others).map(|op| (until, op))
            } else if let Retry::At(at) = chunk.retry {
                Some((at, Op::RetryDue(500)))
            } else {
                None
            };
            moments.extend(acts);
        }
        let deadlines = model.jobs.values().filter_map(|job| job.deadline_at);
        moments.extend(deadlines.map(|at| (at, Op::Deadlines)));
        moments.retain(|(at, _)| *at > model.now);
        moments.sort_by_key(|(at, _)| *at);
        moments.truncate(3);
        let (at, op) = self.random.choice(moments)?;
        self.then = self.random.bool().then_some(op);
        Some(at)
    }
}

/// Whether a call is a single transaction, whose place among others is that of its message.
const fn is_one_write(op: &Op) -> bool {
    matches!(
        op,
        Op::Pause(_)
            | Op::Resume(_)
            | Op::Cancel(_)
            | Op::DeleteAndDie(_)
            | Op::TakeList { .. }
            | Op::SetJobPriorityAndDie { .. }
            | Op::Claim { .. }
            | Op::Heartbeat { .. }
            | Op::HeartbeatMany(_)
            | Op::Complete { .. }
            | Op::CompleteMany(_)
            | Op::Fail { .. }
            | Op::Release { .. }
            | Op::Start { .. }
            | Op::Dispatch { .. }
            | Op::Retry(_)
            | Op::SetStatus { .. }
            | Op::Split { .. }
            | Op::SetPriority { .. }
            | Op::Expire(_)
            | Op::Deadlines
            | Op::Ends
            | Op::Purge
    )
}
