//! Jobs.

use super::created::created;
use super::paging::{page, shown};
use super::problems::Problems;
use crate::access::Caller;
use crate::answer::Answer;
use crate::app::App;
use crate::datasets::Datasets;
use crate::extract::{Asked, Id, Json, Query, fields};
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ream::{
    CrawlJobService, Executor, JobChanges, JobFilter, JobId, NewCrawlJob, Policy, Priority, Validation,
};
use ream_core::job_document::JobDocument;
use ream_wire::Page;
use ream_wire::jobs::{Cancel, JobPatch, JobRead, NewJob, Retried, Retry};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(start))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(verify))
        .routes(routes!(repair))
}

fn jobs(app: &App, caller: &Caller) -> CrawlJobService {
    app.jobs.acting_as(caller.actor())
}

fn new_job(app: &App, asked: NewJob) -> ream::Result<NewCrawlJob> {
    let mut v = Validation::default();
    let mut new = NewCrawlJob::named(asked.name);
    new.max_images = asked.max_images.map(|images| fields::positive(&mut v, "max_images", images));
    if let Some(priority) = asked.priority {
        new.priority = v.take(Priority::new(priority)).unwrap_or_default();
    }
    if let Some(chunk_size) = asked.chunk_size {
        new.chunk_size = fields::positive(&mut v, "chunk_size", chunk_size);
    }
    new.executor = asked.executor.and_then(|word| v.take(word.parse::<Executor>()));
    let has_dataset = asked.dataset.is_some();
    new.dataset = asked.dataset.and_then(|dataset| v.take(app.datasets.resolve(&dataset)));
    if has_dataset && new.dataset.is_none() {
        // What follows from there being none is no fault of its own.
        new.executor = None;
    } else if new.dataset.is_some() || asked.recipe.is_some() {
        v.check(new.dataset.is_some(), "recipe", "given", "none for a job without a dataset");
        new.recipe = v.take(Datasets::recipe(asked.recipe.as_ref()));
    }
    if let Some(policy) = asked.policy {
        new.policy = v.take(Policy::new(policy)).unwrap_or_default();
    }
    v.take(new.validate());
    v.finish()?;
    Ok(new)
}

/// Create a job
///
/// Without chunks: `start` creates them.
#[utoipa::path(post, operation_id = "create_crawl_job", path = "/v1/jobs", tag = "jobs", request_body = NewJob,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key again within a day gets the same job", min_length = 1, max_length = 255, pattern = "^[!-~]+$")),
    responses((status = 201, description = "The job, which has its id now", body = JobDocument), (status = 200, description = "Created by an earlier request with this key", body = JobDocument), Problems))]
async fn create(State(app): State<App>, caller: Caller, asked: Asked<NewJob>) -> Answer<Response> {
    let new = new_job(&app, asked.body)?;
    let done = jobs(&app, &caller).create_crawl_job_once(new, asked.once.as_ref()).await?;
    let at = format!("/v1/jobs/{}", done.answer.id);
    Ok(created(done.answer, &at, done.repeated))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only jobs that stand there: pending, running, paused, completed, failed or cancelled.
    #[param(value_type = Option<ream::CrawlJobStatus>)]
    status: Option<String>,
    /// Items of a page, 1 to 1,000; 100 where nothing is said.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// List jobs
///
/// Newest first, without the task ids at work.
#[utoipa::path(get, operation_id = "list_crawl_jobs", path = "/v1/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, description = "A page", body = Page<JobDocument>), Problems))]
async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Answer<axum::Json<Page<ream::CrawlJob>>> {
    let mut v = Validation::default();
    let status = query.status.and_then(|word| v.take(word.parse()));
    let page = v.take(page(query.limit.as_deref(), query.cursor.as_deref()));
    v.finish()?;
    let jobs = app.jobs.list_crawl_jobs(JobFilter { status }, page.unwrap_or_default()).await?;
    Ok(shown(jobs))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GetQuery {
    /// Whether to read the task ids at work, too: true, or false for a quicker look.
    #[param(value_type = Option<bool>)]
    task_ids: Option<String>,
}

/// Look at a job
#[utoipa::path(get, operation_id = "get_crawl_job", path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = i64, Path), GetQuery),
    responses((status = 200, description = "The job as it stands now", body = JobRead), Problems))]
async fn get(
    State(app): State<App>,
    Id(job_id): Id<JobId>,
    Query(query): Query<GetQuery>,
) -> Answer<axum::Json<JobRead>> {
    let task_ids = query.task_ids.map_or(Ok(true), |text| fields::flag("task_ids", &text))?;
    let (glance, read_at) = app.repository.glance_at_job(job_id).await?;
    let job = if task_ids { app.jobs.get_crawl_job(job_id).await? } else { glance };
    Ok(axum::Json(JobRead { job: job.into(), read_at }))
}

/// Change a job
///
/// What is left out stays as it is. A new priority counts between jobs at once, and the chunks follow before this returns.
#[utoipa::path(patch, operation_id = "update_crawl_job", path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = i64, Path)), request_body = Option<JobPatch>,
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn update(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    Json(patch): Json<JobPatch>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    let mut v = Validation::default();
    let changes = JobChanges {
        name: patch.name,
        max_images: patch.max_images.map(|images| fields::positive(&mut v, "max_images", images)),
        priority: patch.priority.and_then(|priority| v.take(Priority::new(priority))),
        policy: patch.policy,
    };
    v.finish()?;
    Ok(axum::Json(jobs(&app, &caller).update(job_id, changes).await?))
}

/// Delete a job
///
/// Hides it at once; its chunks are removed by and by. Output stays.
#[utoipa::path(delete, operation_id = "delete_crawl_job", path = "/v1/jobs/{job_id}", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 204, description = "It is gone"), Problems))]
async fn delete(State(app): State<App>, caller: Caller, Id(job_id): Id<JobId>) -> Answer<StatusCode> {
    // The duties remove the chunks: of a large job that takes longer than anybody waits.
    app.repository.delete_job(job_id, &caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create a job's chunks from its images
///
/// With chunks already, no change.
#[utoipa::path(post, operation_id = "start_crawl_job", path = "/v1/jobs/{job_id}/start", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn start(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    let jobs = jobs(&app, &caller);
    jobs.start(job_id).await?;
    Ok(axum::Json(jobs.get_crawl_job(job_id).await?))
}

/// Pause a job
///
/// After this has returned no chunk of it starts; running ones may finish.
#[utoipa::path(post, operation_id = "pause_crawl_job", path = "/v1/jobs/{job_id}/pause", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn pause(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    Ok(axum::Json(jobs(&app, &caller).pause(job_id).await?))
}

/// Let a paused job go on
#[utoipa::path(post, operation_id = "resume_crawl_job", path = "/v1/jobs/{job_id}/resume", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn resume(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    Ok(axum::Json(jobs(&app, &caller).resume(job_id).await?))
}

/// Cancel a job
///
/// Final. Running chunks are released at their next heartbeat.
#[utoipa::path(post, operation_id = "cancel_crawl_job", path = "/v1/jobs/{job_id}/cancel", tag = "jobs", params(("job_id" = i64, Path)), request_body = Option<Cancel>,
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    Json(asked): Json<Cancel>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    Ok(axum::Json(jobs(&app, &caller).cancel_because(job_id, asked.reason).await?))
}

/// Put every failed chunk of a job back
#[utoipa::path(post, operation_id = "retry_failed_chunks", path = "/v1/jobs/{job_id}/retry", tag = "jobs", params(("job_id" = i64, Path)), request_body = Option<Retry>,
    responses((status = 200, description = "How many are pending now", body = Retried), Problems))]
async fn retry(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    Json(Retry {}): Json<Retry>,
) -> Answer<axum::Json<Retried>> {
    let retried_chunks = jobs(&app, &caller).retry(job_id).await?;
    Ok(axum::Json(Retried { retried_chunks }))
}

/// Check a job
///
/// That its chunks cover its images exactly, that leases fit, and that counters are true. Reads every chunk.
#[utoipa::path(post, operation_id = "verify_job", path = "/v1/jobs/{job_id}/verify", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 200, description = "What was found", body = Object), Problems))]
async fn verify(State(app): State<App>, Id(job_id): Id<JobId>) -> Answer<axum::Json<ream::JobVerdict>> {
    Ok(axum::Json(app.jobs.verify(job_id).await?))
}

/// Set a job's counters to a fresh count of its chunks
#[utoipa::path(post, operation_id = "repair_counters", path = "/v1/jobs/{job_id}/repair", tag = "jobs", params(("job_id" = i64, Path)),
    responses((status = 200, description = "The job as it stands now", body = JobDocument), Problems))]
async fn repair(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
) -> Answer<axum::Json<ream::CrawlJob>> {
    Ok(axum::Json(jobs(&app, &caller).repair(job_id).await?))
}
