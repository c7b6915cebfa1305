//! What is asked and answered, a file per resource. Which role each route wants is in `access/table.rs`.

mod activity;
mod chunks;
mod claims;
mod created;
mod events;
mod health;
mod job_chunks;
mod jobs;
mod lists;
mod paging;
mod problems;
mod tokens;

use crate::app::App;
use crate::openapi;
use utoipa_axum::router::OpenApiRouter;

/// Every route, with its part of the OpenAPI document.
pub(crate) fn all() -> OpenApiRouter<App> {
    openapi::router()
        .merge(health::routes())
        .merge(jobs::routes())
        .merge(lists::routes())
        .merge(job_chunks::routes())
        .merge(events::routes())
        .merge(activity::routes())
        .merge(claims::routes())
        .merge(chunks::routes())
        .merge(tokens::routes())
}
