//! The audit trail.

use super::paging::{page, shown};
use super::problems::Problems;
use crate::answer::Answer;
use crate::app::App;
use crate::extract::{Id, Query, fields};
use axum::extract::State;
use ream::{Action, Activity, ActivityFilter, ChunkId, JobId, Validation};
use ream_wire::Page;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(of_job)).routes(routes!(all)).routes(routes!(schema))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ActivityQuery {
    /// Only of this job.
    #[param(value_type = Option<i64>)]
    job_id: Option<String>,
    /// Only of this chunk.
    #[param(value_type = Option<i64>)]
    chunk_id: Option<String>,
    /// Only what this actor did.
    actor: Option<String>,
    /// Only this action.
    #[param(value_type = Option<ream::Action>)]
    action: Option<String>,
    /// Items of a page, 1 to 1,000; 100 where nothing is said.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

impl ActivityQuery {
    async fn read(self, app: &App, job_id: Option<JobId>) -> Answer<axum::Json<Page<Activity>>> {
        let mut v = Validation::default();
        let mut id =
            |field: &str, text: Option<String>| text.and_then(|text| v.take(fields::id(field, &text)));
        let asked_job = id("job_id", self.job_id).map(JobId::new);
        let chunk_id = id("chunk_id", self.chunk_id).map(ChunkId::new);
        let action = self.action.and_then(|word| v.take(word.parse::<Action>()));
        let page = v.take(page(self.limit.as_deref(), self.cursor.as_deref()));
        v.finish()?;
        let filter = ActivityFilter { job_id: job_id.or(asked_job), chunk_id, actor: self.actor, action };
        Ok(shown(app.jobs.list_activity(filter, page.unwrap_or_default()).await?))
    }
}

/// What was done to a job and its chunks
///
/// Newest first.
#[utoipa::path(get, operation_id = "list_job_activity", path = "/v1/jobs/{job_id}/activity", tag = "activity", params(("job_id" = i64, Path), ActivityQuery),
    responses((status = 200, description = "A page", body = Page<Activity>), Problems))]
async fn of_job(
    State(app): State<App>,
    Id(job_id): Id<JobId>,
    Query(query): Query<ActivityQuery>,
) -> Answer<axum::Json<Page<Activity>>> {
    app.repository.glance_at_job(job_id).await?;
    query.read(&app, Some(job_id)).await
}

/// What was done to anything
///
/// Newest first.
#[utoipa::path(get, operation_id = "list_activity", path = "/v1/activity", tag = "activity", params(ActivityQuery),
    responses((status = 200, description = "A page", body = Page<Activity>), Problems))]
async fn all(
    State(app): State<App>,
    Query(query): Query<ActivityQuery>,
) -> Answer<axum::Json<Page<Activity>>> {
    query.read(&app, None).await
}

/// What the database's schema lacks
///
/// Empty when it is sound.
#[utoipa::path(get, operation_id = "verify_schema", path = "/v1/schema", tag = "server", responses((status = 200, description = "What it lacks", body = Vec<String>), Problems))]
async fn schema(State(app): State<App>) -> Answer<axum::Json<Vec<String>>> {
    Ok(axum::Json(app.repository.verify_schema().await?))
}
