//! `ream activity`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Table, text};
use crate::pages;
use crate::values::{self, PageArgs};
use clap::Args;
use ream::{Action, Activity, ActivityFilter, ChunkId, JobId};

/// The longest message shown in the table; JSON has all of it.
const MESSAGE_CHARS: usize = 80;

/// Show who did what, newest first
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream activity --job 1
  ream activity --chunk 12 --all
  ream activity --action expired --limit 20 --json

JSON: one document per row. The cursor of the next page goes to standard error as {\"next\": …}.")]
pub(crate) struct ActivityArgs {
    /// Only of this job
    #[arg(long, value_name = "JOB", value_parser = values::job_id)]
    job: Option<JobId>,
    /// Only of this chunk
    #[arg(long, value_name = "CHUNK", value_parser = values::chunk_id)]
    chunk: Option<ChunkId>,
    /// Only what this worker, task or person did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// Only this action
    #[arg(long, value_parser = values::action())]
    action: Option<Action>,
    #[command(flatten)]
    page: PageArgs,
}

pub(crate) async fn run(args: ActivityArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    // The trail outlives its jobs, so a job that is gone is no error here.
    let filter =
        ActivityFilter { job_id: args.job, chunk_id: args.chunk, actor: args.actor, action: args.action };
    let read = |request| session.jobs.list_activity(filter.clone(), request);
    let rows = pages::show(cx, &args.page, table(), read, add).await?;
    if rows == 0 && !cx.out.is_json() {
        cx.out.note("nothing was done that fits");
    }
    Ok(Exit::Success)
}

/// The table of activities; `ream chunks explain` shows it, too.
pub(super) fn table() -> Table {
    Table::new(&[
        ("TIME", Align::Left),
        ("ACTOR", Align::Left),
        ("ACTION", Align::Left),
        ("JOB", Align::Right),
        ("CHUNK", Align::Right),
        ("ATTEMPT", Align::Right),
        ("STATUS", Align::Left),
        ("MESSAGE", Align::Left),
    ])
}

pub(super) fn add(table: &mut Table, entry: &Activity) {
    let status = match (entry.from_status, entry.to_status) {
        (Some(from), Some(to)) if from != to => format!("{from} → {to}"),
        (_, Some(to)) => to.to_string(),
        _ => "-".to_owned(),
    };
    let unfenced = if entry.unfenced { "unfenced" } else { "" };
    let message = entry.message.as_deref().unwrap_or_default();
    let between = if unfenced.is_empty() || message.is_empty() { "" } else { ": " };
    table.row([
        text::time(entry.created_at).into(),
        text::cut(&entry.actor, 40).into(),
        entry.action.as_str().into(),
        entry.job_id.to_string().into(),
        entry.chunk_id.map_or_else(|| "-".to_owned(), |id| id.to_string()).into(),
        entry.attempt.map_or_else(|| "-".to_owned(), |attempt| attempt.to_string()).into(),
        status.into(),
        text::cut(&format!("{unfenced}{between}{message}"), MESSAGE_CHARS).into(),
    ]);
}
