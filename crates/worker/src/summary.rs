//! What came of a job's images, from what the chunks reported.

use crate::crawl::CrawlError;
use crate::tally::TallySnapshot;
use futures::TryStreamExt;
use ream::{
    ChunkId, ChunkState, CrawlJob, CrawlJobStatus, ErrorClass, JobChunk, JobChunkStatus, JobChunkingService,
    JobId,
};
use ream_dataset::publish::final_name;
use ream_dataset::summary::{Shard, SummaryWriter};
use ream_fetch::HostReports;
use ream_image_jobs::Dataset;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The most failed chunks, and lost ones, that a summary names.
const MAX_NAMED_CHUNKS: usize = 20;

/// What a run knows that the database does not.
pub(crate) struct Found {
    pub(crate) rejected_rows: u64,
    pub(crate) unpublished_chunks: u64,
    pub(crate) stopped: bool,
    /// Of one process that did all of it.
    pub(crate) run: Option<(RunRates, HostReports)>,
    pub(crate) settings: DatasetSettings,
}

/// How fast the last run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct RunRates {
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// Images done in it, failed ones included.
    pub images: u64,
    /// Of these a second.
    pub images_per_second: f64,
    /// Bytes stored a second.
    pub bytes_per_second: f64,
}

impl RunRates {
    pub(crate) fn new(duration: Duration, tally: &TallySnapshot) -> Self {
        let duration_s = duration.as_secs_f64();
        let per_second = |count: u64| if duration_s > 0.0 { count as f64 / duration_s } else { 0.0 };
        Self {
            duration_s,
            images: tally.images(),
            images_per_second: per_second(tally.images()),
            bytes_per_second: per_second(tally.bytes),
        }
    }
}

/// A crawl's state at the end of a run; also the head of the dataset's summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CrawlSummary {
    /// The job's status.
    pub status: CrawlJobStatus,
    /// Whether the run was stopped before the job ended.
    #[serde(skip)]
    pub stopped: bool,
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
    /// How fast the last run was, where one process did all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRates>,
    /// The hosts of that run that failed most, and those that were slowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<HostReports>,
    /// What shaped the dataset.
    pub settings: DatasetSettings,
}

/// What shaped the dataset: settings by name, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DatasetSettings(BTreeMap<String, String>);

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

impl CrawlSummary {
    /// What the chunks of `job` say, which was just looked at.
    pub(crate) async fn read(
        service: &JobChunkingService,
        job: &CrawlJob,
        dataset: &Dataset,
        found: Found,
    ) -> Result<Self, CrawlError> {
        let (run, hosts) = found.run.unzip();
        let mut summary = Self {
            status: job.status(),
            stopped: found.stopped,
            images: job.max_images.unwrap_or(0),
            images_ok: 0,
            images_failed: BTreeMap::new(),
            rejected_rows: found.rejected_rows,
            bytes: 0,
            total_chunks: job.counters.total_chunks.unsigned_abs(),
            completed_chunks: job.counters.completed_chunks.unsigned_abs(),
            unpublished_chunks: found.unpublished_chunks,
            lost_chunks: 0,
            lost: Vec::new(),
            failed_chunks: job.counters.failed_chunks.unsigned_abs(),
            failures: Vec::new(),
            run,
            hosts,
            settings: found.settings,
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

    /// Writes the summary to this file: this, and every published chunk that is still there.
    pub(crate) async fn write(
        &self,
        service: &JobChunkingService,
        job_id: JobId,
        dataset: &Dataset,
        path: &Path,
    ) -> Result<(), CrawlError> {
        let mut writer = SummaryWriter::create(path, self)?;
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
