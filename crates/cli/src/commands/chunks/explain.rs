//! `ream chunks explain`.

use super::explanation::{Explanation, explain};
use super::show;
use crate::commands::activity;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use ream::{Activity, ActivityFilter, ChunkId, JobChunk, PageRequest};
use serde::Serialize;

/// Rows of the activity log that are shown.
const ACTIVITY_ROWS: i64 = 5;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    explanation: &'a Explanation,
    chunk: &'a JobChunk,
    activity: &'a [Activity],
}

pub(super) async fn run(chunk_id: ChunkId, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let chunk = session.chunks.get_chunk_by_id(chunk_id).await?;
    let job = session.jobs.get_crawl_job(chunk.job_id).await?;
    let next = session.chunks.get_next_pending_chunk(job.id).await?;
    let now = session.chunks.repository().now().await?;
    let filter = ActivityFilter { chunk_id: Some(chunk_id), ..ActivityFilter::default() };
    let activity = session.jobs.list_activity(filter, PageRequest::new(ACTIVITY_ROWS, None)?).await?.items;
    let explanation = explain(&chunk, &job, next.map(|chunk| chunk.id), now);
    if cx.out.is_json() {
        let document = Document { explanation: &explanation, chunk: &chunk, activity: &activity };
        cx.out.document(&document)?;
        return Ok(Exit::Success);
    }
    show::report(&chunk, cx)?;
    cx.out.line("")?;
    cx.out.line(&explanation.message)?;
    if let Some(advice) = &explanation.advice {
        cx.out.line(format_args!("next: {advice}"))?;
    }
    if !activity.is_empty() {
        cx.out.line("")?;
        let mut table = activity::table();
        activity.iter().for_each(|entry| activity::add(&mut table, entry));
        table.show(cx.out)?;
    }
    Ok(Exit::Success)
}
