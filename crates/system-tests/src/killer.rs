//! Killing a crawl in the middle of its work, again and again.

use crate::ream::{Ream, Running};
use crate::state::{Snapshot, Watch};
use ream_test_servers::{Fault, Result, cannot, until};
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// A crawl that gets nowhere in this time hangs.
const MOMENT_LIMIT: Duration = Duration::from_secs(120);

/// When to kill; a chunk must be processing in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// As soon as a chunk is processing.
    Started,
    /// When an attempt has staged this many bytes, or a chunk has been completed.
    Staged(u64),
    /// When one more chunk is completed.
    Completed,
    /// When a chunk is completed and waits for its final names, or is past that already.
    Unpublished,
}

/// One kill, for the report.
#[derive(Debug)]
pub struct Kill {
    moment: Moment,
    /// From start to kill.
    after: Duration,
    /// What the database said when the process was gone.
    state: Snapshot,
    /// Chunks in its work then.
    interrupted: usize,
    staged_bytes: u64,
}

impl Kill {
    /// Completed chunks whose output had not got its final names for good.
    pub fn unpublished(&self) -> usize {
        self.state.unpublished()
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after {:>5} ms at {:?}: {} in work, {} completed ({} unpublished) of {}, {} bytes staged",
            self.after.as_millis(),
            self.moment,
            self.interrupted,
            self.state.with_status("completed"),
            self.state.unpublished(),
            self.state.0.len(),
            self.staged_bytes
        )
    }
}

/// Starts the crawl, waits for the moment, kills. Counts only if a chunk that this very process had started was
/// processing when it died, which the database shows afterwards; otherwise it starts again.
///
/// # Errors
/// The crawl ended by itself, or the moment did not come in time.
pub fn kill_at(crawl: &Ream, dataset: &Path, moment: Moment) -> Result<Kill> {
    until("a kill in the middle of a chunk", MOMENT_LIMIT, || {
        let before = Watch::new(dataset).look().unwrap_or_default();
        let started = Instant::now();
        let mut running = crawl.start()?;
        wait_for(&mut running, dataset, moment, &before)?;
        let after = started.elapsed();
        running.kill()?;
        let state = Watch::new(dataset).look().unwrap_or_default();
        let interrupted = state.processing_since(&before).count();
        let staged_bytes = bytes_below(&dataset.join("_staging"));
        Ok((interrupted > 0).then_some(Kill { moment, after, state, interrupted, staged_bytes }))
    })
}

/// Starts the crawl, and kills it as soon as this file is in the dataset, whatever the crawl is doing then.
///
/// # Errors
/// The crawl ended by itself, or the file did not come in time.
pub fn kill_once_there(crawl: &Ream, file: &Path) -> Result<()> {
    let mut running = crawl.start()?;
    until(&file.display().to_string(), MOMENT_LIMIT, || {
        let there = file.exists();
        if !there && running.has_ended()? {
            return Err(Fault::new(format!("the crawl ended before there was {}", file.display())));
        }
        Ok(there.then_some(()))
    })?;
    running.kill().map(|_| ())
}

/// Starts the crawl, and kills it as soon as all chunks are completed: while it publishes the last ones, cleans up and
/// writes its summary. Should it be faster, it has ended well.
///
/// # Errors
/// The crawl ended with another exit code than 0.
pub fn kill_at_the_end(crawl: &Ream, dataset: &Path) -> Result<()> {
    let mut running = crawl.start()?;
    let mut watch = Watch::new(dataset);
    until("the end of the crawl", MOMENT_LIMIT, || {
        let over = watch.look().is_some_and(|now| now.is_completed());
        Ok((over || running.has_ended()?).then_some(()))
    })?;
    let ended = running.kill()?;
    if ended.code.is_some() { ended.expect_code(0).map(|_| ()) } else { Ok(()) }
}

/// Waits until this process has reached the moment.
///
/// # Errors
/// The crawl ended by itself, or the moment did not come in time.
pub fn wait_for(
    running: &mut Running,
    dataset: &Path,
    moment: Moment,
    before: &Snapshot,
) -> Result<Snapshot> {
    let mut watch = Watch::new(dataset);
    until(&format!("{moment:?}"), MOMENT_LIMIT, || {
        if let Some(now) = watch.look()
            && now.processing_since(before).next().is_some()
            && is_reached(moment, dataset, before, &now)
        {
            return Ok(Some(now));
        }
        if running.has_ended()? {
            return Err(Fault::new(format!("the crawl ended before it could be killed at {moment:?}")));
        }
        Ok(None)
    })
}

fn is_reached(moment: Moment, dataset: &Path, before: &Snapshot, now: &Snapshot) -> bool {
    let one_more = now.with_status("completed") > before.with_status("completed");
    match moment {
        Moment::Started => true,
        Moment::Completed => one_more,
        Moment::Unpublished => one_more || now.unpublished() > before.unpublished(),
        Moment::Staged(bytes) => {
            let staged = |id, attempt| bytes_below(&dataset.join(format!("_staging/{id}-{attempt}")));
            one_more || now.processing_since(before).any(|chunk| staged(chunk.id, chunk.attempt) >= bytes)
        }
    }
}

/// Bytes of all files below a folder; what goes away meanwhile does not count.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Every file and folder of a dataset with its size, state left out: to see that nothing was touched.
///
/// # Errors
/// The folder cannot be read.
pub fn inventory(dataset: &Path) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(dataset).map_err(cannot(format!("read {}", dataset.display())))?;
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "_ream" {
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            found.push((name, bytes + bytes_below(&entry.path())));
        }
    }
    found.sort();
    Ok(found)
}
