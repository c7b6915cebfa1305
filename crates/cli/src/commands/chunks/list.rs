//! `ream chunks list`, and the table that other commands show chunks in.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Cell, Table, text};
use crate::pages;
use crate::values::{self, PageArgs};
use clap::Args;
use ream::{ChunkState, JobChunk, JobChunkStatus, JobId};

/// The longest note shown in the table; JSON has all of it.
const NOTE_CHARS: usize = 70;

/// List the chunks of a job in the order of their images
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream chunks list 1
  ream chunks list 1 --status failed --limit 20
  ream chunks list 1 --all --json

JSON: one chunk per line. The cursor of the next page goes to standard error as {\"next\": …}.")]
pub(crate) struct ListArgs {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
    /// Only chunks of this status
    #[arg(long, value_parser = values::chunk_status())]
    status: Option<JobChunkStatus>,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: ListArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let list = match args.status {
        None => session.chunks.get_chunks_for_job(args.job).await?,
        Some(JobChunkStatus::Pending) => session.chunks.get_pending_chunks(args.job).await?,
        Some(JobChunkStatus::Processing) => session.chunks.get_processing_chunks(args.job).await?,
        Some(JobChunkStatus::Completed) => session.chunks.get_completed_chunks(args.job).await?,
        Some(JobChunkStatus::Failed) => session.chunks.get_failed_chunks(args.job).await?,
    };
    let chunks = pages::show(cx, &args.page, table(), |request| list.page(request), add).await?;
    if chunks == 0 && !cx.out.is_json() {
        nothing(&args, &session, cx).await?;
    }
    Ok(Exit::Success)
}

async fn nothing(args: &ListArgs, session: &crate::context::Session, cx: &Context<'_>) -> Result<()> {
    let job = session.jobs.get_crawl_job(args.job).await?;
    match args.status {
        _ if job.counters.total_chunks == 0 => {
            cx.out.note(format_args!("job {} has no chunks yet", args.job));
            cx.out.hint(format_args!("`ream jobs start {}` creates them", args.job));
        }
        Some(status) => {
            cx.out.note(format_args!("no chunk of job {} is {status}", args.job));
            // A failed image is data of a completed chunk.
            if status == JobChunkStatus::Failed && job.image_list.is_some() {
                cx.out.hint("`ream failed DIR` lists the images that failed, DIR being the dataset's folder");
            }
        }
        None => cx.out.note("no further chunks"),
    }
    Ok(())
}

pub(super) fn table() -> Table {
    Table::new(&[
        ("ID", Align::Right),
        ("INDEX", Align::Right),
        ("IMAGES", Align::Left),
        ("STATUS", Align::Left),
        ("PRIORITY", Align::Right),
        ("ATTEMPT", Align::Right),
        ("RETRIES", Align::Right),
        ("UPDATED", Align::Left),
        ("NOTE", Align::Left),
    ])
}

pub(super) fn add(table: &mut Table, chunk: &JobChunk) {
    let status = chunk.status();
    table.row([
        chunk.id.to_string().into(),
        chunk.chunk_index.to_string().into(),
        chunk.image_range.to_string().into(),
        Cell::painted(status.as_str(), text::chunk_paint(status)),
        chunk.priority.to_string().into(),
        chunk.attempt.to_string().into(),
        chunk.retry_count.to_string().into(),
        text::time(chunk.updated_at).into(),
        text::cut(&note(chunk), NOTE_CHARS).into(),
    ]);
}

/// What matters most about a chunk of its status.
fn note(chunk: &JobChunk) -> String {
    let task = chunk.task_id.as_ref().map(ToString::to_string);
    match &chunk.state {
        ChunkState::Pending { dispatch: Some(_) } => {
            format!("dispatched as {}", task.as_deref().unwrap_or("an unnamed task"))
        }
        ChunkState::Pending { dispatch: None } => chunk.error_message.clone().unwrap_or_default(),
        ChunkState::Processing { .. } => task.unwrap_or_default(),
        ChunkState::Completed { unpublished: true } => "output not published yet".to_owned(),
        ChunkState::Completed { .. } => match &chunk.outcome {
            Some(outcome) if outcome.images_failed_total() > 0 => {
                format!("{} of its images failed", outcome.images_failed_total())
            }
            _ => String::new(),
        },
        ChunkState::Failed { .. } => chunk.error_message.clone().unwrap_or_default(),
    }
}
