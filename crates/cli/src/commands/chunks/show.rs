//! `ream chunks show`.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use crate::output::{Paint, fields, text};
use ream::{ChunkId, ChunkState, JobChunk, Outcome};
use ream_dataset::publish::final_name;

pub(super) async fn run(chunk_id: ChunkId, cx: &Context<'_>) -> Result<Exit> {
    let chunk = cx.open().await?.chunks.get_chunk_by_id(chunk_id).await?;
    if cx.out.is_json() {
        cx.out.document(&chunk)?;
    } else {
        report(&chunk, cx)?;
    }
    Ok(Exit::Success)
}

pub(super) fn report(chunk: &JobChunk, cx: &Context<'_>) -> Result<()> {
    let status = chunk.status();
    let shown = match text::chunk_paint(status) {
        Some(paint) => cx.out.paint(paint, status),
        None => status.to_string(),
    };
    let title = format!("chunk {}", chunk.id);
    let of = format!("index {} of job {}", chunk.chunk_index, chunk.job_id);
    cx.out.line(format_args!("{}, {of}", cx.out.paint(Paint::Bold, title)))?;
    let range = chunk.image_range;
    let mut lines = vec![
        ("status", shown),
        ("images", format!("{range} ({})", text::count(range.images(), "image"))),
        ("priority", chunk.priority.to_string()),
        ("attempts", chunk.attempt.to_string()),
        ("retries", chunk.retry_count.to_string()),
    ];
    if let Some(task_id) = &chunk.task_id {
        lines.push(("task id", text::printable(task_id.as_str())));
    }
    state(chunk, &mut lines);
    if let Some(split_from) = chunk.split_from {
        lines.push(("split from", format!("chunk {split_from}")));
    }
    if let Some(outcome) = &chunk.outcome {
        lines.push(("outcome", told(outcome)));
        if !outcome.outputs.is_empty() {
            let waits = matches!(chunk.state, ChunkState::Completed { unpublished: true });
            let names = outcome
                .outputs
                .iter()
                .map(|name| if waits { name } else { final_name(name).unwrap_or(name) });
            let names: Vec<String> = names.map(text::printable).collect();
            lines.push((if waits { "staged output" } else { "output" }, names.join("\n")));
        }
    }
    if let Some(message) = &chunk.error_message {
        lines.push(("last error", text::printable_lines(message)));
    }
    lines.push(("created", text::time(chunk.created_at)));
    lines.push(("updated", text::time(chunk.updated_at)));
    lines.push(("started", text::maybe_time(chunk.started_at)));
    lines.push(("finished", text::maybe_time(chunk.finished_at)));
    fields(cx.out, &lines)
}

fn state(chunk: &JobChunk, lines: &mut Vec<(&str, String)>) {
    match &chunk.state {
        ChunkState::Pending { dispatch: Some(dispatch) } => {
            lines.push(("dispatched", text::time(dispatch.dispatched_at)));
            lines.push(("redispatch", text::time(dispatch.redispatch_at)));
        }
        ChunkState::Processing { lease, progress } => {
            lines.push(("lease ends", text::time(lease.expires_at)));
            lines.push(("timeout", text::time(lease.timeout_at)));
            if let Some(progress) = progress {
                let done = format!("{} of {} images done", progress.images_done, chunk.image_range.images());
                lines.push(("progress", format!("{done}, {}", text::bytes(progress.bytes.into()))));
            }
        }
        ChunkState::Failed { retry_at: Some(at) } => lines.push(("retry at", text::time(*at))),
        ChunkState::Failed { retry_at: None } => lines.push(("retry at", "only by hand".to_owned())),
        ChunkState::Completed { unpublished: true } => {
            lines.push(("output", "not published yet".to_owned()));
        }
        ChunkState::Pending { dispatch: None } | ChunkState::Completed { unpublished: false } => {}
    }
}

fn told(outcome: &Outcome) -> String {
    let mut told = format!(
        "{} ok, {} failed, {} in {}",
        text::count(outcome.images_ok, "image"),
        outcome.images_failed_total(),
        text::bytes(outcome.bytes.into()),
        text::duration(i64::try_from(outcome.duration_ms).unwrap_or(i64::MAX)),
    );
    for (class, images) in &outcome.images_failed {
        told.push_str(&format!("\n{class}: {images}"));
    }
    told
}
