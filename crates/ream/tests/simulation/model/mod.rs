//! The oracle: what the design says of jobs, chunks, leases and times, in memory and in as few words as possible.
//!
//! Written from the design's sentences, not from the code that it judges. Where the design leaves a choice to the
//! store (new ids, the jitter of a back-off), the model takes what the store chose, if it was allowed to.

mod agree;
mod calls;
mod chunks;
mod duties;
mod jobs;
mod looks;
mod queue;

use crate::answer::Answer;
use crate::ops::{Op, Rules};
use crate::world::T0;
use ream::{Activity, CrawlJobStatus, Executor, JobChunkStatus, JobGate, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// What the design has a call answer: a value, or a refusal's code.
pub(crate) type Said<T> = Result<T, &'static str>;

pub(crate) const OPERATOR: &str = "operator";
pub(crate) const SERVICE: &str = "ream";

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) gate: JobGate,
    pub(crate) priority: i64,
    pub(crate) images: Option<u64>,
    pub(crate) size: u64,
    pub(crate) executor: Executor,
    pub(crate) list: bool,
    pub(crate) rules: Rules,
    /// What the chunks were created with: images and priority.
    pub(crate) chunked: Option<(u64, i64)>,
    pub(crate) next_index: u64,
    pub(crate) created_at: i64,
    pub(crate) chunked_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) deadline_at: Option<i64>,
    /// A new priority has not reached the chunks yet.
    pub(crate) priority_is_due: bool,
    pub(crate) deleted: bool,
}

/// The last fenced success, which the same attempt may repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Complete,
    Fail,
    Release,
}

/// When the service itself puts a failed chunk back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    At(i64),
    /// The store has drawn a moment within these, both included, and nobody has looked yet.
    Within(i64, i64),
}

/// What an error message or a row of the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Words {
    Nothing,
    Exactly(String),
    /// All of these.
    With(Vec<String>),
    /// Not judged.
    Any,
}

impl Words {
    pub(crate) fn fit(&self, text: Option<&str>) -> bool {
        match (self, text) {
            (Self::Any, _) | (Self::Nothing, None) => true,
            (Self::Exactly(wanted), Some(text)) => wanted == text,
            (Self::With(all), Some(text)) => all.iter().all(|words| text.contains(words)),
            _ => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) id: i64,
    pub(crate) job: i64,
    pub(crate) index: u64,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) priority: i64,
    pub(crate) status: JobChunkStatus,
    pub(crate) attempt: i64,
    /// How often it was put back after a failure; and by the service, and how often expired, since the last retry by
    /// hand.
    pub(crate) retries: u32,
    pub(crate) policy_retries: u32,
    pub(crate) expiries: u32,
    pub(crate) task: Option<String>,
    pub(crate) error: Words,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) split_from: Option<i64>,
    /// Until when the present attempt may write, and its last possible moment.
    pub(crate) lease: Option<(i64, i64)>,
    pub(crate) progress: Option<u64>,
    pub(crate) retry: Retry,
    /// When it was dispatched, and until when it is left to its task.
    pub(crate) dispatch: Option<(i64, i64)>,
    pub(crate) unpublished: bool,
    pub(crate) repeatable: Option<Verb>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) finished_at: Option<i64>,
}

impl Chunk {
    pub(crate) const fn images(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether this attempt may write now.
    pub(crate) fn is_held_by(&self, attempt: i64, now: i64) -> bool {
        self.attempt == attempt && self.lease.is_some_and(|(until, _)| now < until)
    }

    /// Whether a task queue has it now.
    pub(crate) fn is_dispatched(&self, now: i64) -> bool {
        self.dispatch.is_some_and(|(_, until)| now < until)
    }
}

/// A row that the activity log must have.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Rows of one call about several chunks come in any order.
    pub(crate) call: usize,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) action: &'static str,
    pub(crate) job: i64,
    pub(crate) chunk: Option<i64>,
    pub(crate) from_to: Option<(JobChunkStatus, JobChunkStatus)>,
    pub(crate) attempt: Option<i64>,
    pub(crate) task: Option<String>,
    pub(crate) unfenced: bool,
    pub(crate) message: Words,
}

/// Chunks by status, as a count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) total: i64,
    pub(crate) pending: i64,
    pub(crate) processing: i64,
    pub(crate) completed: i64,
    pub(crate) failed: i64,
    pub(crate) awaiting: i64,
    pub(crate) images: i64,
}

impl Count {
    const fn unfinished(self) -> i64 {
        self.pending + self.processing + self.awaiting
    }
}

pub(crate) struct Model {
    pub(crate) now: i64,
    pub(crate) jobs: BTreeMap<i64, Job>,
    pub(crate) chunks: BTreeMap<i64, Chunk>,
    /// Not yet compared.
    pub(crate) log: Vec<Row>,
    /// Ids that were ever given: none comes again.
    given: BTreeSet<i64>,
    last_job: i64,
    calls: usize,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            now: T0,
            jobs: BTreeMap::new(),
            chunks: BTreeMap::new(),
            log: Vec::new(),
            given: BTreeSet::new(),
            last_job: 0,
            calls: 0,
        }
    }

    /// Does what was asked of the store, and compares the answer.
    pub(crate) fn judge(&mut self, op: &Op, answer: &Answer) -> Result<(), String> {
        match (op, answer) {
            (Op::Advance(ms), _) => self.now += ms,
            (Op::Reopen | Op::Kill, _) => {}
            // A bad argument may be noticed on the way to the database.
            (Op::Locked(_), Answer::Refused("unavailable" | "validation", _)) => {}
            (Op::Locked(_), answer) => {
                return Err(format!("on a locked database the call answered {}", answer.brief()));
            }
            (Op::Together(ops), Answer::Many(answers)) => {
                for (op, answer) in ops.iter().zip(answers) {
                    self.judge(op, answer).map_err(|fault| format!("{op:?}: {fault}"))?;
                }
            }
            _ => {
                self.calls += 1;
                return self.judge_call(op, answer);
            }
        }
        Ok(())
    }

    /// A job that is there for callers.
    pub(crate) fn job(&self, id: i64) -> Said<&Job> {
        self.jobs.get(&id).filter(|job| !job.deleted).ok_or("not_found")
    }

    /// A chunk that is there for callers.
    pub(crate) fn chunk(&self, id: i64) -> Said<&Chunk> {
        let chunk = self.chunks.get(&id).ok_or("not_found")?;
        self.job(chunk.job).map(|_| chunk)
    }

    fn job_mut(&mut self, id: i64) -> &mut Job {
        self.jobs.get_mut(&id).unwrap()
    }

    fn chunk_mut(&mut self, id: i64) -> &mut Chunk {
        self.chunks.get_mut(&id).unwrap()
    }

    /// A job's chunks in the order of their images.
    pub(crate) fn chunks_of(&self, job: i64) -> Vec<&Chunk> {
        let mut found: Vec<&Chunk> = self.chunks.values().filter(|chunk| chunk.job == job).collect();
        found.sort_by_key(|chunk| chunk.first);
        found
    }

    /// Rule 3: counters are a count.
    pub(crate) fn count(&self, job: i64) -> Count {
        let mut count = Count::default();
        for chunk in self.chunks.values().filter(|chunk| chunk.job == job) {
            count.total += 1;
            match chunk.status {
                JobChunkStatus::Pending => count.pending += 1,
                JobChunkStatus::Processing => count.processing += 1,
                JobChunkStatus::Completed => {
                    count.completed += 1;
                    count.images += chunk.images() as i64;
                }
                JobChunkStatus::Failed => {
                    count.failed += 1;
                    count.awaiting += i64::from(chunk.retry != Retry::Never);
                }
            }
        }
        count
    }

    /// Cancelled, else paused, else as the chunks stand.
    pub(crate) fn status(&self, job: &Job) -> CrawlJobStatus {
        let c = self.count(job.id);
        match job.gate {
            JobGate::Cancelled => CrawlJobStatus::Cancelled,
            JobGate::Paused => CrawlJobStatus::Paused,
            JobGate::Open if c.total > 0 && c.completed == c.total => CrawlJobStatus::Completed,
            JobGate::Open if c.total > 0 && c.unfinished() == 0 => CrawlJobStatus::Failed,
            JobGate::Open if job.started_at.is_none() && c.completed + c.failed == 0 => {
                CrawlJobStatus::Pending
            }
            JobGate::Open => CrawlJobStatus::Running,
        }
    }

    pub(crate) fn has_ended(&self, job: &Job) -> bool {
        use CrawlJobStatus::{Cancelled, Completed, Failed};
        matches!(self.status(job), Completed | Failed | Cancelled)
    }

    /// One transaction: an end that was noted is taken back when it is no longer the same end.
    fn in_transaction<T>(&mut self, moves: impl FnOnce(&mut Self) -> Said<T>) -> Said<T> {
        let before: Vec<(i64, CrawlJobStatus, Count)> =
            self.jobs.values().map(|job| (job.id, self.status(job), self.count(job.id))).collect();
        let said = moves(self)?;
        for (id, status, count) in before {
            let (job, now) = (&self.jobs[&id], self.count(id));
            let another =
                now.unfinished() > count.unfinished() || self.status(job) != status || !self.has_ended(job);
            let is_final = job.gate == JobGate::Cancelled;
            if now != count && another && !is_final {
                self.job_mut(id).ended_at = None;
            }
        }
        Ok(said)
    }

    fn log_job(&mut self, actor: &str, action: &'static str, job: i64, message: Words) {
        let row = Row {
            call: self.calls,
            at: self.now,
            actor: actor.to_owned(),
            action,
            job,
            chunk: None,
            from_to: None,
            attempt: None,
            task: None,
            unfenced: false,
            message,
        };
        self.log.push(row);
    }

    /// A row about a chunk as it stands now.
    fn log_chunk(&mut self, actor: &str, action: &'static str, id: i64, from: JobChunkStatus) -> &mut Row {
        let chunk = &self.chunks[&id];
        let row = Row {
            call: self.calls,
            at: self.now,
            actor: actor.to_owned(),
            action,
            job: chunk.job,
            chunk: Some(id),
            from_to: Some((from, chunk.status)),
            attempt: Some(chunk.attempt),
            task: chunk.task.clone(),
            unfenced: false,
            message: Words::Any,
        };
        self.log.push(row);
        self.log.last_mut().unwrap()
    }

    /// Back-offs that the store has drawn and nobody has looked at.
    pub(crate) fn unsettled(&self) -> Vec<(i64, i64, i64)> {
        let within = |chunk: &Chunk| match chunk.retry {
            Retry::Within(from, to) => Some((chunk.id, from, to)),
            _ => None,
        };
        self.chunks.values().filter_map(within).collect()
    }

    pub(crate) fn settle(&mut self, chunk: i64, at: i64) {
        self.chunk_mut(chunk).retry = Retry::At(at);
    }

    /// Compares what the log has got since the last time, oldest first.
    pub(crate) fn judge_log(&mut self, mut rows: Vec<Activity>) -> Result<(), String> {
        let mut wanted = std::mem::take(&mut self.log);
        if wanted.len() != rows.len() {
            let wanted: Vec<_> = wanted.iter().map(|row| (row.action, row.job, row.chunk)).collect();
            let found: Vec<_> =
                rows.iter().map(|row| (row.action.as_str(), row.job_id, row.chunk_id)).collect();
            return Err(format!("the log has {found:?}, wanted {wanted:?}"));
        }
        // Within one call chunks and jobs may come in any order, but each in its own.
        let mut keyed: Vec<usize> = wanted.iter().map(|row| row.call).collect();
        wanted.sort_by_key(|row| (row.call, row.job, row.chunk));
        let mut calls = keyed.drain(..);
        let mut found: Vec<(usize, Activity)> =
            rows.drain(..).map(|row| (calls.next().unwrap_or(0), row)).collect();
        found.sort_by_key(|(call, row)| (*call, row.job_id, row.chunk_id));
        for (wanted, (_, row)) in wanted.iter().zip(&found) {
            agree::row(wanted, row)?;
        }
        Ok(())
    }
}
