//! How the OpenAPI document tells of problems.

use utoipa::IntoResponses;

/// What any route may answer instead.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "read by the derive alone")]
pub(crate) enum Problems {
    /// Something is the matter with the request: `code` says what.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(ream_wire::Problem),
    /// Something is the matter with the server or its database: `code` says what.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Server(ream_wire::Problem),
}
