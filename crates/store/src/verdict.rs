//! What the check of a job makes of its chunks, whatever the backend.

use crate::repository::JobVerdict;
use ream_core::cover::Cover;
use ream_core::job::Counters;
use ream_core::{CrawlJob, Error, ImageRange, JobChunkStatus, Result};

/// The most lease faults that are named; more would tell nothing new.
const MAX_LEASE_FAULTS: usize = 100;

/// What is checked of a chunk, as it is stored.
pub(crate) struct ChunkFacts {
    pub(crate) id: i64,
    pub(crate) first_image: i64,
    pub(crate) last_image: i64,
    pub(crate) status: JobChunkStatus,
    /// Whether it has both ends of a lease.
    pub(crate) is_leased: bool,
    /// Whether the service will put it back.
    pub(crate) awaits_retry: bool,
    pub(crate) attempt: i64,
}

/// Sees a job's chunks one by one, in the order of their images.
#[derive(Default)]
pub(crate) struct Check {
    cover: Cover,
    lease_faults: Vec<String>,
    pub(crate) counted: Counters,
}

impl Check {
    /// # Errors
    /// Validation: no range of images; the caller says where it was read.
    pub(crate) fn see(&mut self, chunk: &ChunkFacts) -> Result<()> {
        let image = |number: i64| {
            u64::try_from(number).map_err(|_| Error::invalid("image_range", number, "0 or more"))
        };
        self.cover.push(ImageRange::new(image(chunk.first_image)?, image(chunk.last_image)?)?);
        let counted = &mut self.counted;
        counted.total_chunks += 1;
        match chunk.status {
            JobChunkStatus::Pending => {}
            JobChunkStatus::Processing => counted.active_chunks += 1,
            JobChunkStatus::Completed => {
                counted.completed_chunks += 1;
                counted.completed_images += chunk.last_image - chunk.first_image + 1;
            }
            JobChunkStatus::Failed => {
                counted.failed_chunks += 1;
                counted.awaiting_retry_chunks += i64::from(chunk.awaits_retry);
            }
        }
        if self.lease_faults.len() < MAX_LEASE_FAULTS {
            self.lease_faults.extend(lease_fault(chunk));
        }
        Ok(())
    }

    /// The verdict over a job. Without a check nobody may see its chunks yet.
    pub(crate) fn verdict(checked: Option<Self>, job: &CrawlJob, creation_is_begun: bool) -> JobVerdict {
        let creation_unfinished = creation_is_begun && checked.is_none();
        let checked = checked.unwrap_or_default();
        let chunks = checked.cover.chunks();
        let cover_faults = if chunks == 0 && job.counters.total_chunks == 0 {
            Vec::new()
        } else {
            checked.cover.finish(job.max_images.unwrap_or(0))
        };
        JobVerdict {
            job_id: job.id,
            chunks,
            cover_faults,
            lease_faults: checked.lease_faults,
            counters: job.counters,
            counted: checked.counted,
            creation_unfinished,
        }
    }
}

fn lease_fault(chunk: &ChunkFacts) -> Option<String> {
    let (id, status) = (chunk.id, chunk.status);
    let is_processing = status == JobChunkStatus::Processing;
    if chunk.is_leased != is_processing {
        let with = if chunk.is_leased { "with" } else { "without" };
        Some(format!("chunk {id} is {status} {with} a lease"))
    } else if chunk.is_leased && chunk.attempt < 1 {
        Some(format!("chunk {id} is processing, but was never started"))
    } else {
        None
    }
}

/// Which counters a recount changes, for the activity log.
pub(crate) fn told_difference(said: &Counters, counted: &Counters) -> String {
    let changes = said.named().into_iter().zip(counted.named());
    let told: Vec<String> = changes
        .filter(|((_, said), (_, counted))| said != counted)
        .map(|((name, said), (_, counted))| format!("{name} {said} to {counted}"))
        .collect();
    told.join(", ")
}
