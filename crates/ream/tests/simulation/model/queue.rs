//! Which chunks a claim takes.

use super::{Chunk, Model, Said};
use crate::ops::task_name;
use ream::{Executor, JobChunkStatus, JobGate};
use std::cmp::Reverse;

impl Model {
    /// Jobs by priority, then age; within a job the chunks' priority, then index. Answers what was taken, in that order.
    pub(super) fn claim(
        &mut self,
        worker: u16,
        job: Option<i64>,
        executor: Option<Executor>,
        limit: u32,
    ) -> Said<Vec<i64>> {
        if !(1..=1000).contains(&limit) {
            return Err("validation");
        }
        if let Some(job) = job {
            self.job(job)?;
        }
        self.forget_overdue_dispatches();
        let mut jobs: Vec<_> = (self.jobs.values())
            .filter(|j| !j.deleted && j.gate == JobGate::Open)
            .filter(|j| job.is_none_or(|id| id == j.id))
            .filter(|j| executor.is_none_or(|executor| executor == j.executor))
            .map(|j| (Reverse(j.priority), j.id))
            .collect();
        jobs.sort_unstable();
        let queue: Vec<i64> = jobs.iter().flat_map(|(_, id)| self.queue(*id)).take(limit as usize).collect();
        let name = task_name(worker);
        for id in &queue {
            let lease = self.jobs[&self.chunks[id].job].rules.lease;
            self.start(*id, Some(name.clone()), &name, lease, "claimed");
        }
        Ok(queue)
    }

    /// The startable chunks of a job in the order in which they are taken.
    fn queue(&self, job: i64) -> Vec<i64> {
        let waits = |chunk: &&Chunk| {
            chunk.job == job && chunk.status == JobChunkStatus::Pending && !chunk.is_dispatched(self.now)
        };
        let mut queue: Vec<_> = (self.chunks.values().filter(waits))
            .map(|chunk| (Reverse(chunk.priority), chunk.index, chunk.id))
            .collect();
        queue.sort_unstable();
        queue.into_iter().map(|(_, _, id)| id).collect()
    }

    /// The chunk that the next claim of this job would take.
    pub(super) fn next(&self, job: i64) -> Said<Option<i64>> {
        let open = self.job(job)?.gate == JobGate::Open;
        Ok(self.queue(job).first().copied().filter(|_| open))
    }

    /// A claim forgets tasks that never came.
    fn forget_overdue_dispatches(&mut self) {
        let now = self.now;
        for chunk in self.chunks.values_mut() {
            if chunk.dispatch.is_some_and(|(_, until)| until <= now) {
                (chunk.dispatch, chunk.task, chunk.updated_at) = (None, None, now);
            }
        }
    }
}
