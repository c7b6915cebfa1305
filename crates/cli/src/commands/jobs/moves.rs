//! What can be taken back: pause, resume, retry, priority.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::text;
use crate::values;
use clap::Args;
use ream::{CrawlJob, CrawlJobStatus, JobChanges, JobGate, JobId, Priority};
use serde_json::json;

/// Set the priority of a job and of its chunks that are not completed
#[derive(Args)]
#[command(after_help = "Examples:\n  ream jobs priority 1 9")]
pub(crate) struct PriorityArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
    /// 0 to 10, higher is more urgent
    #[arg(value_name = "PRIORITY", value_parser = values::priority, allow_negative_numbers = true)]
    priority: Priority,
}

pub(super) async fn pause(job_id: JobId, cx: &Context<'_>) -> Result<Exit> {
    let job = cx.open().await?.jobs.pause(job_id).await?;
    let running = match job.counters.active_chunks {
        0 => String::new(),
        active => format!("; {} at work may finish", text::count(active, "chunk")),
    };
    told(&job, format!("job {job_id} is paused{running}"), cx)
}

pub(super) async fn resume(job_id: JobId, cx: &Context<'_>) -> Result<Exit> {
    let job = cx.open().await?.jobs.resume(job_id).await?;
    told(&job, format!("job {job_id} is {}", job.status()), cx)
}

pub(super) async fn retry(job_id: JobId, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let retried = session.jobs.retry(job_id).await?;
    if cx.out.is_json() {
        cx.out.document(&json!({"job_id": job_id, "retried": retried}))?;
        return Ok(Exit::Success);
    }
    cx.out
        .line(format_args!("{} of job {job_id} put back to pending", text::count(retried, "failed chunk")))?;
    let job = session.jobs.get_crawl_job(job_id).await?;
    match job.gate {
        JobGate::Open => {}
        JobGate::Paused => {
            cx.out.hint(format_args!("the job is paused; `ream jobs resume {job_id}` lets them start"));
        }
        JobGate::Cancelled => cx.out.warning("the job is cancelled: none of its chunks will start"),
    }
    Ok(Exit::Success)
}

pub(super) async fn priority(args: &PriorityArgs, cx: &Context<'_>) -> Result<Exit> {
    let changes = JobChanges { priority: Some(args.priority), ..JobChanges::default() };
    let job = cx.open().await?.jobs.update(args.job, changes).await?;
    told(&job, format!("job {} has priority {}", job.id, job.priority), cx)
}

fn told(job: &CrawlJob, line: String, cx: &Context<'_>) -> Result<Exit> {
    if cx.out.is_json() {
        cx.out.document(job)?;
        return Ok(Exit::Success);
    }
    cx.out.line(line)?;
    // Whoever resumes or reorders a job that has ended most likely means another.
    if job.status() == CrawlJobStatus::Failed {
        cx.out.hint(format_args!("`ream jobs retry {}` puts its failed chunks back", job.id));
    }
    Ok(Exit::Success)
}
