//! One chunk.

use super::claims::beat;
use super::created::created;
use super::problems::Problems;
use crate::access::Caller;
use crate::answer::Answer;
use crate::app::App;
use crate::extract::{Asked, Id, Json};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ream::{
    ChunkId, ChunkRef, ChunkState, Completion, Error, Explained, Heartbeat, JobChunk, JobChunkingService,
};
use ream_core::chunk_document::ChunkDocument;
use ream_wire::chunks::{ChunkPatch, Completed, Failed, OfAttempt, Processing, Split};
use ream_wire::claims::HeartbeatAnswer;
use ream_wire::page::Items;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

type Chunk = axum::Json<JobChunk>;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get, update))
        .routes(routes!(explain))
        .routes(routes!(processing))
        .routes(routes!(heartbeat))
        .routes(routes!(completed))
        .routes(routes!(failed))
        .routes(routes!(release))
        .routes(routes!(published))
        .routes(routes!(retry))
        .routes(routes!(split))
}

fn chunks(app: &App, caller: &Caller) -> JobChunkingService {
    app.chunks.acting_as(caller.actor())
}

/// Look at a chunk
#[utoipa::path(get, operation_id = "get_chunk_by_id", path = "/v1/chunks/{chunk_id}", tag = "chunks", params(("chunk_id" = i64, Path)),
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn get(State(app): State<App>, Id(chunk_id): Id<ChunkId>) -> Answer<Chunk> {
    Ok(axum::Json(app.chunks.get_chunk_by_id(chunk_id).await?))
}

/// Change a chunk
///
/// `update_chunk_status` with `status`: `pending` retries a failed or releases a processing chunk, the others are the call of
/// that name, on an operator's word. `priority` sets its place within its job.
#[utoipa::path(patch, operation_id = "update_chunk", path = "/v1/chunks/{chunk_id}", tag = "chunks", params(("chunk_id" = i64, Path)), request_body = Option<ChunkPatch>,
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(patch): Json<ChunkPatch>,
) -> Answer<Chunk> {
    let service = chunks(&app, &caller);
    if let Some(priority) = patch.priority {
        ream::Priority::new(priority)?;
    }
    let mut chunk = None;
    if let Some(status) = &patch.status {
        let (message, task_id) = (patch.error_message.as_deref(), patch.task_id.as_deref());
        chunk = Some(service.update_chunk_status(chunk_id, status, message, task_id).await?);
    } else if patch.error_message.is_some() || patch.task_id.is_some() {
        return Err(Error::invalid(
            "status",
            "missing",
            "a status that `error_message` or `task_id` belongs to",
        )
        .into());
    }
    if let Some(priority) = patch.priority {
        chunk = Some(service.set_priority(chunk_id, priority).await?);
    }
    match chunk {
        Some(chunk) => Ok(axum::Json(chunk)),
        // Nothing to change.
        None => Ok(axum::Json(service.get_chunk_by_id(chunk_id).await?)),
    }
}

/// Why a chunk stands where it stands
#[utoipa::path(get, operation_id = "explain_chunk", path = "/v1/chunks/{chunk_id}/explain", tag = "chunks", params(("chunk_id" = i64, Path)),
    responses((status = 200, description = "Where it stands, and why", body = Explained), Problems))]
async fn explain(State(app): State<App>, Id(chunk_id): Id<ChunkId>) -> Answer<axum::Json<Explained>> {
    Ok(axum::Json(app.chunks.explain_chunk(chunk_id).await?))
}

/// Start a chunk
///
/// `mark_chunk_processing`: pending to processing. Its lease lasts the job's chunk timeout; the first heartbeat makes it a
/// normal one.
#[utoipa::path(post, operation_id = "mark_chunk_processing", path = "/v1/chunks/{chunk_id}/processing", tag = "work", params(("chunk_id" = i64, Path)), request_body = Option<Processing>,
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn processing(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(asked): Json<Processing>,
) -> Answer<Chunk> {
    let chunk = chunks(&app, &caller).mark_chunk_processing(chunk_id, asked.task_id.as_deref()).await?;
    app.holders.note(&caller, chunk.id, chunk.attempt);
    app.metrics.chunks("claimed", 1);
    Ok(axum::Json(chunk))
}

/// Keep a lease
#[utoipa::path(post, operation_id = "heartbeat", path = "/v1/chunks/{chunk_id}/heartbeat", tag = "work", params(("chunk_id" = i64, Path)), request_body = ream_wire::chunks::Heartbeat,
    responses((status = 200, description = "What the holder hears", body = HeartbeatAnswer), Problems))]
async fn heartbeat(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(asked): Json<ream_wire::chunks::Heartbeat>,
) -> Answer<axum::Json<HeartbeatAnswer>> {
    let ream_wire::chunks::Heartbeat { attempt, progress } = asked;
    app.holders.check(&caller, chunk_id, Some(attempt)).await?;
    let answers = beat(&app, &caller, vec![Heartbeat { chunk_id, attempt, progress }]).await?;
    let answer = answers.into_iter().next().unwrap_or_else(|| Err(Error::no_chunk(chunk_id)));
    Ok(axum::Json(answer?))
}

/// Complete a chunk
///
/// With an attempt the holder's word, without one an operator's. Completed already by the same attempt, or asked without one:
/// no change.
#[utoipa::path(post, operation_id = "mark_chunk_completed", path = "/v1/chunks/{chunk_id}/completed", tag = "work", params(("chunk_id" = i64, Path)), request_body = Option<Completed>,
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn completed(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(Completed { attempt, outcome }): Json<Completed>,
) -> Answer<Chunk> {
    app.holders.check(&caller, chunk_id, attempt).await?;
    let completion = Completion { chunk: ChunkRef { chunk_id, attempt }, outcome };
    let chunk = chunks(&app, &caller).mark_chunk_completed(completion).await?;
    app.metrics.chunks("completed", 1);
    Ok(axum::Json(chunk))
}

/// Give a chunk up
///
/// A failure that its holder reports is retried by policy; an operator's waits for `retry`.
#[utoipa::path(post, operation_id = "mark_chunk_failed", path = "/v1/chunks/{chunk_id}/failed", tag = "work", params(("chunk_id" = i64, Path)), request_body = Option<Failed>,
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn failed(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(Failed { attempt, error_message }): Json<Failed>,
) -> Answer<Chunk> {
    app.holders.check(&caller, chunk_id, attempt).await?;
    let chunk = ChunkRef { chunk_id, attempt };
    let chunk = chunks(&app, &caller).mark_chunk_failed(chunk, error_message.as_deref()).await?;
    app.metrics.chunks("failed", 1);
    Ok(axum::Json(chunk))
}

/// Give a chunk back unfinished
///
/// At no cost in retries.
#[utoipa::path(post, operation_id = "release", path = "/v1/chunks/{chunk_id}/release", tag = "work", params(("chunk_id" = i64, Path)), request_body = OfAttempt,
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn release(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(OfAttempt { attempt }): Json<OfAttempt>,
) -> Answer<Chunk> {
    app.holders.check(&caller, chunk_id, Some(attempt)).await?;
    let chunk = chunks(&app, &caller).release(chunk_id, attempt).await?;
    app.metrics.chunks("released", 1);
    Ok(axum::Json(chunk))
}

/// Note that a completed chunk's output has its final names
#[utoipa::path(post, operation_id = "mark_chunk_published", path = "/v1/chunks/{chunk_id}/published", tag = "work", params(("chunk_id" = i64, Path)), request_body = OfAttempt,
    responses((status = 204, description = "It is noted, or was"), Problems))]
async fn published(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    Json(OfAttempt { attempt }): Json<OfAttempt>,
) -> Answer<StatusCode> {
    app.holders.check(&caller, chunk_id, Some(attempt)).await?;
    let chunk = app.chunks.get_chunk_by_id(chunk_id).await?;
    if chunk.attempt == attempt && chunk.state == (ChunkState::Completed { unpublished: true }) {
        app.repository.mark_published(&chunk).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Put a failed chunk back, with a fresh retry budget
#[utoipa::path(post, operation_id = "retry_chunk", path = "/v1/chunks/{chunk_id}/retry", tag = "chunks", params(("chunk_id" = i64, Path)),
    responses((status = 200, description = "The chunk as it stands now", body = ChunkDocument), Problems))]
async fn retry(State(app): State<App>, caller: Caller, Id(chunk_id): Id<ChunkId>) -> Answer<Chunk> {
    Ok(axum::Json(chunks(&app, &caller).retry_chunk(chunk_id).await?))
}

/// Split a pending or failed chunk
///
/// It keeps the first part; each other part is a new chunk.
#[utoipa::path(post, operation_id = "split_chunk", path = "/v1/chunks/{chunk_id}/split", tag = "chunks", params(("chunk_id" = i64, Path),
    ("Idempotency-Key" = Option<String>, Header, description = "The same key again within a day gets the same chunks", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), request_body = Split,
    responses((status = 201, description = "The chunk and those that were split off", body = Items<ChunkDocument>), (status = 200, description = "Split by an earlier request with this key", body = Items<ChunkDocument>), Problems))]
async fn split(
    State(app): State<App>,
    caller: Caller,
    Id(chunk_id): Id<ChunkId>,
    asked: Asked<Split>,
) -> Answer<Response> {
    let parts = asked.body.parts;
    if parts < 0 {
        return Err(Error::invalid("parts", parts, "2 or more, and no more than the chunk has images").into());
    }
    let service = chunks(&app, &caller);
    let done = service.split_chunk_once(chunk_id, parts.unsigned_abs(), asked.once.as_ref()).await?;
    let body = Items { items: done.answer };
    Ok(created(body, &format!("/v1/chunks/{chunk_id}"), done.repeated))
}
