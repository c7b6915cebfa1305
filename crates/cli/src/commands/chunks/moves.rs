//! What an operator does to chunks: retry, split, priority.

use super::list::{add, table};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::values;
use clap::Args;
use ream::{ChunkId, JobChunk, Priority};

/// Put failed chunks back to pending, each with a fresh budget of retries
///
/// Each is judged alone: what cannot be put back is named, the others are. The exit code is that of the first refusal.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream chunks retry 12
  ream chunks retry 12 13 14

JSON: each chunk that was put back, one per line.")]
pub(crate) struct RetryArgs {
    /// The chunks' numbers
    #[arg(value_name = "CHUNK", required = true, value_parser = values::chunk_id)]
    chunks: Vec<ChunkId>,
}

/// Split a pending or failed chunk into parts of nearly equal size
///
/// The chunk keeps the first part; each other part becomes a new pending chunk.
#[derive(Args)]
#[command(after_help = "Examples:\n  ream chunks split 12 --parts 5\n\nJSON: the parts, one chunk per line.")]
pub(crate) struct SplitArgs {
    /// The chunk's number
    #[arg(value_name = "CHUNK", value_parser = values::chunk_id)]
    chunk: ChunkId,
    /// How many parts, 2 to 1000
    #[arg(long, value_name = "N")]
    parts: u64,
}

/// Give a chunk another place in its job's queue
#[derive(Args)]
#[command(after_help = "Examples:\n  ream chunks priority 12 10\n\nJSON: the chunk.")]
pub(crate) struct PriorityArgs {
    /// The chunk's number
    #[arg(value_name = "CHUNK", value_parser = values::chunk_id)]
    chunk: ChunkId,
    /// 0 to 10, higher is more urgent
    #[arg(value_name = "PRIORITY", value_parser = values::priority, allow_negative_numbers = true)]
    priority: Priority,
}

pub(super) async fn retry(args: &RetryArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let mut exit = Exit::Success;
    for chunk_id in &args.chunks {
        match session.chunks.retry_chunk(*chunk_id).await {
            Ok(chunk) if cx.out.is_json() => cx.out.document(&chunk)?,
            Ok(chunk) => {
                cx.out.line(format_args!(
                    "chunk {chunk_id} is {}, retry {}",
                    chunk.status(),
                    chunk.retry_count
                ))?;
            }
            Err(error) => {
                let failure = Failure::from(error);
                cx.out.failure(&failure);
                // The database being out of reach concerns all the others as well.
                if failure.exit == Exit::Unreachable {
                    return Ok(failure.exit);
                }
                if exit == Exit::Success {
                    exit = failure.exit;
                }
            }
        }
    }
    Ok(exit)
}

pub(super) async fn split(args: &SplitArgs, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let parts = session.chunks.split_chunk(args.chunk, args.parts).await.map_err(|error| {
        Failure::from(error).rename_fields(|field| (field == "parts").then(|| "--parts".to_owned()))
    })?;
    show(&parts, cx)
}

pub(super) async fn priority(args: &PriorityArgs, cx: &Context<'_>) -> Result<Exit> {
    let chunk = cx.open().await?.chunks.set_priority(args.chunk, args.priority.get()).await?;
    if cx.out.is_json() {
        cx.out.document(&chunk)?;
    } else {
        cx.out.line(format_args!("chunk {} has priority {}", chunk.id, chunk.priority))?;
    }
    Ok(Exit::Success)
}

fn show(chunks: &[JobChunk], cx: &Context<'_>) -> Result<Exit> {
    if cx.out.is_json() {
        chunks.iter().try_for_each(|chunk| cx.out.document(chunk))?;
        return Ok(Exit::Success);
    }
    let mut table = table();
    chunks.iter().for_each(|chunk| add(&mut table, chunk));
    table.show(cx.out)?;
    Ok(Exit::Success)
}
