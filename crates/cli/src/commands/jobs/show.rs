//! `ream jobs show`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Paint, fields, text};
use crate::values;
use clap::Args;
use ream::{CrawlJob, CrawlJobStatus, JobChunkProgress, JobId, Policy};

/// Task ids that are named; JSON has up to a thousand.
const TASK_IDS: usize = 10;

/// Show one job
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream jobs show 1
  ream jobs show 1 --json

JSON: the job with its policy, counters and the task ids at work.")]
pub(crate) struct ShowArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
}

pub(super) async fn run(args: &ShowArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let job = session.jobs.get_crawl_job(args.job).await?;
    if cx.out.is_json() {
        cx.out.document(&job)?;
        return Ok(Exit::Success);
    }
    let progress = session.chunks.get_job_chunk_progress(job.id).await?;
    report(&job, &progress, cx)?;
    if job.counters.total_chunks == 0 {
        cx.out.hint(format_args!("`ream jobs start {}` creates its chunks", job.id));
    }
    Ok(Exit::Success)
}

fn report(job: &CrawlJob, progress: &JobChunkProgress, cx: &Context<'_>) -> Result<()> {
    let status = job.status();
    let shown = match text::job_paint(status) {
        Some(paint) => cx.out.paint(paint, status),
        None => status.to_string(),
    };
    let title = format!("job {}", job.id);
    cx.out.line(format_args!("{} `{}`", cx.out.paint(Paint::Bold, title), text::printable(&job.name)))?;
    let images = job.max_images.map_or_else(|| "not known yet".to_owned(), |images| images.to_string());
    let mut lines = vec![
        ("status", shown),
        ("priority", job.priority.to_string()),
        ("images", format!("{images}, up to {} per chunk", job.chunk_size)),
        ("chunks", chunks(job)),
    ];
    if job.counters.total_chunks > 0 {
        lines.push(("progress", pace(status, progress)));
    }
    lines.push(("executor", job.executor.to_string()));
    if let Some(list) = &job.image_list {
        lines.push(("image list", text::printable(list)));
    }
    lines.push(("policy", policy(&job.policy)));
    lines.push(("created", text::time(job.created_at)));
    lines.push(("started", text::maybe_time(job.started_at)));
    lines.push(("ended", text::maybe_time(job.ended_at)));
    if job.deadline_at.is_some() {
        lines.push(("deadline", text::maybe_time(job.deadline_at)));
    }
    if !job.task_ids.is_empty() {
        lines.push(("task ids", task_ids(job)));
    }
    fields(cx.out, &lines)
}

fn chunks(job: &CrawlJob) -> String {
    let c = &job.counters;
    if c.total_chunks == 0 {
        return "none yet".to_owned();
    }
    format!(
        "{}: {} pending, {} processing, {} completed, {} failed",
        c.total_chunks,
        c.pending_chunks(),
        c.active_chunks,
        c.completed_chunks,
        c.failed_chunks
    )
}

fn pace(status: CrawlJobStatus, progress: &JobChunkProgress) -> String {
    let mut told = format!("{:.1} %", progress.completion_percentage);
    // What has ended or is paused has no pace, however fast it went a minute ago.
    if status != CrawlJobStatus::Running {
        return told;
    }
    if let Some(rate) = progress.images_per_second {
        told.push_str(&format!(", {rate:.1} images/s"));
    }
    if let Some(eta) = progress.eta {
        let left = text::duration(eta.ms_since(progress.timestamp));
        told.push_str(&format!(", {left} to go at this rate"));
    }
    told
}

fn policy(policy: &Policy) -> String {
    let span = |seconds: u32| text::duration(i64::from(seconds) * 1000);
    let deadline = policy.job_deadline_s.map_or_else(|| "none".to_owned(), span);
    format!(
        "lease {} (heartbeat every {}), chunk timeout {}, deadline {deadline}\n\
         at most {}, the first after {}, none later than {}; redispatch after {}; robots: {}",
        span(policy.lease_duration_s),
        span(policy.heartbeat_interval_s),
        span(policy.chunk_timeout_s),
        match policy.max_retries {
            1 => "1 retry".to_owned(),
            retries => format!("{retries} retries"),
        },
        span(policy.backoff_initial_s),
        span(policy.backoff_max_s),
        span(policy.redispatch_after_s),
        policy.robots,
    )
}

fn task_ids(job: &CrawlJob) -> String {
    let mut lines: Vec<_> =
        job.task_ids.iter().take(TASK_IDS).map(|id| text::printable(id.as_str())).collect();
    let more = job.counters.active_chunks - lines.len() as i64;
    if more > 0 {
        lines.push(format!("and up to {more} more"));
    }
    lines.join("\n")
}
