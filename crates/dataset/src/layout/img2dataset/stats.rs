//! `00000_stats.json`: what became of a shard (`write_stats` in `logger.py`).

use super::status::Status;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The most messages counted each for itself. The rarest would go first in img2dataset; here those that come last are
/// counted together.
const MAX_MESSAGES: usize = 100_000;

/// The counts of a shard. Its times are the only part of the output that differs between two runs.
pub(super) struct Stats {
    started_at: SystemTime,
    started: Instant,
    counts: Counts,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    count: u64,
    successes: u64,
    failed_to_download: u64,
    failed_to_resize: u64,
    /// In seconds.
    duration: f64,
    /// In seconds since 1970-01-01 UTC.
    start_time: f64,
    /// In seconds since 1970-01-01 UTC.
    end_time: f64,
    /// How often each message came; `success` for stored images.
    status_dict: BTreeMap<String, u64>,
}

impl Stats {
    pub(super) fn start() -> Self {
        Self { started_at: SystemTime::now(), started: Instant::now(), counts: Counts::default() }
    }

    pub(super) fn count(&mut self, status: &Status) {
        let counts = &mut self.counts;
        counts.count += 1;
        *match status {
            Status::Success => &mut counts.successes,
            Status::FailedToDownload(_) => &mut counts.failed_to_download,
            Status::FailedToResize(_) => &mut counts.failed_to_resize,
        } += 1;
        let name = status.message().unwrap_or(status.as_str());
        let known = &mut counts.status_dict;
        let name = if known.len() < MAX_MESSAGES || known.contains_key(name) { name } else { "other" };
        *known.entry(name.to_owned()).or_default() += 1;
    }

    pub(super) fn into_json(mut self) -> io::Result<Vec<u8>> {
        let since_epoch = self.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let counts = &mut self.counts;
        counts.duration = self.started.elapsed().as_secs_f64();
        counts.start_time = since_epoch.as_secs_f64();
        counts.end_time = counts.start_time + counts.duration;
        super::metadata::dumps(counts).map_err(io::Error::from)
    }
}
