//! What the creation of a job's chunks is checked against, whatever the backend.

use crate::repository::NewChunk;
use ream_core::cover::Cover;
use ream_core::error::{ConflictCode, FieldError};
use ream_core::job_event::NewCrawlJob;
use ream_core::{CrawlJob, DatabaseFault, Error, JobGate, Priority, Result};

/// What a job knows about the creation of its chunks.
pub(crate) struct Begun {
    /// What was asked for first.
    pub(crate) images: Option<u64>,
    /// The priority that the chunks have.
    pub(crate) priority: Option<Priority>,
    /// Where the next step begins.
    pub(crate) next_chunk_index: u64,
}

/// Chunks may be asked for again, with the numbers of the first time.
pub(crate) fn check_same_numbers(
    job: &CrawlJob,
    begun: &Begun,
    max_images: u64,
    priority: Option<Priority>,
) -> Result<()> {
    let conflict = |message| Err(Error::conflict(ConflictCode::AlreadyChunked, message));
    if let Some(images) = begun.images
        && images != max_images
    {
        return conflict(format!("job {} has chunks for {images} images, not {max_images}", job.id));
    }
    if let (Some(first), Some(now)) = (begun.priority, priority)
        && first != now
    {
        return conflict(format!(
            "job {} has chunks created with priority {first}, not {now}; set its priority instead",
            job.id
        ));
    }
    if job.image_list.is_some() && job.max_images != Some(max_images) {
        let rows = job.max_images.unwrap_or(0);
        return conflict(format!("the image list of job {} has {rows} images, not {max_images}", job.id));
    }
    Ok(())
}

/// Another job has the dataset of this one.
pub(crate) fn dataset_taken(new: &NewCrawlJob) -> Error {
    let dataset = new.dataset.as_deref().unwrap_or_default();
    Error::invalid("dataset", format!("{dataset:?}"), "a dataset that no other job has")
}

/// A recipe as it is stored: as text, which comes back exactly.
pub(crate) fn recipe_text(new: &NewCrawlJob) -> Result<Option<String>> {
    new.recipe.as_ref().map(serde_json::to_string).transpose().map_err(|error| Error::Database {
        fault: DatabaseFault::Constraint,
        message: format!("a recipe has no JSON form: {error}"),
    })
}

/// What fixes a job's images may not change while steps create its chunks: they go by the number that was asked for first,
/// and another one would be lost at the end.
pub(crate) fn check_images_kept(before: &CrawlJob, after: &CrawlJob, creation_begun: bool) -> Result<()> {
    let is_kept = (before.max_images, &before.image_list) == (after.max_images, &after.image_list);
    if creation_begun && !is_kept {
        let message = format!("the chunks of job {} are being created, its images are fixed", before.id);
        return Err(Error::conflict(ConflictCode::AlreadyChunked, message));
    }
    Ok(())
}

pub(crate) fn check_not_cancelled(job: &CrawlJob) -> Result<()> {
    if job.gate == JobGate::Cancelled {
        return Err(Error::conflict(
            ConflictCode::JobNotRunning,
            format!("job {} is cancelled, no chunks can be created for it", job.id),
        ));
    }
    Ok(())
}

/// Chunks may be given in bulk to a job that has none and no other number of images.
pub(crate) fn check_bulk(job: &CrawlJob, begun: &Begun, max_images: u64) -> Result<()> {
    let conflict = |message| Err(Error::conflict(ConflictCode::AlreadyChunked, message));
    if begun.images.is_some() {
        return conflict(format!("job {} has chunks already", job.id));
    }
    if let Some(images) = job.max_images.filter(|images| *images != max_images) {
        return conflict(format!("job {} has {images} images, the chunks cover {max_images}", job.id));
    }
    check_not_cancelled(job)
}

/// The chunks in the order of their images, and how many images they cover exactly.
pub(crate) fn in_order(chunks: &[NewChunk]) -> Result<(Vec<NewChunk>, u64)> {
    let mut chunks = chunks.to_vec();
    chunks.sort_unstable_by_key(|chunk| chunk.image_range.start());
    let max_images = check_exact_cover(&chunks)?;
    Ok((chunks, max_images))
}

/// How many images chunks in the order of their images cover exactly.
fn check_exact_cover(chunks: &[NewChunk]) -> Result<u64> {
    let Some(last) = chunks.last() else {
        return Err(Error::invalid("chunks", "an empty list", "at least one chunk"));
    };
    let max_images = last.image_range.end() + 1;
    let mut cover = Cover::default();
    for chunk in chunks {
        cover.push(chunk.image_range);
    }
    let faults = cover.finish(max_images);
    let mut errors: Vec<FieldError> = faults
        .iter()
        .map(|fault| FieldError {
            field: "chunks.image_range".to_owned(),
            value: fault.to_string(),
            allowed: "ranges that cover every image from 0 exactly once".to_owned(),
        })
        .collect();
    let mut indexes: Vec<u64> = chunks.iter().map(|chunk| chunk.chunk_index).collect();
    indexes.sort_unstable();
    if let Some(twice) = indexes.windows(2).find(|pair| pair[0] == pair[1]) {
        errors.push(FieldError {
            field: "chunks.chunk_index".to_owned(),
            value: format!("{} twice", twice[0]),
            allowed: "a number of its own for each chunk".to_owned(),
        });
    }
    if errors.is_empty() { Ok(max_images) } else { Err(Error::Validation { errors }) }
}
