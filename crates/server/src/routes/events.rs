//! What watchers of a job hear.

use super::problems::Problems;
use crate::answer::Answer;
use crate::app::App;
use crate::extract::Id;
use crate::metrics::Metrics;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode};
use ream::JobId;
use std::convert::Infallible;
use std::time::Duration;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How often a silent stream says that it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Watch a job
///
/// Server-sent events: `progress` each time its progress is another one than before, `end` with the last, or `deleted`.
/// Their `data` is the job's progress with its `status`. An event's id names the state that it tells: who comes back with
/// `Last-Event-ID` hears at once what is different, from any server. Who has heard the end gets 204, which ends an `EventSource`.
#[utoipa::path(get, operation_id = "watch_job", path = "/v1/jobs/{job_id}/events", tag = "jobs", params(("job_id" = i64, Path),
    ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard")),
    responses((status = 200, description = "Events, until the job has ended", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The end was heard already"), Problems))]
async fn events(State(app): State<App>, Id(job_id): Id<JobId>, headers: HeaderMap) -> Answer<Response> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let watching = app.hub.watch(job_id, seen).await?;
    if watching.has_heard_the_end() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let watcher = Metrics::watcher();
    let stopping = app.stopping.clone();
    let events = watching.stream().take_until(stopping.cancelled_owned()).map(move |told| {
        let _present = &watcher;
        let event = Event::default().id(&*told.id).event(told.kind.as_str()).data(&*told.json);
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
