//! What watchers of a job hear.

use super::problems::Problems;
use crate::access::Caller;
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

/// How often it is looked whether a watcher's token is still good.
const LOOK_AFTER_TOKEN: Duration = Duration::from_secs(1);

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
async fn events(
    State(app): State<App>,
    caller: Caller,
    Id(job_id): Id<JobId>,
    headers: HeaderMap,
) -> Answer<Response> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let watching = app.hub.watch(job_id, seen).await?;
    if watching.has_heard_the_end() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let watcher = Metrics::watcher();
    let stopping = app.stopping.clone();
    let events = watching
        .stream()
        .take_until(stopping.cancelled_owned())
        .take_until(Box::pin(refused(app.clone(), caller)))
        .map(move |told| {
            let _present = &watcher;
            let event = Event::default().id(&*told.id).event(told.kind.as_str()).data(&*told.json);
            Ok::<_, Infallible>(event)
        });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Until the watcher's token is good no longer.
async fn refused(app: App, caller: Caller) {
    let Some(token) = caller.token() else { return std::future::pending().await };
    loop {
        tokio::time::sleep(LOOK_AFTER_TOKEN).await;
        if matches!(app.tokens.is_good(token).await, Ok(false)) {
            return;
        }
    }
}
