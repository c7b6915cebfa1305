//! What may be asked of one chunk.

use super::{Chunk, Model, OPERATOR, Retry, Said, Verb, Words};
use crate::ops::{Op, Report, Rules, fault, is_valid_progress, task_name};
use JobChunkStatus::{Completed, Failed, Pending, Processing};
use ream::{JobChunkStatus, JobGate};

/// The least and the longest wait before a retry, in milliseconds: 4 times as long each time, at most `backoff_max`,
/// with jitter between half and whole.
pub(super) fn wait_ms(rules: Rules, retries_before: u32) -> (i64, i64) {
    let mut whole_s = i64::from(rules.backoff);
    for _ in 0..retries_before.min(20) {
        whole_s = (whole_s * 4).min(100_000_000);
    }
    let whole_ms = whole_s.min(i64::from(rules.backoff_max)) * 1000;
    (whole_ms / 2, whole_ms)
}

/// An error message is what was said.
fn told(why: Option<u8>) -> Words {
    why.map_or(Words::Nothing, |why| Words::Exactly(fault(why)))
}

impl Model {
    /// One verb about one chunk, in a transaction of its own.
    pub(super) fn chunk_verb(&mut self, op: &Op) -> Said<i64> {
        self.in_transaction(|model| match op {
            Op::Heartbeat { chunk, attempt, progress } => model.heartbeat(*chunk, *attempt, *progress),
            Op::Complete { chunk, attempt, report } => model.complete(*chunk, *attempt, *report),
            Op::Fail { chunk, attempt, why } => model.fail(*chunk, *attempt, *why),
            Op::Release { chunk, attempt } => model.release(*chunk, *attempt),
            Op::Start { chunk, task } => {
                check_task(*task)?;
                model.start_named(*chunk, *task)
            }
            Op::Dispatch { chunk, task } => {
                check_task(Some(*task))?;
                model.dispatch(*chunk, *task)
            }
            Op::Retry(chunk) => model.retry(*chunk),
            Op::SetStatus { chunk, status, why, task } => {
                let known = ["pending", "processing", "completed", "failed"].contains(status);
                check_task(*task)?;
                match *status {
                    _ if !known => Err("validation"),
                    "processing" => model.start_named(*chunk, *task),
                    "completed" => model.complete(*chunk, None, None),
                    "failed" => model.fail(*chunk, None, *why),
                    _ if model.chunk(*chunk)?.status == Processing => {
                        model.put_down(*chunk, false);
                        Ok(*chunk)
                    }
                    _ => model.retry(*chunk),
                }
            }
            Op::SetPriority { chunk, priority } => model.set_priority(*chunk, *priority),
            other => panic!("{other:?} is no verb about one chunk"),
        })
    }

    fn rules_of(&self, chunk: i64) -> Rules {
        self.jobs[&self.chunks[&chunk].job].rules
    }

    /// A chunk leaves its status: what belonged to it is over.
    fn leave(&mut self, id: i64, to: JobChunkStatus) -> JobChunkStatus {
        let now = self.now;
        let chunk = self.chunk_mut(id);
        let from = chunk.status;
        (chunk.status, chunk.updated_at) = (to, now);
        (chunk.lease, chunk.progress, chunk.dispatch) = (None, None, None);
        (chunk.retry, chunk.unpublished, chunk.repeatable) = (Retry::Never, false, None);
        from
    }

    /// Rule 7: attempts are counted at the start.
    pub(super) fn start(
        &mut self,
        id: i64,
        task: Option<String>,
        actor: &str,
        lease_s: u32,
        word: &'static str,
    ) {
        let (now, rules) = (self.now, self.rules_of(id));
        let timeout_at = now + i64::from(rules.timeout) * 1000;
        self.leave(id, Processing);
        let chunk = self.chunk_mut(id);
        chunk.attempt += 1;
        chunk.lease = Some((timeout_at.min(now + i64::from(lease_s) * 1000), timeout_at));
        (chunk.task, chunk.started_at, chunk.finished_at) = (task, Some(now), None);
        let job = chunk.job;
        self.log_chunk(actor, word, id, Pending);
        let job = self.job_mut(job);
        job.started_at = Some(job.started_at.map_or(now, |at| at.min(now)));
    }

    /// `mark_chunk_processing`: its lease lasts the chunk timeout.
    fn start_named(&mut self, id: i64, task: Option<u16>) -> Said<i64> {
        let task = task.map(task_name);
        let chunk = self.chunk(id)?;
        let others = chunk.is_dispatched(self.now) && (task.is_none() || chunk.task != task);
        if chunk.status != Pending || others {
            return Err("wrong_status");
        }
        self.check_gate(id)?;
        let timeout = self.rules_of(id).timeout;
        self.start(id, task, OPERATOR, timeout, "started");
        Ok(id)
    }

    fn check_gate(&self, chunk: i64) -> Said<()> {
        match self.jobs[&self.chunks[&chunk].job].gate {
            JobGate::Open => Ok(()),
            _ => Err("job_not_running"),
        }
    }

    /// Rule 2: who does not hold the chunk changes nothing.
    fn check_fence(&self, chunk: &Chunk, attempt: i64) -> Said<()> {
        if chunk.is_held_by(attempt, self.now) { Ok(()) } else { Err("lease_lost") }
    }

    fn heartbeat(&mut self, id: i64, attempt: i64, progress: Option<u64>) -> Said<i64> {
        if !is_valid_progress(progress) {
            return Err("validation");
        }
        self.check_fence(self.chunk(id)?, attempt)?;
        let (now, lease_ms) = (self.now, i64::from(self.rules_of(id).lease) * 1000);
        let chunk = self.chunk_mut(id);
        chunk.lease = chunk.lease.map(|(_, timeout_at)| (timeout_at.min(now + lease_ms), timeout_at));
        chunk.progress = progress.or(chunk.progress);
        chunk.updated_at = now;
        Ok(id)
    }

    /// Rule 5: completed stays completed.
    fn complete(&mut self, id: i64, attempt: Option<i64>, report: Option<Report>) -> Said<i64> {
        if report.is_some_and(|report| !report.is_valid()) {
            return Err("validation");
        }
        let chunk = self.chunk(id)?;
        match attempt {
            _ if chunk.status == Completed => {
                let again = chunk.repeatable == Some(Verb::Complete) && attempt == Some(chunk.attempt);
                return if attempt.is_none() || again { Ok(id) } else { Err("lease_lost") };
            }
            Some(attempt) => self.check_fence(chunk, attempt)?,
            None => {}
        }
        let now = self.now;
        let from = self.leave(id, Completed);
        let chunk = self.chunk_mut(id);
        chunk.repeatable = attempt.map(|_| Verb::Complete);
        chunk.unpublished = report.is_some_and(|report| report.outputs > 0);
        chunk.outcome = report.map(Report::outcome);
        chunk.error = Words::Nothing;
        chunk.finished_at = Some(now);
        self.log_chunk(OPERATOR, "completed", id, from).unfenced = attempt.is_none();
        Ok(id)
    }

    fn fail(&mut self, id: i64, attempt: Option<i64>, why: Option<u8>) -> Said<i64> {
        let chunk = self.chunk(id)?;
        let again = chunk.repeatable == Some(Verb::Fail) && attempt == Some(chunk.attempt);
        match attempt {
            _ if chunk.status == Failed && (attempt.is_none() || again) => return Ok(id),
            Some(attempt) => self.check_fence(chunk, attempt)?,
            None if chunk.status == Completed => return Err("wrong_status"),
            None => {}
        }
        let retry = match attempt {
            Some(_) => self.retry_after(id, wait_ms(self.rules_of(id), chunk.policy_retries)),
            None => Retry::Never,
        };
        self.give_up(id, retry, told(why));
        self.chunk_mut(id).repeatable = attempt.map(|_| Verb::Fail);
        let row = self.log.last_mut().unwrap();
        (row.action, row.unfenced, row.message) = ("failed", attempt.is_none(), told(why));
        Ok(id)
    }

    /// → failed, with a row that the caller completes.
    pub(super) fn give_up(&mut self, id: i64, retry: Retry, error: Words) {
        let now = self.now;
        let from = self.leave(id, Failed);
        let chunk = self.chunk_mut(id);
        (chunk.retry, chunk.error, chunk.finished_at) = (retry, error, Some(now));
        self.log_chunk(OPERATOR, "", id, from);
    }

    /// By policy: fewer than `max_retries` since creation or the last retry by hand, and not for a cancelled job.
    pub(super) fn retry_after(&self, id: i64, (least, most): (i64, i64)) -> Retry {
        let chunk = &self.chunks[&id];
        let job = &self.jobs[&chunk.job];
        if chunk.policy_retries >= job.rules.retries || job.gate == JobGate::Cancelled {
            Retry::Never
        } else if least == most {
            Retry::At(self.now + most)
        } else {
            Retry::Within(self.now + least, self.now + most)
        }
    }

    fn release(&mut self, id: i64, attempt: i64) -> Said<i64> {
        let chunk = self.chunk(id)?;
        let again = chunk.repeatable == Some(Verb::Release) && attempt == chunk.attempt;
        if chunk.status == Pending && again {
            return Ok(id);
        }
        self.check_fence(chunk, attempt)?;
        self.put_down(id, true);
        Ok(id)
    }

    /// processing → pending, at no cost in retries.
    fn put_down(&mut self, id: i64, fenced: bool) {
        self.leave(id, Pending);
        let row = self.log_chunk(OPERATOR, "released", id, Processing);
        row.unfenced = !fenced;
        let chunk = self.chunk_mut(id);
        chunk.task = None;
        chunk.repeatable = fenced.then_some(Verb::Release);
    }

    pub(super) fn retry(&mut self, id: i64) -> Said<i64> {
        if self.chunk(id)?.status != Failed {
            return Err("wrong_status");
        }
        self.put_back(id, OPERATOR, "retried");
        let chunk = self.chunk_mut(id);
        (chunk.policy_retries, chunk.expiries) = (0, 0);
        Ok(id)
    }

    /// failed → pending.
    pub(super) fn put_back(&mut self, id: i64, actor: &str, word: &'static str) {
        self.leave(id, Pending);
        self.log_chunk(actor, word, id, Failed);
        let chunk = self.chunk_mut(id);
        chunk.retries += 1;
        chunk.task = None;
    }

    fn dispatch(&mut self, id: i64, task: u16) -> Said<i64> {
        let chunk = self.chunk(id)?;
        if chunk.status != Pending || chunk.is_dispatched(self.now) {
            return Err("wrong_status");
        }
        self.check_gate(id)?;
        let until = self.now + i64::from(self.rules_of(id).redispatch) * 1000;
        let now = self.now;
        let chunk = self.chunk_mut(id);
        (chunk.dispatch, chunk.task, chunk.updated_at) = (Some((now, until)), Some(task_name(task)), now);
        self.log_chunk(OPERATOR, "dispatched", id, Pending);
        Ok(id)
    }

    fn set_priority(&mut self, id: i64, priority: i64) -> Said<i64> {
        if !(0..=10).contains(&priority) {
            return Err("validation");
        }
        let (status, now) = (self.chunk(id)?.status, self.now);
        let chunk = self.chunk_mut(id);
        if chunk.priority != priority {
            (chunk.priority, chunk.updated_at) = (priority, now);
            self.log_chunk(OPERATOR, "chunk_priority_set", id, status);
        }
        Ok(id)
    }

    /// The chunk keeps id, index and the first part; the rest are new chunks, larger parts first. Answers the parts'
    /// ranges.
    pub(super) fn split(&mut self, id: i64, parts: u64) -> Said<Vec<(u64, u64)>> {
        if !(2..=1000).contains(&parts) {
            return Err("validation");
        }
        let chunk = self.chunk(id)?.clone();
        if parts > chunk.images() {
            return Err("validation");
        }
        if !matches!(chunk.status, Pending | Failed) {
            return Err("wrong_status");
        }
        let mut ranges = Vec::new();
        let mut first = chunk.first;
        for n in 0..parts {
            let left = chunk.last - first + 1;
            let images = left.div_ceil(parts - n);
            ranges.push((first, first + images - 1));
            first += images;
        }
        let now = self.now;
        let changed = self.chunk_mut(id);
        (changed.last, changed.updated_at) = (ranges[0].1, now);
        self.log_chunk(OPERATOR, "split", id, chunk.status);
        Ok(ranges)
    }
}

fn check_task(task: Option<u16>) -> Said<()> {
    if task == Some(0) { Err("validation") } else { Ok(()) }
}
