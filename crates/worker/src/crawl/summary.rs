//! What came of a crawl: its dataset, and how the run went.

use crate::tally::TallySnapshot;
use ream_fetch::HostReports;
use ream_image_jobs::summary::DatasetSummary;
use serde::Serialize;
use std::ops::Deref;
use std::time::Duration;

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
    pub(super) fn new(duration: Duration, tally: &TallySnapshot) -> Self {
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
    /// The job's state.
    #[serde(flatten)]
    pub dataset: DatasetSummary,
    /// Whether the run was stopped before the job ended.
    #[serde(skip)]
    pub stopped: bool,
    /// How fast the last run was.
    pub run: RunRates,
    /// The hosts of the last run that failed most, and those that were slowest.
    pub hosts: HostReports,
}

impl Deref for CrawlSummary {
    type Target = DatasetSummary;

    fn deref(&self) -> &DatasetSummary {
        &self.dataset
    }
}
