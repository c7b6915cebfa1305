//! Whether the server is alive, ready, and what it has counted.

use super::problems::Problems;
use crate::answer::{Answer, Refusal};
use crate::app::App;
use axum::extract::State;
use http::header;
use ream::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// How a server is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    /// The version of the program.
    version: &'static str,
}

/// A server that takes work.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ready`.
    status: &'static str,
    /// The database's time.
    now: Timestamp,
}

/// Whether the process is alive; says nothing of its database.
#[utoipa::path(get, operation_id = "healthz", path = "/healthz", tag = "server", security(()),
    responses((status = 200, description = "It is alive", body = Health), Problems))]
async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether requests may be sent here: the database answers, and the server is not about to stop.
#[utoipa::path(get, operation_id = "readyz", path = "/readyz", tag = "server", security(()),
    responses((status = 200, description = "It is ready", body = Ready), Problems))]
async fn readyz(State(app): State<App>) -> Answer<axum::Json<Ready>> {
    if app.stopping.is_cancelled() {
        return Err(Refusal::new("unavailable", "the server is about to stop"));
    }
    let now = app.repository.now().await?;
    Ok(axum::Json(Ready { status: "ready", now }))
}

/// Everything that this process has counted, for Prometheus.
#[utoipa::path(get, operation_id = "metrics", path = "/metrics", tag = "server",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"), Problems))]
async fn metrics(State(app): State<App>) -> ([(header::HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render())
}
