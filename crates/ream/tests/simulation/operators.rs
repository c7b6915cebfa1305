//! Operators and the service itself: what they do next, whatever the workers are at.

use crate::draw::{Draw, MAX_CHUNKS, MAX_JOBS};
use crate::model::Model;
use crate::ops::{Bulk, NewJob, Op, Report, Rules, TOO_FAR};
use ream::{CrawlJobStatus, Executor, JobChunkStatus};

impl Draw {
    fn rules(&mut self) -> Rules {
        let r = &mut self.random;
        Rules {
            lease: r.u32(2..12),
            timeout: r.u32(1..40),
            deadline: (r.u8(..3) == 0).then(|| r.u32(5..150)),
            retries: r.u32(..4),
            backoff: r.u32(..6),
            backoff_max: r.u32(..30),
            redispatch: r.u32(1..20),
        }
    }

    pub(crate) fn new_job(&mut self) -> Op {
        let rules = self.rules();
        let r = &mut self.random;
        let list = r.u8(..4) == 0;
        let images = if list || r.bool() { Some(r.u64(1..60)) } else { None };
        let executor = match r.u8(..8) {
            0..4 => None,
            4 => Some(Executor::Ream),
            5 => Some(Executor::External),
            _ => Some(Executor::Celery),
        };
        let size = if r.u8(..30) == 0 { 0 } else { r.u64(3..15) };
        let images = if r.u8(..30) == 0 { Some(0) } else { images };
        Op::CreateJob(NewJob { images, size, priority: r.i64(0..=10), executor, list, rules })
    }

    /// Chunks for a job, most often such as it can have.
    fn new_chunks(&mut self, model: &Model) -> Op {
        let job = self.job(model);
        let known = model.jobs.get(&job).and_then(|job| job.images).filter(|_| self.random.u8(..8) > 0);
        let images = known.unwrap_or_else(|| self.random.u64(1..60));
        match self.random.u8(..10) {
            0 => Op::CreateChunks { job, images: self.random.i64(-1..2), priority: Some(11) },
            1..3 => Op::StartJob(job),
            3 => {
                let mut sizes = vec![1; self.random.usize(..7)];
                let left = (images as usize).saturating_sub(sizes.len()) as u64;
                if let Some(last) = sizes.last_mut() {
                    *last += left;
                }
                let but = [Bulk::Exact, Bulk::Exact, Bulk::Gap, Bulk::Overlap, Bulk::IndexTwice];
                let but = self.random.choice(but).unwrap_or(Bulk::Exact);
                Op::BulkCreate { job, sizes, but }
            }
            _ => {
                let priority = (self.random.u8(..4) == 0).then(|| self.random.i64(0..=10));
                Op::CreateChunks { job, images: images as i64, priority }
            }
        }
    }

    pub(crate) fn operator_acts(&mut self, model: &Model) -> Op {
        let live = model.jobs.values().filter(|job| !job.deleted).count();
        let empty = model.jobs.values().any(|job| job.chunked.is_none());
        let room = model.chunks.len() < MAX_CHUNKS;
        match self.random.u8(..100) {
            0..12 if live < MAX_JOBS => self.new_job(),
            0..30 if empty && room => self.new_chunks(model),
            0..2 => self.new_chunks(model),
            2..20 => self.operator_acts_on_a_chunk(model),
            20..35 => self.operator_acts_on_a_job(model),
            35..42 => Op::Duties,
            42..56 => {
                let limit = if self.random.bool() { 500 } else { self.random.u32(1..4) };
                let duties = [
                    Op::Expire(limit),
                    Op::RetryDue(limit),
                    Op::Expire(limit),
                    Op::RetryDue(limit),
                    Op::Deadlines,
                    Op::Ends,
                    Op::Priorities,
                    Op::Purge,
                ];
                self.random.choice(duties).unwrap_or(Op::Duties)
            }
            56..64 => self.look(model),
            _ => self.operator_acts_on_a_chunk(model),
        }
    }

    fn operator_acts_on_a_job(&mut self, model: &Model) -> Op {
        let job = self.job(model);
        let priority = self.random.i64(0..=10);
        match self.random.u8(..43) {
            0..7 => Op::Pause(job),
            7..16 => Op::Resume(job),
            16..18 => Op::Cancel(job),
            18 => Op::Delete(job),
            19 => Op::DeleteAndDie(job),
            20..24 => Op::RetryJob(job),
            24..27 => Op::SetJobPriorityAndDie { job, priority },
            27..33 => Op::UpdateJob { job, images: None, priority: Some(priority), rules: None },
            33..37 => {
                let rules = Some(self.rules());
                let priority = self.random.bool().then_some(priority);
                Op::UpdateJob { job, images: None, priority, rules }
            }
            40..43 => Op::TakeList { job, images: self.random.u64(..60) },
            _ => Op::UpdateJob { job, images: Some(self.random.u64(..60)), priority: None, rules: None },
        }
    }

    fn operator_acts_on_a_chunk(&mut self, model: &Model) -> Op {
        use JobChunkStatus::{Completed, Failed, Pending, Processing};
        let why = self.random.bool().then(|| self.random.u8(..));
        let task = self.random.u16(1..9);
        match self.random.u8(..40) {
            0..10 => Op::Retry(self.chunk(model, |chunk| chunk.status == Failed)),
            10..17 => {
                let chunk = self.chunk(model, |chunk| chunk.status == Pending);
                Op::Dispatch { chunk, task: if task == 8 { 0 } else { task } }
            }
            17..22 if model.chunks.len() < MAX_CHUNKS => {
                let chunk = self.chunk(model, |chunk| matches!(chunk.status, Pending | Failed));
                Op::Split { chunk, parts: self.random.u64(1..5) }
            }
            17..26 => {
                let priority = self.random.i64(-1..=11);
                Op::SetPriority { chunk: self.chunk(model, |chunk| chunk.status == Pending), priority }
            }
            26 => Op::Complete { chunk: self.chunk(model, |_| true), attempt: None, report: None },
            27 => {
                let report = Some(Report { ok: 1, outputs: 1 });
                Op::Complete { chunk: self.chunk(model, |_| true), attempt: None, report }
            }
            28..30 => Op::Fail { chunk: self.chunk(model, |_| true), attempt: None, why },
            30..33 => {
                let chunk = self.chunk(model, |_| true);
                let status = ["pending", "pending", "processing", "completed", "failed", "done"];
                let status = self.random.choice(status).unwrap_or("pending");
                let task = self.random.bool().then_some(task % 8);
                Op::SetStatus { chunk, status, why, task }
            }
            33..37 => {
                let chunk = self.chunk(model, |chunk| chunk.status == Completed);
                let attempt = model.chunks.get(&chunk).map_or(0, |chunk| chunk.attempt);
                Op::Publish { chunk, attempt: attempt - i64::from(self.random.u8(..6) == 0) }
            }
            // Somebody who guesses attempts.
            _ => {
                let chunk = self.chunk(model, |chunk| chunk.status == Processing);
                let attempt = model.chunks.get(&chunk).map_or(0, |chunk| chunk.attempt);
                let attempt = attempt + self.random.i64(-1..=1);
                let progress = (self.random.u8(..10) == 0).then_some(TOO_FAR);
                match self.random.u8(..4) {
                    0 => Op::Heartbeat { chunk, attempt, progress },
                    1 => Op::Complete { chunk, attempt: Some(attempt), report: None },
                    2 => Op::Fail { chunk, attempt: Some(attempt), why },
                    _ => Op::Release { chunk, attempt },
                }
            }
        }
    }

    fn look(&mut self, model: &Model) -> Op {
        let job = self.job(model);
        let page = self.random.i64(1..8);
        match self.random.u8(..9) {
            0 => Op::Verify(job),
            1 => Op::Repair(job),
            2 => Op::GetChunk(self.chunk(model, |_| true)),
            3 => Op::GetJob(job),
            4 => Op::Next(job),
            5 => Op::Numbers(job),
            6 => Op::List { job, status: self.random.choice(JobChunkStatus::ALL), page },
            7 => Op::Jobs { status: self.random.choice(CrawlJobStatus::ALL).copied(), page },
            _ => Op::Unpublished { job, limit: page as u32 },
        }
    }
}
