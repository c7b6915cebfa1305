//! `ream plan`: pure arithmetic, no database.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Align, Table, text};
use crate::settings::{JobFlags, JobSettings};
use crate::values;
use clap::Args;
use ream::{ChunkPlan, ImageRange};
use serde::Serialize;

/// An estimate of what a chunk takes in the end, with its indexes, outcome and activity; a fresh one takes less.
const DATABASE_BYTES_PER_CHUNK: u128 = 376;

/// Rows of the human form where nothing is said.
const DEFAULT_ROWS: u64 = 10;

/// How many chunks are printed before Ctrl-C is looked for again.
const CHUNKS_PER_BREATH: u64 = 4096;

/// Show the chunks that a job of so many images has
///
/// Needs no database and creates nothing. Any 64-bit number of images takes the same short time.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream plan --images 2500
  ream plan --images 5850000000 --json
  ream plan --images 5850000000 --chunks | head

JSON: images, chunk_size, total_chunks, first and last (image ranges), database_bytes (an estimate).
With --chunks: one document per chunk with chunk_index and image_range.")]
pub(crate) struct PlanArgs {
    /// How many images
    #[arg(long, value_name = "N", value_parser = values::images, allow_negative_numbers = true)]
    images: u64,
    /// Images per chunk [default: 500]
    #[arg(long, value_name = "S", value_parser = values::chunk_size, allow_negative_numbers = true)]
    chunk_size: Option<u64>,
    /// List every chunk
    #[arg(long)]
    chunks: bool,
    /// Show at most so many chunks [default: 10; with --chunks: all]
    #[arg(long, value_name = "ROWS", value_parser = values::rows, allow_negative_numbers = true)]
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Summary {
    images: u64,
    chunk_size: u64,
    total_chunks: u64,
    first: Option<ImageRange>,
    last: Option<ImageRange>,
    database_bytes: u128,
}

#[derive(Serialize)]
struct PlannedChunk {
    chunk_index: u64,
    image_range: ImageRange,
}

pub(crate) async fn run(args: PlanArgs, cx: &Context<'_>) -> Result<Exit> {
    let flags = JobFlags { chunk_size: args.chunk_size, ..JobFlags::default() };
    let chunk_size = JobSettings::load(&cx.settings.layers, &flags)?.chunk_size.value;
    let plan = ChunkPlan::new(args.images, chunk_size)?;
    if let Err(error) = plan.check_storable() {
        cx.out.warning(format_args!("a job cannot be that large: {error}"));
    }
    if args.chunks {
        return chunks(plan, args.limit.unwrap_or(u64::MAX), cx).await;
    }
    let summary = Summary {
        images: plan.images(),
        chunk_size,
        total_chunks: plan.total_chunks(),
        first: plan.range(0),
        last: plan.range(plan.total_chunks() - 1),
        database_bytes: u128::from(plan.total_chunks()) * DATABASE_BYTES_PER_CHUNK,
    };
    if cx.out.is_json() {
        cx.out.document(&summary)?;
    } else {
        report(plan, &summary, args.limit.unwrap_or(DEFAULT_ROWS), cx)?;
    }
    Ok(Exit::Success)
}

fn heading() -> Table {
    Table::new(&[
        ("INDEX", Align::Right),
        ("FIRST", Align::Right),
        ("LAST", Align::Right),
        ("IMAGES", Align::Right),
    ])
}

fn add(table: &mut Table, index: u64, range: ImageRange) {
    table.row([
        index.to_string().into(),
        range.start().to_string().into(),
        range.end().to_string().into(),
        range.images().to_string().into(),
    ]);
}

fn report(plan: ChunkPlan, summary: &Summary, limit: u64, cx: &Context<'_>) -> Result<()> {
    let total = summary.total_chunks;
    cx.out.line(format_args!(
        "{} in {} of up to {}, about {} of database",
        text::count(summary.images, "image"),
        text::count(total, "chunk"),
        summary.chunk_size,
        text::bytes(summary.database_bytes),
    ))?;
    cx.out.line("")?;
    // The first ones, and the last ones where not all fit.
    let tail = if total > limit { limit / 2 } else { 0 };
    let head = total.min(limit) - tail;
    let mut table = heading();
    let indexes =
        (0..head).map(Some).chain((total > limit).then_some(None)).chain((total - tail..total).map(Some));
    for index in indexes {
        match index.map(|index| (index, plan.range(index))) {
            Some((index, Some(range))) => add(&mut table, index, range),
            _ => table.row(["…"; 4].map(Into::into)),
        }
    }
    table.show(cx.out)?;
    if total > limit {
        cx.out.note(format_args!("{} not shown; `--chunks` lists all", text::count(total - limit, "chunk")));
    }
    Ok(())
}

async fn chunks(plan: ChunkPlan, limit: u64, cx: &Context<'_>) -> Result<Exit> {
    let mut table = heading();
    for index in 0..plan.total_chunks().min(limit) {
        let Some(image_range) = plan.range(index) else { break };
        if cx.out.is_json() {
            cx.out.document(&PlannedChunk { chunk_index: index, image_range })?;
        } else {
            add(&mut table, index, image_range);
        }
        if index % CHUNKS_PER_BREATH == CHUNKS_PER_BREATH - 1 {
            table.show(cx.out)?;
            tokio::task::yield_now().await;
        }
    }
    table.show(cx.out)?;
    Ok(Exit::Success)
}
