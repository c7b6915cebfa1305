//! What moves of chunks do to their job, as one sum: however many there were, and whoever adds them up.

use crate::job::{Counters, CrawlJob, CrawlJobStatus, JobGate};
use crate::timestamp::Timestamp;

/// The sum of some moves of one job's chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobDelta {
    /// To be added to the job's counters.
    pub counters: Counters,
    /// When the first of them started a chunk; `None` when none did.
    pub first_start: Option<Timestamp>,
    /// When the last of them was made.
    pub at: Timestamp,
    /// Whether a job that had ended has not any more, be it for a moment.
    pub reopens: bool,
}

impl JobDelta {
    /// Adds them to the job: its counters, and what follows from them.
    pub fn add_to(&self, job: &mut CrawlJob) {
        let before = job.status();
        job.counters = job.counters.plus(self.counters);
        job.started_at = match (job.started_at, self.first_start) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let status = job.status();
        let ended =
            matches!(status, CrawlJobStatus::Completed | CrawlJobStatus::Failed | CrawlJobStatus::Cancelled);
        // Cancelled is final, whatever becomes of the chunks.
        if job.gate != JobGate::Cancelled && (self.reopens || status != before || !ended) {
            // Another end, to be announced anew.
            job.ended_at = None;
        }
        if self.counters.completed_images > 0 {
            job.throughput = job.throughput.record(self.counters.completed_images, self.at, job.started_at);
        }
        job.updated_at = job.updated_at.max(self.at);
    }
}
