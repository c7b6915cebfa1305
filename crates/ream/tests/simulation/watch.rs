//! Invariants that need no model: whatever happened, nobody may ever see this broken.

use crate::answer::Answer;
use ream::{Action, Activity, CrawlJob, JobChunk, JobChunkStatus};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of a chunk last.
struct Seen {
    attempt: i64,
    completed: bool,
    start: u64,
    end: u64,
}

#[derive(Default)]
pub(crate) struct Watch {
    chunks: BTreeMap<i64, Seen>,
    /// Every chunk and attempt that somebody was told to hold.
    handed_out: BTreeSet<(i64, i64)>,
    /// Jobs that nothing may start of, by the log.
    closed: BTreeSet<i64>,
    statuses: BTreeMap<i64, JobChunkStatus>,
    last_row: i64,
}

impl Watch {
    pub(crate) fn see(&mut self, answer: &Answer) -> Result<(), String> {
        match answer {
            Answer::Chunk(chunk) => self.see_chunk(chunk),
            Answer::MaybeChunk(Some(chunk)) => self.see_chunk(chunk),
            Answer::Chunks(chunks) => chunks.iter().try_for_each(|chunk| self.see_chunk(chunk)),
            Answer::Claimed(claimed) => claimed.iter().try_for_each(|claimed| {
                let (id, attempt) = (claimed.chunk.id.get(), claimed.chunk.attempt.get());
                if !self.handed_out.insert((id, attempt)) {
                    return Err(format!("attempt {attempt} of chunk {id} was given to two"));
                }
                self.see_chunk(&claimed.chunk)
            }),
            Answer::Many(answers) => answers.iter().try_for_each(|answer| self.see(answer)),
            _ => Ok(()),
        }
    }

    /// Rules 5 and 7, and that a range only ever shrinks.
    fn see_chunk(&mut self, chunk: &JobChunk) -> Result<(), String> {
        let now = Seen {
            attempt: chunk.attempt.get(),
            completed: chunk.status() == JobChunkStatus::Completed,
            start: chunk.image_range.start(),
            end: chunk.image_range.end(),
        };
        if let Some(before) = self.chunks.get(&chunk.id.get()) {
            let fault = match () {
                () if now.attempt < before.attempt => "its attempt went back",
                () if before.completed && !now.completed => "it was completed",
                () if now.start != before.start || now.end > before.end => "its images moved",
                () => "",
            };
            if !fault.is_empty() {
                return Err(format!("chunk {}: {fault}: {chunk:?}", chunk.id));
            }
        }
        self.chunks.insert(chunk.id.get(), now);
        Ok(())
    }

    /// Rules 1 and 3, on all chunks of a job in the order of their images.
    pub(crate) fn see_job(job: &CrawlJob, chunks: &[JobChunk]) -> Result<(), String> {
        let mut next = 0;
        for chunk in chunks {
            if chunk.image_range.start() != next {
                return Err(format!("job {}: image {next} and chunk {chunk:?} do not join", job.id));
            }
            next = chunk.image_range.end() + 1;
        }
        if !chunks.is_empty() && Some(next) != job.max_images {
            return Err(format!("job {}: its chunks end before image {next}", job.id));
        }
        let count = |status| chunks.iter().filter(|chunk| chunk.status() == status).count() as i64;
        let counted = JobChunkStatus::ALL.map(count);
        let c = &job.counters;
        let told = [c.pending_chunks(), c.active_chunks, c.completed_chunks, c.failed_chunks];
        if told != counted {
            return Err(format!("job {}: counters say {told:?}, a count {counted:?}", job.id));
        }
        Ok(())
    }

    pub(crate) const fn last_row(&self) -> i64 {
        self.last_row
    }

    /// Each row joins the one before it, and nothing starts behind a closed gate.
    pub(crate) fn see_row(&mut self, row: &Activity) -> Result<(), String> {
        if row.id <= self.last_row {
            return Err(format!("{row:?} comes after row {}", self.last_row));
        }
        self.last_row = row.id;
        let job = row.job_id.get();
        match row.action {
            Action::Paused | Action::Cancelled | Action::Deleted => self.closed.insert(job),
            Action::Resumed => self.closed.remove(&job),
            Action::Claimed | Action::Started | Action::Dispatched if self.closed.contains(&job) => {
                return Err(format!("{row:?} though its job was closed"));
            }
            _ => false,
        };
        if let (Some(chunk), Some(from), Some(to)) = (row.chunk_id, row.from_status, row.to_status) {
            let before = self.statuses.insert(chunk.get(), to).unwrap_or(JobChunkStatus::Pending);
            if before != from {
                return Err(format!("{row:?}, but the chunk was left as {before}"));
            }
        }
        Ok(())
    }
}
