//! What came of a job's images, from what the chunks reported.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::recipe::ImageRecipe;
use futures::TryStreamExt;
use ream::{
    ChunkId, ChunkState, CrawlJob, CrawlJobStatus, ErrorClass, JobChunk, JobChunkStatus, JobChunkingService,
    JobId, RobotsPolicy,
};
use ream_dataset::ListOptions;
use ream_dataset::publish::final_name;
use ream_dataset::summary::{Shard, SummaryWriter};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

/// The most failed chunks, and lost ones, that a summary names.
const MAX_NAMED_CHUNKS: usize = 20;

/// What whoever asks knows and the database does not.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Rows of the list that were not taken.
    pub rejected_rows: u64,
    /// Completed chunks whose output could not be given its final names.
    pub unpublished_chunks: u64,
    /// What shaped the dataset.
    pub settings: DatasetSettings,
}

/// A job's state, as its chunks tell it: the head of the dataset's summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DatasetSummary {
    /// The job's status.
    pub status: CrawlJobStatus,
    /// Images of the list.
    pub images: u64,
    /// Images stored, in chunks that are published and there.
    pub images_ok: u64,
    /// Images of completed chunks that failed, by class.
    pub images_failed: BTreeMap<ErrorClass, u64>,
    /// Rows of the list that were not taken.
    pub rejected_rows: u64,
    /// Bytes of the images stored.
    pub bytes: u64,
    /// All chunks.
    pub total_chunks: u64,
    /// Chunks completed.
    pub completed_chunks: u64,
    /// Of these, chunks whose output could not be given its final names.
    pub unpublished_chunks: u64,
    /// Of these, chunks with files that are not there any more; `shards` does not name them.
    pub lost_chunks: u64,
    /// The indexes of the first of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<u64>,
    /// Chunks that failed.
    pub failed_chunks: u64,
    /// The first failed chunks with their errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedChunk>,
    /// What shaped the dataset.
    pub settings: DatasetSettings,
}

/// What shaped the dataset: settings by name, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DatasetSettings(BTreeMap<String, String>);

impl DatasetSettings {
    /// Of images of a list that was taken in so.
    pub fn told(recipe: &ImageRecipe, list: &ListOptions, chunk_size: u64, robots: RobotsPolicy) -> Self {
        let transform = recipe.transform();
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: &dyn Display| settings.insert(name.to_owned(), value.to_string());
        set("output format", &recipe.format);
        set("layout", &recipe.layout());
        set("chunk size", &chunk_size);
        set("URL column", &list.url_column);
        set("caption column", &or_none(list.caption_column.as_ref()));
        set("kept columns", &list.keep_columns);
        set("sha256 column", &or_none(list.sha256_column.as_ref()));
        set("robots policy", &robots);
        set("resize mode", &transform.resize_mode);
        set("image size", &transform.image_size);
        set("resizing only if bigger", &transform.resize_only_if_bigger);
        set("encode format", &or_none(transform.encode_format));
        set("encode quality", &transform.encode_quality);
        set("skipping of re-encoding", &transform.skip_reencode);
        set("minimum image size", &transform.min_image_size);
        set("maximum image area", &or_none(transform.max_image_area));
        set("maximum aspect ratio", &or_none(transform.max_aspect_ratio));
        set("maximum pixels", &transform.max_pixels);
        set("maximum side", &transform.max_side);
        Self(settings)
    }

    /// The settings with their names.
    pub fn into_inner(self) -> BTreeMap<String, String> {
        self.0
    }
}

impl FromIterator<(String, String)> for DatasetSettings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(settings: I) -> Self {
        Self(settings.into_iter().collect())
    }
}

/// A chunk that could not be worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedChunk {
    /// Which, as other commands name it.
    pub chunk_id: ChunkId,
    /// Which, within the job.
    pub chunk_index: u64,
    /// The last error.
    pub error: String,
}

impl DatasetSummary {
    /// What the chunks of `job` say, which was just looked at.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(
        service: &JobChunkingService,
        job: &CrawlJob,
        dataset: &Dataset,
        known: Known,
    ) -> Result<Self> {
        let mut summary = Self {
            status: job.status(),
            images: job.max_images.unwrap_or(0),
            images_ok: 0,
            images_failed: BTreeMap::new(),
            rejected_rows: known.rejected_rows,
            bytes: 0,
            total_chunks: job.counters.total_chunks.unsigned_abs(),
            completed_chunks: job.counters.completed_chunks.unsigned_abs(),
            unpublished_chunks: known.unpublished_chunks,
            lost_chunks: 0,
            lost: Vec::new(),
            failed_chunks: job.counters.failed_chunks.unsigned_abs(),
            failures: Vec::new(),
            settings: known.settings,
        };
        let mut chunks = std::pin::pin!(service.get_chunks_for_job(job.id).await?.stream());
        while let Some(chunk) = chunks.try_next().await? {
            if let Some(shard) = shard(&chunk) {
                if dataset.has_all(&shard.files).await {
                    summary.images_ok += shard.images_ok;
                    summary.bytes += shard.bytes;
                } else {
                    summary.lost_chunks += 1;
                    if summary.lost.len() < MAX_NAMED_CHUNKS {
                        summary.lost.push(chunk.chunk_index);
                    }
                }
            }
            if chunk.status() == JobChunkStatus::Failed && summary.failures.len() < MAX_NAMED_CHUNKS {
                let error = chunk.error_message.unwrap_or_else(|| "no reason given".to_owned());
                summary.failures.push(FailedChunk {
                    chunk_id: chunk.id,
                    chunk_index: chunk.chunk_index,
                    error,
                });
            }
            let Some(outcome) = chunk.outcome else { continue };
            for (class, count) in outcome.images_failed {
                *summary.images_failed.entry(class).or_default() += count;
            }
        }
        Ok(summary)
    }

    /// Images that failed, all classes together.
    pub fn images_failed_total(&self) -> u64 {
        self.images_failed.values().sum()
    }

    /// Whether every chunk is completed and its output published and there. That the job was paused meanwhile changes
    /// nothing about it.
    pub fn is_complete(&self) -> bool {
        let done = match self.status {
            CrawlJobStatus::Paused => self.completed_chunks == self.total_chunks,
            status => status == CrawlJobStatus::Completed,
        };
        done && self.unpublished_chunks == 0 && self.lost_chunks == 0
    }
}

/// Writes a dataset's summary to this file: the members of `head`, and every published chunk that is still there.
///
/// # Errors
/// The database's and the file system's.
pub async fn write_summary(
    head: &impl Serialize,
    service: &JobChunkingService,
    job_id: JobId,
    dataset: &Dataset,
    path: &Path,
) -> Result<()> {
    let mut writer = SummaryWriter::create(path, head)?;
    let mut chunks = std::pin::pin!(service.get_chunks_for_job(job_id).await?.stream());
    while let Some(chunk) = chunks.try_next().await? {
        if let Some(shard) = shard(&chunk)
            && dataset.has_all(&shard.files).await
        {
            writer.push(&shard)?;
        }
    }
    Ok(writer.finish()?)
}

fn shard(chunk: &JobChunk) -> Option<Shard> {
    let (ChunkState::Completed { unpublished: false }, Some(outcome)) = (&chunk.state, &chunk.outcome) else {
        return None;
    };
    Some(Shard {
        chunk_index: chunk.chunk_index,
        first_image: chunk.image_range.start(),
        last_image: chunk.image_range.end(),
        images_ok: outcome.images_ok,
        bytes: outcome.bytes,
        files: outcome.outputs.iter().filter_map(|name| final_name(name)).map(str::to_owned).collect(),
    })
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
