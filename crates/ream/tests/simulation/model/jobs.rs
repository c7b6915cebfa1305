//! What may be asked of a job.

use super::{Chunk, Job, Model, OPERATOR, Retry, Said, Words};
use crate::ops::{Bulk, NewJob, Rules};
use ream::{Executor, JobChunkStatus, JobGate};

/// What a creation of chunks leads to.
pub(super) enum Created {
    /// These, by index, first and last image; with this priority.
    Now(Vec<(u64, u64, u64)>, i64),
    Before,
}

impl Model {
    pub(super) fn is_completed(&self, job: i64) -> bool {
        let count = self.count(job);
        count.total > 0 && count.completed == count.total
    }

    /// A job as it is asked for, without an id.
    pub(super) fn new_job(&self, new: &NewJob) -> Said<Job> {
        let ream_needs_list = new.executor == Some(Executor::Ream) && !new.list;
        if new.size == 0 || new.images == Some(0) || (new.list && new.images.is_none()) || ream_needs_list {
            return Err("validation");
        }
        let default = if new.list { Executor::Ream } else { Executor::External };
        Ok(Job {
            id: 0,
            gate: JobGate::Open,
            priority: new.priority,
            images: new.images,
            size: new.size,
            executor: new.executor.unwrap_or(default),
            list: new.list,
            rules: new.rules,
            chunked: None,
            next_index: 0,
            created_at: self.now,
            chunked_at: 0,
            started_at: None,
            ended_at: None,
            deadline_at: None,
            priority_is_due: false,
            deleted: false,
        })
    }

    pub(super) fn add_job(&mut self, mut job: Job, id: i64) -> Result<(), String> {
        if id <= self.last_job {
            return Err(format!("job {id} has an id that was given before"));
        }
        self.last_job = id;
        job.id = id;
        self.jobs.insert(id, job);
        self.log_job(OPERATOR, "job_created", id, Words::Any);
        Ok(())
    }

    /// Called again with the same numbers as first asked for, the present chunks come back; with others, a conflict.
    pub(super) fn create_chunks(&self, job: i64, images: i64, priority: Option<i64>) -> Said<Created> {
        if images < 1 || priority.is_some_and(|priority| !(0..=10).contains(&priority)) {
            return Err("validation");
        }
        let (job, images) = (self.job(job)?, images.unsigned_abs());
        if let Some((first_images, first_priority)) = job.chunked {
            let same = images == first_images && priority.is_none_or(|priority| priority == first_priority);
            return if same { Ok(Created::Before) } else { Err("already_chunked") };
        }
        if job.list && job.images != Some(images) {
            return Err("already_chunked");
        }
        if job.gate == JobGate::Cancelled {
            return Err("job_not_running");
        }
        let mut chunks = Vec::new();
        while let Some(first) = Some(chunks.len() as u64 * job.size).filter(|first| *first < images) {
            chunks.push((chunks.len() as u64, first, images.min(first + job.size) - 1));
        }
        Ok(Created::Now(chunks, priority.unwrap_or(job.priority)))
    }

    pub(super) fn start_job(&self, job: i64) -> Said<Created> {
        let images = self.job(job)?.images.ok_or("validation")?;
        self.create_chunks(job, images as i64, None)
    }

    /// Takes all chunks of a job that has none, and only an exact cover.
    pub(super) fn bulk_create(&self, job: i64, sizes: &[u64], but: Bulk) -> Said<Created> {
        let wrong = match but {
            Bulk::Exact => false,
            Bulk::Gap => true,
            Bulk::Overlap | Bulk::IndexTwice => sizes.len() > 1,
        };
        if sizes.is_empty() || wrong {
            return Err("validation");
        }
        let job = self.job(job)?;
        let images: u64 = sizes.iter().sum();
        if job.chunked.is_some() || job.images.is_some_and(|known| known != images) {
            return Err("already_chunked");
        }
        if job.gate == JobGate::Cancelled {
            return Err("job_not_running");
        }
        let mut first = 0;
        let mut chunks = Vec::new();
        for (n, size) in sizes.iter().enumerate() {
            chunks.push(((sizes.len() - n) as u64, first, first + size - 1));
            first += size;
        }
        Ok(Created::Now(chunks, job.priority))
    }

    /// Rule 1 begins here: the chunks are there, with the ids that the store gave.
    pub(super) fn add_created(
        &mut self,
        job: i64,
        chunks: &[(u64, u64, u64)],
        priority: i64,
        ids: &[i64],
    ) -> Result<(), String> {
        if ids.len() != chunks.len() {
            return Err(format!("{} chunks came, wanted {}", ids.len(), chunks.len()));
        }
        for ((index, first, last), id) in chunks.iter().zip(ids) {
            self.add_chunk(job, *id, (*index, *first, *last), priority, None)?;
        }
        let now = self.now;
        let job = self.job_mut(job);
        let images = chunks.iter().map(|(_, first, last)| last - first + 1).sum();
        (job.images, job.chunked, job.priority) = (Some(images), Some((images, priority)), priority);
        job.next_index = chunks.iter().map(|(index, ..)| index + 1).max().unwrap_or(0);
        job.chunked_at = now;
        job.deadline_at = job.rules.deadline.map(|deadline| now + i64::from(deadline) * 1000);
        let id = job.id;
        self.log_job(OPERATOR, "chunks_created", id, Words::Any);
        Ok(())
    }

    pub(super) fn add_chunk(
        &mut self,
        job: i64,
        id: i64,
        (index, first, last): (u64, u64, u64),
        priority: i64,
        split_from: Option<i64>,
    ) -> Result<(), String> {
        if !self.given.insert(id) {
            return Err(format!("chunk {id} has an id that was given before"));
        }
        let now = self.now;
        let chunk = Chunk {
            id,
            job,
            index,
            first,
            last,
            priority,
            status: JobChunkStatus::Pending,
            attempt: 0,
            retries: 0,
            policy_retries: 0,
            expiries: 0,
            task: None,
            error: Words::Nothing,
            outcome: None,
            split_from,
            lease: None,
            progress: None,
            retry: Retry::Never,
            dispatch: None,
            unpublished: false,
            repeatable: None,
            created_at: now,
            updated_at: now,
            started_at: None,
            finished_at: None,
        };
        self.chunks.insert(id, chunk);
        Ok(())
    }

    pub(super) fn update_job(
        &mut self,
        id: i64,
        images: Option<u64>,
        priority: Option<i64>,
        rules: Option<Rules>,
    ) -> Said<()> {
        if images == Some(0) {
            return Err("validation");
        }
        let old = self.job(id)?.clone();
        let images = images.filter(|images| old.images != Some(*images));
        if images.is_some() && (old.chunked.is_some() || old.list) {
            return Err("already_chunked");
        }
        let priority = priority.filter(|priority| *priority != old.priority);
        let rules = rules.filter(|rules| *rules != old.rules);
        let job = self.job_mut(id);
        job.images = images.or(job.images);
        if let Some(priority) = priority {
            (job.priority, job.priority_is_due) = (priority, true);
        }
        if let Some(rules) = rules {
            job.rules = rules;
            if job.chunked.is_some() {
                job.deadline_at = rules.deadline.map(|deadline| job.chunked_at + i64::from(deadline) * 1000);
            }
        }
        let word = match (images.is_some() || rules.is_some(), priority.is_some()) {
            (false, false) => return Ok(()),
            (false, true) => "priority_set",
            (true, _) => "job_updated",
        };
        self.log_job(OPERATOR, word, id, Words::Any);
        Ok(())
    }

    /// A list comes once, and before the chunks.
    pub(super) fn take_list(&mut self, id: i64, images: u64) -> Said<()> {
        if images == 0 {
            return Err("validation");
        }
        let job = self.job(id)?;
        if job.list && job.images == Some(images) {
            return Ok(());
        }
        if job.list || job.chunked.is_some() {
            return Err("already_chunked");
        }
        if job.gate == JobGate::Cancelled {
            return Err("job_not_running");
        }
        let job = self.job_mut(id);
        (job.list, job.images) = (true, Some(images));
        if job.executor == Executor::External {
            job.executor = Executor::Ream;
        }
        self.log_job(OPERATOR, "list_taken", id, Words::Any);
        Ok(())
    }

    /// After a pause has returned no chunk of the job starts.
    pub(super) fn set_gate(&mut self, id: i64, gate: JobGate) -> Said<()> {
        let now = self.now;
        let present = self.job(id)?.gate;
        if present == gate {
            return Ok(());
        }
        if present == JobGate::Cancelled {
            return Err("job_not_running");
        }
        if gate != JobGate::Open && self.is_completed(id) {
            return Err("wrong_status");
        }
        let job = self.job_mut(id);
        job.gate = gate;
        let word = match gate {
            JobGate::Open => "resumed",
            JobGate::Paused => "paused",
            JobGate::Cancelled => {
                job.ended_at = Some(now);
                "cancelled"
            }
        };
        self.log_job(OPERATOR, word, id, Words::Any);
        Ok(())
    }

    /// Hidden at once.
    pub(super) fn delete(&mut self, id: i64) -> Said<()> {
        self.job(id)?;
        self.job_mut(id).deleted = true;
        self.log_job(OPERATOR, "deleted", id, Words::Any);
        Ok(())
    }

    /// Every failed chunk, each with a fresh retry budget.
    pub(super) fn retry_job(&mut self, id: i64) -> Said<u64> {
        self.job(id)?;
        let failed: Vec<i64> = (self.chunks_of(id).iter())
            .filter(|chunk| chunk.status == JobChunkStatus::Failed)
            .map(|chunk| chunk.id)
            .collect();
        self.in_transaction(|model| {
            failed.iter().try_for_each(|chunk| model.retry(*chunk).map(|_| ()))?;
            Ok(failed.len() as u64)
        })
    }
}
