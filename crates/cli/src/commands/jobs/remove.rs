//! What cannot be taken back, and is asked about first: cancel and delete.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::text;
use crate::values;
use clap::Args;
use ream::{CrawlJob, CrawlJobStatus, JobId};
use serde_json::json;

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn cancel(args: &RemoveArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let job = session.jobs.get_crawl_job(args.job).await?;
    // Where nothing can happen there is nothing to ask: the call itself answers.
    let ended = matches!(job.status(), CrawlJobStatus::Cancelled | CrawlJobStatus::Completed);
    if !ended {
        let question = format!("cancel job {}, {}, for good?", called(&job), open_chunks(&job));
        cx.confirm(args.yes, &question).await?;
    }
    let job = session.jobs.cancel(args.job).await?;
    if cx.out.is_json() {
        cx.out.document(&job)?;
        return Ok(Exit::Success);
    }
    let running = match job.counters.active_chunks {
        0 => String::new(),
        active => format!("; {} at work will be given back", text::count(active, "chunk")),
    };
    cx.out.line(format_args!("job {} is cancelled{running}", job.id))?;
    Ok(Exit::Success)
}

pub(super) async fn delete(args: &RemoveArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let job = session.jobs.get_crawl_job(args.job).await?;
    let chunks = text::count(job.counters.total_chunks, "chunk");
    let working = match job.counters.active_chunks {
        0 => String::new(),
        active => format!(", {active} of them at work"),
    };
    let question = format!(
        "delete job {} and its {chunks}{working}, for good? Output files and the activity log stay.",
        called(&job)
    );
    cx.confirm(args.yes, &question).await?;
    let spinner = cx.out.spinner(format!("deleting job {}", job.id));
    let deleted = session.jobs.delete(args.job).await;
    spinner.finish_and_clear();
    deleted?;
    if cx.out.is_json() {
        cx.out.document(&json!({"job_id": job.id, "deleted": true}))?;
    } else {
        cx.out.line(format_args!("job {} and its {chunks} are deleted; output files stay", called(&job)))?;
    }
    Ok(Exit::Success)
}

fn called(job: &CrawlJob) -> String {
    format!("{} `{}`", job.id, text::cut(&job.name, 60))
}

fn open_chunks(job: &CrawlJob) -> String {
    let c = &job.counters;
    match c.total_chunks {
        0 => "which has no chunks yet".to_owned(),
        total => {
            format!("with {} of {} not completed", total - c.completed_chunks, text::count(total, "chunk"))
        }
    }
}
