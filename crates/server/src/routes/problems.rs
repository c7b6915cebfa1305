//! How the OpenAPI document tells of problems.

use utoipa::IntoResponses;

/// What any route may answer instead.
#[derive(IntoResponses)]
pub(crate) enum Problems {
    /// Something is the matter with the request: `code` says what.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Client(#[allow(dead_code)] ream_wire::Problem),
    /// Something is the matter with the server or its database: `code` says what.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Server(#[allow(dead_code)] ream_wire::Problem),
}
