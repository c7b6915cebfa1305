//! `ream chunks explain`.

use super::show;
use crate::commands::activity;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Result;
use ream::ChunkId;

pub(super) async fn run(chunk_id: ChunkId, cx: &Context<'_>) -> Result<Exit> {
    let explained = cx.open().await?.chunks.explain_chunk(chunk_id).await?;
    if cx.out.is_json() {
        cx.out.document(&explained)?;
        return Ok(Exit::Success);
    }
    show::report(&explained.chunk, cx)?;
    cx.out.line("")?;
    cx.out.line(&explained.explanation.message)?;
    if let Some(advice) = &explained.explanation.advice {
        cx.out.line(format_args!("next: {advice}"))?;
    }
    if !explained.activity.is_empty() {
        cx.out.line("")?;
        let mut table = activity::table();
        explained.activity.iter().for_each(|entry| activity::add(&mut table, entry));
        table.show(cx.out)?;
    }
    Ok(Exit::Success)
}
