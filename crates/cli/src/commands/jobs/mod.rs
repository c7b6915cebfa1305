//! `ream jobs`.

pub(crate) mod create;
mod list;
mod moves;
mod remove;
mod show;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::values;
use clap::{Args, Subcommand};
use ream::JobId;

/// Create, show and steer crawl jobs
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  ream jobs create --name photos --images 2500 --start
  ream jobs list --status running
  ream jobs show 1")]
pub(crate) enum JobsCommand {
    Create(Box<create::CreateArgs>),
    List(list::ListArgs),
    Show(show::ShowArgs),
    /// Create the chunks of a job, so that workers can take them
    ///
    /// A start that was cut off goes on where it was; of a job that has its chunks, nothing changes.
    #[command(after_help = "Examples:\n  ream jobs start 1")]
    Start(JobArg),
    /// Let no further chunk of a job start; chunks at work may finish
    #[command(after_help = "Examples:\n  ream jobs pause 1")]
    Pause(JobArg),
    /// Let the chunks of a paused job start again
    #[command(after_help = "Examples:\n  ream jobs resume 1")]
    Resume(JobArg),
    /// Put every failed chunk of a job back, each with a fresh budget of retries
    #[command(after_help = "Examples:\n  ream jobs retry 1")]
    Retry(JobArg),
    Priority(moves::PriorityArgs),
    /// End a job for good
    ///
    /// No further chunk starts; chunks at work are given back at their next heartbeat. Asks first.
    #[command(after_help = "Examples:\n  ream jobs cancel 1\n  ream jobs cancel 1 --yes")]
    Cancel(remove::RemoveArgs),
    /// Remove a job and its chunks from the database; output files stay
    ///
    /// Asks first.
    #[command(after_help = "Examples:\n  ream jobs delete 1\n  ream jobs delete 1 --yes")]
    Delete(remove::RemoveArgs),
}

/// The job of a command without further arguments.
#[derive(Args)]
pub(crate) struct JobArg {
    /// The job's number
    #[arg(value_name = "JOB", value_parser = values::job_id)]
    job: JobId,
}

pub(crate) async fn run(command: JobsCommand, cx: &Context<'_>) -> Result<Exit> {
    match command {
        JobsCommand::Create(args) => create::run(*args, cx).await,
        JobsCommand::List(args) => list::run(args, cx).await,
        JobsCommand::Show(args) => show::run(&args, cx).await,
        JobsCommand::Start(args) => create::start(args.job, cx).await,
        JobsCommand::Pause(args) => moves::pause(args.job, cx).await,
        JobsCommand::Resume(args) => moves::resume(args.job, cx).await,
        JobsCommand::Retry(args) => moves::retry(args.job, cx).await,
        JobsCommand::Priority(args) => moves::priority(&args, cx).await,
        JobsCommand::Cancel(args) => remove::cancel(&args, cx).await,
        JobsCommand::Delete(args) => remove::delete(&args, cx).await,
    }
}
