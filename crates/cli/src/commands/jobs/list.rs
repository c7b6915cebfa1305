//! `ream jobs list`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Cell, Table, text};
use crate::pages;
use crate::values::{self, PageArgs};
use clap::Args;
use ream::{CrawlJob, CrawlJobStatus, JobFilter};

/// The longest name shown in the table; JSON has all of it.
const NAME_CHARS: usize = 40;

/// List jobs, newest first
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream jobs list
  ream jobs list --status failed
  ream jobs list --all --json

JSON: one job per line, without task ids. The cursor of the next page goes to standard error as
{\"next\": …}.")]
pub(crate) struct ListArgs {
    /// Only jobs of this status
    #[arg(long, value_parser = values::job_status())]
    status: Option<CrawlJobStatus>,
    #[command(flatten)]
    page: PageArgs,
}

pub(super) async fn run(args: ListArgs, cx: &Context<'_>) -> Result<Exit> {
    let Some(session) = cx.open_if_made().await? else {
        cx.out.note(format_args!("no jobs: there is no database `{}` yet", cx.settings.database.url.value));
        cx.out.hint("`ream jobs create` makes it; `--database` names another: sqlite:PATH or postgres://…");
        return Ok(Exit::Success);
    };
    let table = Table::new(&[
        ("ID", Align::Right),
        ("NAME", Align::Left),
        ("STATUS", Align::Left),
        ("PRIORITY", Align::Right),
        ("IMAGES", Align::Right),
        ("CHUNKS", Align::Right),
        ("ACTIVE", Align::Right),
        ("COMPLETED", Align::Right),
        ("FAILED", Align::Right),
        ("CREATED", Align::Left),
    ]);
    let filter = JobFilter { status: args.status };
    let read = |request| session.jobs.list_crawl_jobs(filter, request);
    let jobs = pages::show(cx, &args.page, table, read, add).await?;
    if jobs == 0 && !cx.out.is_json() {
        match args.status {
            Some(status) => cx.out.note(format_args!("no job is {status}")),
            None => cx.out.note("no jobs"),
        }
    }
    Ok(Exit::Success)
}

fn add(table: &mut Table, job: &CrawlJob) {
    let c = &job.counters;
    let status = job.status();
    table.row([
        job.id.to_string().into(),
        text::cut(&job.name, NAME_CHARS).into(),
        Cell::painted(status.as_str(), text::job_paint(status)),
        job.priority.to_string().into(),
        job.max_images.map_or_else(|| "-".to_owned(), |images| images.to_string()).into(),
        c.total_chunks.to_string().into(),
        c.active_chunks.to_string().into(),
        c.completed_chunks.to_string().into(),
        c.failed_chunks.to_string().into(),
        text::time(job.created_at).into(),
    ]);
}
