//! A job's chunks, all together.

use super::created::created;
use super::paging::{page, shown};
use super::problems::Problems;
use crate::access::Caller;
use crate::answer::Answer;
use crate::app::App;
use crate::extract::{Asked, Id, Json, Query, fields};
use axum::extract::State;
use axum::response::Response;
use ream::{
    CrawlJob, Error, JobChunk, JobChunkProgress, JobChunkStatistics, JobChunkStatus, JobId, NewChunk,
    Priority, Validation,
};
use ream_core::chunk_document::ChunkDocument;
use ream_core::job_document::JobDocument;
use ream_wire::Page;
use ream_wire::jobs::{Completion, CreatedChunks, NewChunks, Tracking};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(next))
        .routes(routes!(statistics))
        .routes(routes!(progress))
        .routes(routes!(completion))
        .routes(routes!(tracking))
}

/// Create a job's chunks
///
/// `create_chunks_for_job`, or with `chunks` `bulk_create`. The same numbers again: no change.
#[utoipa::path(post, operation_id = "create_chunks_for_job", path = "/v1/jobs/{job_id}/chunks", tag = "chunks", params(("job_id" = i64, Path),
    ("Idempotency-Key" = Option<String>, Header, description = "The same key again within a day gets the same answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")), request_body = NewChunks,
    responses((status = 201, description = "They were created", body = CreatedChunks), (status = 200, description = "They were there", body = CreatedChunks), Problems))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    asked: Asked<NewChunks>,
) -> Answer<Response> {
    let NewChunks { max_images, priority, chunks } = asked.body;
    let actor = caller.actor();
    let (total_chunks, was_created) = match (max_images, chunks) {
        (Some(max_images), None) => {
            let mut v = Validation::default();
            v.check(max_images >= 1, "max_images", max_images, format!("1 to {}", ream::plan::MAX_IMAGES));
            let priority = priority.and_then(|priority| v.take(Priority::new(priority)));
            v.finish()?;
            loop {
                let max_images = max_images.unsigned_abs();
                let step = app.repository.create_chunks_step(job_id, max_images, priority, &actor).await?;
                if step.done {
                    break (step.total_chunks, step.created);
                }
            }
        }
        (None, Some(chunks)) if priority.is_none() => {
            let chunks = new_chunks(chunks)?;
            let done = app.repository.bulk_create_once(job_id, chunks, &actor, asked.once.as_ref()).await?;
            (done.answer.total_chunks, done.answer.created && !done.repeated)
        }
        _ => {
            let allowed = "`max_images` with or without `priority`, or `chunks` alone";
            return Err(Error::invalid("body", "neither or both", allowed).into());
        }
    };
    let body = CreatedChunks { job_id: job_id.get(), total_chunks, created: was_created };
    Ok(created(body, &format!("/v1/jobs/{job_id}/chunks"), !was_created))
}

fn new_chunks(chunks: Vec<ream_wire::jobs::NewChunk>) -> ream::Result<Vec<NewChunk>> {
    let mut v = Validation::default();
    let take = |(at, chunk): (usize, ream_wire::jobs::NewChunk)| {
        let priority = chunk.priority.and_then(|priority| {
            let taken = Priority::new(priority);
            v.check(taken.is_ok(), &format!("chunks[{at}].priority"), priority, "0 to 10");
            taken.ok()
        });
        NewChunk { chunk_index: chunk.chunk_index, image_range: chunk.image_range, priority }
    };
    let taken = chunks.into_iter().enumerate().map(take).collect();
    v.finish()?;
    Ok(taken)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only chunks that stand there: pending, processing, completed or failed.
    #[param(value_type = Option<ream::JobChunkStatus>)]
    status: Option<String>,
    /// Only completed chunks whose staged output waits for its final names: true or false.
    #[param(value_type = Option<bool>)]
    unpublished: Option<String>,
    /// Items of a page, 1 to 1,000; 100 where nothing is said.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// List a job's chunks
///
/// In the order of their images.
#[utoipa::path(get, operation_id = "get_chunks_for_job", path = "/v1/jobs/{job_id}/chunks", tag = "chunks", params(("job_id" = i64, Path), ListQuery),
    responses((status = 200, description = "A page", body = Page<ChunkDocument>), Problems))]
async fn list(
    State(app): State<App>,
    Id(job_id): Id<JobId>,
    Query(query): Query<ListQuery>,
) -> Answer<axum::Json<Page<JobChunk>>> {
    let mut v = Validation::default();
    let status = query.status.and_then(|word| v.take(word.parse::<JobChunkStatus>()));
    let request = v.take(page(query.limit.as_deref(), query.cursor.as_deref()));
    let unpublished = query.unpublished.and_then(|text| v.take(fields::flag("unpublished", &text)));
    v.finish()?;
    let request = request.unwrap_or_default();
    if unpublished == Some(true) {
        // There are few, and each that is published leaves the list: no cursor is needed to come to the end of it.
        let items = app.repository.list_unpublished(job_id, request.limit()).await?;
        return Ok(axum::Json(Page { items, next: None }));
    }
    Ok(shown(app.repository.list_chunks(job_id, status, request).await?))
}

/// Look at the chunk that the job's next claim takes
///
/// Takes nothing. Null when there is none, or the job is paused or cancelled.
#[utoipa::path(get, operation_id = "get_next_pending_chunk", path = "/v1/jobs/{job_id}/chunks/next", tag = "chunks", params(("job_id" = i64, Path)),
    responses((status = 200, description = "The chunk, or null", body = Option<ChunkDocument>), Problems))]
async fn next(State(app): State<App>, Id(job_id): Id<JobId>) -> Answer<axum::Json<Option<JobChunk>>> {
    Ok(axum::Json(app.chunks.get_next_pending_chunk(job_id).await?))
}

/// A job's chunks by status
#[utoipa::path(get, operation_id = "get_chunk_statistics", path = "/v1/jobs/{job_id}/statistics", tag = "chunks", params(("job_id" = i64, Path)),
    responses((status = 200, description = "As it stands now", body = JobChunkStatistics), Problems))]
async fn statistics(State(app): State<App>, Id(job_id): Id<JobId>) -> Answer<axum::Json<JobChunkStatistics>> {
    Ok(axum::Json(app.chunks.get_chunk_statistics(job_id).await?))
}

/// How far a job has come and how fast it goes
#[utoipa::path(get, operation_id = "get_job_chunk_progress", path = "/v1/jobs/{job_id}/progress", tag = "chunks", params(("job_id" = i64, Path)),
    responses((status = 200, description = "As it stands now", body = JobChunkProgress), Problems))]
async fn progress(State(app): State<App>, Id(job_id): Id<JobId>) -> Answer<axum::Json<JobChunkProgress>> {
    Ok(axum::Json(app.chunks.get_job_chunk_progress(job_id).await?))
}

/// Whether every chunk of a job is completed
#[utoipa::path(get, operation_id = "check_job_completion", path = "/v1/jobs/{job_id}/completion", tag = "chunks", params(("job_id" = i64, Path)),
    responses((status = 200, description = "As it stands now", body = Completion), Problems))]
async fn completion(State(app): State<App>, Id(job_id): Id<JobId>) -> Answer<axum::Json<Completion>> {
    let is_complete = app.chunks.check_job_completion(job_id).await?;
    Ok(axum::Json(Completion { job_id: job_id.get(), is_complete }))
}

/// A job with its counters
///
/// They follow every transition by themselves: a delta that repeats what a transition counted changes nothing.
#[utoipa::path(post, operation_id = "update_job_chunk_tracking", path = "/v1/jobs/{job_id}/tracking", tag = "chunks", params(("job_id" = i64, Path)), request_body = Option<Tracking>,
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn tracking(
    State(app): State<App>,
    Id(job_id): Id<JobId>,
    Json(deltas): Json<Tracking>,
) -> Answer<axum::Json<CrawlJob>> {
    let Tracking { active_delta, completed_delta, failed_delta } = deltas;
    let job =
        app.chunks.update_job_chunk_tracking(job_id, active_delta, completed_delta, failed_delta).await?;
    Ok(axum::Json(job))
}
