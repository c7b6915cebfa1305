//! Splitting a chunk: it keeps its id, index and the first part of its range; the rest becomes new chunks.

use crate::activity::Action;
use crate::chunk::{JobChunk, JobChunkStatus};
use crate::effects::{Effects, LogEntry};
use crate::error::{ConflictCode, Error, Result};
use crate::job::Counters;
use crate::range::ImageRange;
use crate::timestamp::Timestamp;

/// The most parts one call may split a chunk into.
pub const MAX_SPLIT_PARTS: u64 = 1000;

/// # Errors
/// Validation: outside 2 to [`MAX_SPLIT_PARTS`].
pub fn check_parts(parts: u64) -> Result<u64> {
    if (2..=MAX_SPLIT_PARTS).contains(&parts) {
        Ok(parts)
    } else {
        Err(Error::invalid("parts", parts, format!("2 to {MAX_SPLIT_PARTS}")))
    }
}

/// The ranges after a split into `parts` of nearly equal size, in order: the first is the chunk's new range, each
/// further one a new pending chunk's.
///
/// # Errors
/// Validation: `parts` out of range, or more than the chunk has images. Conflict: the chunk is processing (its
/// holder has to consent) or completed.
pub fn split_ranges(chunk: &JobChunk, parts: u64) -> Result<Vec<ImageRange>> {
    check_parts(parts)?;
    let images = chunk.image_range.images();
    if parts > images {
        return Err(Error::invalid("parts", parts, format!("at most the chunk's {images} images")));
    }
    match chunk.status() {
        JobChunkStatus::Pending | JobChunkStatus::Failed => {}
        status => {
            return Err(Error::conflict(
                ConflictCode::WrongStatus,
                format!(
                    "chunk {} is {status}; only a chunk that is pending or failed can be split",
                    chunk.id
                ),
            ));
        }
    }
    let (size, larger) = (images / parts, images % parts);
    let mut start = chunk.image_range.start();
    (0..parts)
        .map(|n| {
            let end = start + size + u64::from(n < larger) - 1;
            let range = ImageRange::new(start, end);
            start = end + 1;
            range
        })
        .collect()
}

/// A chunk after a split.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The chunk with the first part of its range.
    pub chunk: JobChunk,
    /// The images of each new chunk. They are pending, take the job's priority and next free indexes, and name the
    /// chunk they were split from.
    pub new_ranges: Vec<ImageRange>,
    /// What follows in the same transaction.
    pub effects: Effects,
}

/// Splits a chunk into `parts`.
///
/// # Errors
/// As [`split_ranges`].
pub fn split(mut chunk: JobChunk, parts: u64, now: Timestamp) -> Result<Split> {
    let mut new_ranges = split_ranges(&chunk, parts)?;
    let told = format!("images {} into {parts} parts", chunk.image_range);
    chunk.image_range = new_ranges.remove(0);
    chunk.updated_at = now;
    let log = LogEntry {
        action: Action::Split,
        from_status: chunk.status(),
        to_status: chunk.status(),
        attempt: chunk.attempt,
        task_id: chunk.task_id.clone(),
        unfenced: false,
        message: Some(told),
    };
    // The chunk keeps its status, so only the new ones count.
    let counters = Counters { total_chunks: new_ranges.len() as i64, ..Counters::default() };
    let effects = Effects { counters, log: Some(log), wakes_claimers: true, starts_job: false };
    Ok(Split { chunk, new_ranges, effects })
}
