//! Answers to what creates: 201 with where it is, or 200 where it was there already.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

pub(super) fn created<T: Serialize>(body: T, at: &str, repeated: bool) -> Response {
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    let mut response = (status, axum::Json(body)).into_response();
    if let Ok(at) = HeaderValue::from_str(at) {
        response.headers_mut().insert(header::LOCATION, at);
    }
    response
}
