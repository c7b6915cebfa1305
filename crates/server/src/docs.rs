//! The pages that people read: the OpenAPI document, and a browser for it that is part of the program.

use crate::app::App;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::header;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub(crate) fn routes(document: &OpenApi) -> Router<App> {
    let json: bytes::Bytes = document.to_json().unwrap_or_default().into();
    let shown = get(move || async move { ([(header::CONTENT_TYPE, "application/json")], json) });
    let pages = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    Router::new()
        .route("/", get(|| async { Redirect::temporary("/docs/") }))
        .route("/openapi.json", shown)
        .merge(Router::<App>::from(pages))
}
