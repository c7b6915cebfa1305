//! `ream chunks`.

mod explain;
mod list;
mod moves;
mod show;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::values;
use clap::{Args, Subcommand};
use ream::ChunkId;

/// Show and steer the chunks of a job
#[derive(Subcommand)]
#[command(after_help = "\
Examples:
  ream chunks list 1 --status failed
  ream chunks explain 12
  ream chunks retry 12 13 14")]
pub(crate) enum ChunksCommand {
    List(list::ListArgs),
    /// Show one chunk
    #[command(
        after_help = "Examples:\n  ream chunks show 12\n  ream chunks show 12 --json\n\nJSON: the chunk."
    )]
    Show(ChunkArg),
    /// Say why a chunk is not running, or who runs it, and what to do next
    #[command(after_help = "\
Examples:
  ream chunks explain 12
  ream chunks explain 12 --json

JSON: chunk, reason (one word), message, advice, activity (the last rows about it).")]
    Explain(ChunkArg),
    Retry(moves::RetryArgs),
    Split(moves::SplitArgs),
    Priority(moves::PriorityArgs),
}

/// The chunk of a command without further arguments.
#[derive(Args)]
pub(crate) struct ChunkArg {
    /// The chunk's number, as in the column ID of `ream chunks list`
    #[arg(value_name = "CHUNK", value_parser = values::chunk_id)]
    chunk: ChunkId,
}

pub(crate) async fn run(command: ChunksCommand, cx: &Context<'_>) -> Result<Exit> {
    match command {
        ChunksCommand::List(args) => list::run(args, cx).await,
        ChunksCommand::Show(args) => show::run(args.chunk, cx).await,
        ChunksCommand::Explain(args) => explain::run(args.chunk, cx).await,
        ChunksCommand::Retry(args) => moves::retry(&args, cx).await,
        ChunksCommand::Split(args) => moves::split(&args, cx).await,
        ChunksCommand::Priority(args) => moves::priority(&args, cx).await,
    }
}
