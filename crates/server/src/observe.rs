//! Each request's id, its line in the log and its place in the metrics.

use crate::access::Caller;
use crate::answer::{ProblemTold, Refusal};
use crate::app::App;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method};
use ream_wire::REQUEST_ID;
use std::time::Instant;
use tracing::Instrument as _;

/// The longest id that is taken from a client, in characters.
const MAX_ID_CHARS: usize = 64;

pub(crate) async fn request(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = span(method, &route, id.to_str().unwrap_or_default());
    let in_flight = app.metrics.begin();
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = with_problem(response);
    drop(in_flight);
    let (status, took) = (response.status().as_u16(), started.elapsed());
    app.metrics.request(method, &route, status, took);
    #[cfg(feature = "otel")]
    span.record("http.response.status_code", status);
    let _entered = span.enter();
    let caller = response.extensions_mut().remove::<Caller>();
    let caller = caller.as_ref().map_or("-", Caller::name);
    let duration_ms = took.as_micros() as f64 / 1000.0;
    match response.extensions_mut().remove::<ProblemTold>() {
        Some(ProblemTold { code, detail }) if status >= 500 => {
            tracing::warn!(method, route, status, duration_ms, caller, code, detail, "request failed");
        }
        Some(ProblemTold { code, detail }) => {
            tracing::info!(method, route, status, duration_ms, caller, code, detail, "request refused");
        }
        None => tracing::info!(method, route, status, duration_ms, caller, "request"),
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

#[cfg(not(feature = "otel"))]
fn span(_: &str, _: &str, request_id: &str) -> tracing::Span {
    tracing::info_span!("request", request_id)
}

/// With the names of OpenTelemetry's conventions for HTTP servers.
#[cfg(feature = "otel")]
fn span(method: &str, route: &str, request_id: &str) -> tracing::Span {
    tracing::info_span!(
        "request",
        request_id,
        "otel.name" = format!("{method} {route}"),
        "otel.kind" = "server",
        "http.request.method" = method,
        "http.route" = route,
        "http.response.status_code" = tracing::field::Empty,
    )
}

/// What the framework refuses by itself, and the pages that it serves, know nothing of problem documents.
fn with_problem(response: Response) -> Response {
    let status = response.status();
    let refused = status.is_client_error() || status.is_server_error();
    if !refused || response.extensions().get::<ProblemTold>().is_some() {
        return response;
    }
    let code = match status.as_u16() {
        404 => "not_found",
        405 => "method_not_allowed",
        408 => "timeout",
        413 => "too_large",
        415 => "unsupported_media_type",
        431 => "headers_too_large",
        400..=499 => "bad_request",
        _ => "internal",
    };
    let told = status.canonical_reason().unwrap_or("refused").to_lowercase();
    let mut problem = Refusal::new(code, told).into_response();
    if let Some(caller) = response.extensions().get::<Caller>() {
        problem.extensions_mut().insert(caller.clone());
    }
    problem
}

/// The client's id, where it is fit to be logged.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let fit = |id: &&HeaderValue| {
        !id.is_empty() && id.len() <= MAX_ID_CHARS && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    given.filter(fit).cloned().unwrap_or_else(|| {
        let made = format!("{:032x}", fastrand::u128(..));
        HeaderValue::try_from(made).unwrap_or(HeaderValue::from_static("-"))
    })
}

/// A client may make methods up; metrics are to have few.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PATCH", "DELETE", "HEAD", "PUT", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}
