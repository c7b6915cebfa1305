//! `ream watch`.

use crate::context::{Context, Session};
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::text;
use crate::settings::WatchSettings;
use crate::values;
use clap::Args;
use ream::{CrawlJobStatus, JobChunk, JobChunkProgress, JobId, PageRequest};
use serde::Serialize;
use std::time::Duration;

/// Failed chunks that are read for their errors, and different errors that are shown: a fixed price per look, however
/// large the job.
const FAILED_CHUNKS_READ: i64 = 100;
const ERRORS_SHOWN: usize = 5;
const ERROR_CHARS: usize = 100;

/// Follow a job until it ends
///
/// A bar on a terminal, lines elsewhere, documents with --json. Ends with 0 when the job is completed, with 1 when it
/// failed or was cancelled.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream watch 1
  ream watch 1 --once
  ream watch 1 --json --interval-ms 5000

JSON: one document per look: status, the counts by status, completion_percentage, success_rate,
images_per_second, eta, and errors (the last errors of up to 100 failed chunks, the most frequent first).")]
pub(crate) struct WatchArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
    /// Milliseconds between two looks [default: 1000]
    #[arg(long, value_name = "MS", value_parser = values::interval_ms, allow_negative_numbers = true)]
    interval_ms: Option<u64>,
    /// Look once; a job that has not ended counts as success
    #[arg(long)]
    once: bool,
}

#[derive(Serialize)]
struct Look {
    status: CrawlJobStatus,
    #[serde(flatten)]
    progress: JobChunkProgress,
    errors: Vec<FrequentError>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct FrequentError {
    error_message: Option<String>,
    chunks: u64,
    /// One of them, to be explained.
    chunk_id: ream::ChunkId,
}

pub(crate) async fn run(args: WatchArgs, cx: &Context<'_>) -> Result<Exit> {
    let interval_ms = WatchSettings::load(&cx.settings.layers, args.interval_ms)?.interval_ms.value;
    let session = cx.open_for_long().await?;
    let bar = cx.out.bar(0);
    let mut last_line = String::new();
    let exit = loop {
        let look = look(args.job, &session).await?;
        let ended = ended(&look);
        let last = ended.is_some() || args.once;
        if cx.out.is_json() {
            cx.out.document(&look)?;
        } else {
            bar.set_length(look.progress.total_chunks.unsigned_abs());
            bar.set_position(look.progress.completed_chunks.unsigned_abs());
            bar.set_message(detail(&look));
            let line = line(&look);
            // A line per change where there is no bar; the last one always.
            if last || (bar.is_hidden() && line != last_line) {
                bar.finish_and_clear();
                cx.out.line(&line)?;
                last_line = line;
            }
        }
        cx.out.flush()?;
        if last {
            if !cx.out.is_json() {
                errors(&look, cx)?;
            }
            break ended.unwrap_or(Exit::Success);
        }
        tokio::time::sleep(Duration::from_millis(interval_ms)).await;
    };
    Ok(exit)
}

/// The exit code of a job that has ended.
fn ended(look: &Look) -> Option<Exit> {
    let p = &look.progress;
    match look.status {
        // Paused before its last chunks were completed: nothing is left that could start.
        CrawlJobStatus::Paused if p.total_chunks > 0 && p.completed_chunks == p.total_chunks => {
            Some(Exit::Success)
        }
        CrawlJobStatus::Completed => Some(Exit::Success),
        CrawlJobStatus::Failed | CrawlJobStatus::Cancelled => Some(Exit::Incomplete),
        CrawlJobStatus::Pending | CrawlJobStatus::Running | CrawlJobStatus::Paused => None,
    }
}

async fn look(job_id: JobId, session: &Session) -> Result<Look> {
    // The status first: the counts that are shown for a job that has ended are never older than its end.
    let status = session.jobs.get_crawl_job(job_id).await?.status();
    let progress = session.chunks.get_job_chunk_progress(job_id).await?;
    let errors = if progress.failed_chunks == 0 {
        Vec::new()
    } else {
        let failed = session.chunks.get_failed_chunks(job_id).await?;
        most_frequent(&failed.page(PageRequest::new(FAILED_CHUNKS_READ, None)?).await?.items)
    };
    Ok(Look { status, progress, errors })
}

/// The last errors of failed chunks, the most frequent first.
fn most_frequent(failed: &[JobChunk]) -> Vec<FrequentError> {
    let mut errors: Vec<FrequentError> = Vec::new();
    for chunk in failed {
        match errors.iter_mut().find(|error| error.error_message == chunk.error_message) {
            Some(error) => error.chunks += 1,
            None => errors.push(FrequentError {
                error_message: chunk.error_message.clone(),
                chunks: 1,
                chunk_id: chunk.id,
            }),
        }
    }
    errors.sort_by_key(|error| std::cmp::Reverse(error.chunks));
    errors.truncate(ERRORS_SHOWN);
    errors
}

fn line(look: &Look) -> String {
    let p = &look.progress;
    if p.total_chunks == 0 {
        return format!("job {} {}: no chunks yet", p.job_id, look.status);
    }
    format!(
        "job {} {}: {} of {} completed ({:.1} %), {}",
        p.job_id,
        look.status,
        p.completed_chunks,
        text::count(p.total_chunks, "chunk"),
        p.completion_percentage,
        detail(look)
    )
}

fn detail(look: &Look) -> String {
    let p = &look.progress;
    let mut told = format!(
        "{} pending, {} processing, {} failed",
        p.pending_chunks, p.processing_chunks, p.failed_chunks
    );
    let running = look.status == CrawlJobStatus::Running;
    if let Some(rate) = p.images_per_second.filter(|_| running) {
        told.push_str(&format!(", {rate:.1} images/s"));
    }
    if let Some(eta) = p.eta.filter(|_| running) {
        told.push_str(&format!(", {} to go", text::duration(eta.ms_since(p.timestamp))));
    }
    told
}

fn errors(look: &Look, cx: &Context<'_>) -> Result<()> {
    if look.progress.failed_chunks > FAILED_CHUNKS_READ {
        cx.out.line(format_args!("errors of the first {FAILED_CHUNKS_READ} failed chunks:"))?;
    }
    for error in &look.errors {
        let example = if error.chunks == 1 { String::new() } else { ", such as".to_owned() };
        cx.out.line(format_args!(
            "  {}{example} {}: {}",
            if error.chunks == 1 { "chunk".to_owned() } else { text::count(error.chunks, "chunk") },
            error.chunk_id,
            text::cut(error.error_message.as_deref().unwrap_or("no error was told"), ERROR_CHARS)
        ))?;
    }
    Ok(())
}
