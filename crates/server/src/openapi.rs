//! The OpenAPI document, made from the handlers.

use crate::app::App;
use crate::routes;
use utoipa::openapi::path::Operation;
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, RefOr, Required, Schema,
};
use utoipa_axum::router::OpenApiRouter;

const DESCRIPTION: &str = "Splits large image crawls into chunks, hands them to workers, and always knows what is done, what \
runs and what is stuck.\n\nErrors are problem documents (RFC 9457) with a `code`. Lists take `limit` and `cursor` and answer \
`items` and `next`. Times are RFC 3339 in UTC.\n\nWho gives an `attempt` is a worker, and refused with `lease_lost` once it does not \
hold the chunk any more; who gives none is an operator, whose word counts.";

/// A router whose routes describe themselves.
pub(crate) fn router() -> OpenApiRouter<App> {
    let info = InfoBuilder::new()
        .title("Ream")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(utoipa::openapi::License::new("MIT OR Apache-2.0")))
        .build();
    OpenApiRouter::with_openapi(OpenApiBuilder::new().info(info).build())
}

/// Adds what holds for all routes.
pub(crate) fn complete(mut document: OpenApi) -> OpenApi {
    let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut components = document.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    components.add_security_scheme("token", scheme);
    document.components = Some(components);
    let paths = document.paths.paths.values_mut();
    paths.flat_map(operations).filter_map(|operation| operation.request_body.as_mut()).for_each(never_null);
    let none: [&str; 0] = [];
    document.security = Some(vec![SecurityRequirement::new("token", none)]);
    document
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, patch, delete, put, .. } = path;
    [get, post, patch, delete, put].into_iter().filter_map(Option::as_mut)
}

/// The macros tell of a body that may be left out as one that may also be null, which it may not.
fn never_null(body: &mut RefOr<RequestBody>) {
    let RefOr::T(body) = body else { return };
    for content in body.content.values_mut().filter(|_| body.required != Some(Required::True)) {
        if let RefOr::T(content) = content
            && let Some(RefOr::T(Schema::OneOf(forms))) = &content.schema
        {
            content.schema = forms.items.first().cloned();
        }
    }
}

/// The whole document as JSON.
pub fn openapi_json() -> String {
    let document = complete(routes::all().into_openapi());
    document.to_pretty_json().unwrap_or_default()
}
