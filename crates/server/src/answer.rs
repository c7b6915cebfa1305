//! Every answer that is not a plain success: problem documents, and nothing but problem documents.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ream_wire::Problem;
use ream_wire::problem::PROBLEM_JSON;

/// What handlers answer.
pub(crate) type Answer<T> = Result<T, Refusal>;

/// A problem on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(pub(crate) Box<Problem>);

impl Refusal {
    /// A problem of the kind that `code` names.
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    /// The connection has to end after it: not all of the request was read.
    pub(crate) fn closing(self) -> Response {
        let mut response = self.into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl From<ream::Error> for Refusal {
    fn from(error: ream::Error) -> Self {
        Self(Box::new(Problem::from(&error)))
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

/// For logs and metrics: they look at what a response is about.
#[derive(Debug, Clone)]
pub(crate) struct ProblemTold {
    pub(crate) code: String,
    pub(crate) detail: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = self.0;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        match problem.code.as_str() {
            "unavailable" | "rate_limited" => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            "unauthorized" => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        let told = ProblemTold { code: problem.code, detail: problem.detail };
        response.extensions_mut().insert(told);
        response
    }
}
