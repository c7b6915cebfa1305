//! What the service does by itself.

use super::{Model, Retry, SERVICE, Said, Words, chunks::wait_ms};
use ream::{CrawlJobStatus, JobChunkStatus, JobGate};

impl Model {
    fn is_visible(&self, job: i64) -> bool {
        self.job(job).is_ok()
    }

    /// processing → failed for leases that are over, those that ran out first first; a first expiry is retried at once.
    pub(super) fn expire(&mut self, limit: usize) -> u64 {
        let mut due: Vec<(i64, i64)> = (self.chunks.values())
            .filter(|chunk| self.is_visible(chunk.job))
            .filter_map(|chunk| chunk.lease.map(|(until, _)| (until, chunk.id)))
            .filter(|(until, _)| *until <= self.now)
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        let done = self.in_transaction(|model| {
            due.iter().for_each(|(_, id)| model.expire_one(*id));
            Ok(due.len() as u64)
        });
        done.unwrap()
    }

    fn expire_one(&mut self, id: i64) {
        let chunk = &self.chunks[&id];
        let rules = self.jobs[&chunk.job].rules;
        let (until, timeout) = chunk.lease.unwrap();
        let limit = match until == timeout {
            true => format!("chunk timeout of {} s", rules.timeout),
            false => format!("lease of {} s", rules.lease),
        };
        let worker = chunk.task.clone().map_or("without a task id".to_owned(), |task| format!("`{task}`"));
        let words = Words::With(vec![limit, format!("attempt {}", chunk.attempt), worker]);
        let wait = if chunk.expiries == 0 { (0, 0) } else { wait_ms(rules, chunk.policy_retries) };
        let retry = self.retry_after(id, wait);
        self.give_up(id, retry, words.clone());
        self.chunk_mut(id).expiries += 1;
        let row = self.log.last_mut().unwrap();
        (row.actor, row.action, row.message) = (SERVICE.to_owned(), "expired", words);
        if matches!(retry, Retry::At(at) if at <= self.now) {
            self.retry_by_policy(id);
        }
    }

    fn retry_by_policy(&mut self, id: i64) {
        self.chunk_mut(id).policy_retries += 1;
        self.put_back(id, SERVICE, "retried_by_policy");
        let chunk = &self.chunks[&id];
        let of = format!("{} of {}", chunk.policy_retries, self.jobs[&chunk.job].rules.retries);
        self.log.last_mut().unwrap().message = Words::With(vec![of]);
    }

    /// failed → pending once the back-off is over.
    pub(super) fn retry_due(&mut self, limit: usize) -> u64 {
        let mut due: Vec<(i64, i64)> = (self.chunks.values())
            .filter(|chunk| self.is_visible(chunk.job) && chunk.status == JobChunkStatus::Failed)
            .filter_map(|chunk| match chunk.retry {
                Retry::At(at) if at <= self.now => Some((at, chunk.id)),
                _ => None,
            })
            .collect();
        due.sort_unstable();
        due.truncate(limit);
        let done = self.in_transaction(|model| {
            due.iter().for_each(|(_, id)| model.retry_by_policy(*id));
            Ok(due.len() as u64)
        });
        done.unwrap()
    }

    /// A job past its deadline is cancelled with the reason, paused or not; one that has ended is left alone, and so is
    /// one that is paused with every chunk completed: such a job cannot be cancelled.
    pub(super) fn cancel_overdue(&mut self) -> u64 {
        let overdue: Vec<i64> = (self.jobs.values())
            .filter(|job| !job.deleted && job.deadline_at.is_some_and(|at| at <= self.now))
            .filter(|job| job.ended_at.is_none() && !self.has_ended(job) && !self.is_completed(job.id))
            .map(|job| job.id)
            .collect();
        for id in &overdue {
            let now = self.now;
            let job = self.job_mut(*id);
            (job.gate, job.ended_at) = (JobGate::Cancelled, Some(now));
            let reason = format!("deadline of {} s", job.rules.deadline.unwrap_or_default());
            self.log_job(SERVICE, "cancelled", *id, Words::With(vec![reason]));
        }
        overdue.len() as u64
    }

    /// Notes ends, each once.
    pub(super) fn announce_ends(&mut self) -> Vec<i64> {
        let ended: Vec<(i64, CrawlJobStatus)> = (self.jobs.values())
            .filter(|job| !job.deleted && job.ended_at.is_none())
            .map(|job| (job.id, self.status(job)))
            .filter(|(_, status)| matches!(status, CrawlJobStatus::Completed | CrawlJobStatus::Failed))
            .collect();
        for (id, status) in &ended {
            let now = self.now;
            self.job_mut(*id).ended_at = Some(now);
            let word = if *status == CrawlJobStatus::Completed { "job_completed" } else { "job_failed" };
            self.log_job(SERVICE, word, *id, Words::Any);
        }
        ended.into_iter().map(|(id, _)| id).collect()
    }

    /// Chunks that are not completed follow their job's new priority, a job at a time.
    pub(super) fn propagate_priority(&mut self) -> bool {
        let Some(job) = self.jobs.values().find(|job| job.priority_is_due) else { return false };
        let (id, priority, now) = (job.id, job.priority, self.now);
        for chunk in self.chunks.values_mut().filter(|chunk| chunk.job == id) {
            if chunk.status != JobChunkStatus::Completed && chunk.priority != priority {
                (chunk.priority, chunk.updated_at) = (priority, now);
            }
        }
        self.job_mut(id).priority_is_due = false;
        true
    }

    /// First the chunks of a deleted job go, then the job.
    pub(super) fn purge(&mut self) -> bool {
        let Some(id) = self.jobs.values().find(|job| job.deleted).map(|job| job.id) else { return false };
        if self.chunks.values().any(|chunk| chunk.job == id) {
            self.chunks.retain(|_, chunk| chunk.job != id);
        } else {
            self.jobs.remove(&id);
        }
        true
    }

    /// Every duty once, of work that goes in steps one step.
    pub(super) fn all_duties(&mut self) -> Said<Vec<(&'static str, u64)>> {
        Ok(vec![
            ("expiry", self.expire(usize::MAX)),
            ("retry", self.retry_due(usize::MAX)),
            ("deadlines", self.cancel_overdue()),
            ("ends", self.announce_ends().len() as u64),
            ("priorities", u64::from(self.propagate_priority())),
            ("purge", u64::from(self.purge())),
            ("upkeep", 0),
        ])
    }
}
