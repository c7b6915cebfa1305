//! Problem documents (RFC 9457), and the four errors of the service in them.

use ream_core::error::{ConflictCode, FieldError};
use ream_core::{DatabaseFault, Error};
use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What is the matter with a request. Programs look at `code`, people read `detail`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// No more is said by it than by the status.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    #[cfg_attr(feature = "openapi", schema(minimum = 400, maximum = 599))]
    pub status: u16,
    /// What was wrong, what is allowed, what to do next.
    pub detail: String,
    /// The kind of problem, for programs.
    pub code: String,
    /// Each argument that is out of its range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// What was not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Something that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Missing {
    /// `job`, `chunk` or `token`.
    pub what: String,
    /// The id that was asked for.
    pub id: i64,
}

macro_rules! codes {
    ($($code:literal, $status:literal, $title:literal;)+) => {
        /// Every code with its status and title.
        pub const CODES: &[(&str, u16, &str)] = &[$(($code, $status, $title)),+];
    };
}

codes! {
    "validation", 422, "An argument is out of its range";
    "not_found", 404, "Not found";
    "wrong_status", 409, "Not allowed in this status";
    "lease_lost", 409, "The lease is lost";
    "already_chunked", 409, "The job has other chunks";
    "job_not_running", 409, "The job is paused or cancelled";
    "key_reused", 409, "The idempotency key was used for something else";
    "constraint", 500, "The database refused";
    "unavailable", 503, "Out of reach for now";
    "bad_json", 400, "The body is no JSON";
    "bad_request", 400, "The request is malformed";
    "unauthorized", 401, "A valid token is needed";
    "forbidden", 403, "The token may not do this";
    "method_not_allowed", 405, "The method is not allowed here";
    "timeout", 408, "The request did not come in time";
    "too_large", 413, "The body is too large";
    "unsupported_media_type", 415, "The body is of another type";
    "rate_limited", 429, "Too many requests";
    "headers_too_large", 431, "The headers are too large";
    "internal", 500, "A fault of the server";
}

impl Problem {
    /// A problem of the kind that `code` names; one of [`CODES`].
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        let (_, status, title) =
            CODES.iter().find(|(known, ..)| *known == code).copied().unwrap_or((code, 500, "A fault"));
        Self {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail: detail.into(),
            code: code.to_owned(),
            errors: Vec::new(),
            missing: None,
        }
    }

    /// The service's error again. What only HTTP has becomes the kind that it is nearest to: of a refused token nothing can be
    /// had from this database.
    pub fn into_error(self) -> Error {
        let conflict = [
            ConflictCode::WrongStatus,
            ConflictCode::LeaseLost,
            ConflictCode::AlreadyChunked,
            ConflictCode::JobNotRunning,
            ConflictCode::KeyReused,
        ];
        if let Some(code) = conflict.into_iter().find(|code| code.as_str() == self.code) {
            return Error::conflict(code, self.detail);
        }
        match (self.code.as_str(), self.missing) {
            ("validation", _) if !self.errors.is_empty() => Error::Validation { errors: self.errors },
            ("not_found", Some(missing)) => Error::NotFound { what: what(&missing.what), id: missing.id },
            (code @ ("unavailable" | "timeout" | "rate_limited"), _) => {
                let fault = DatabaseFault::Unavailable;
                // The fault is told by its kind.
                let told = fault.to_string() + ": ";
                let message =
                    self.detail.strip_prefix(&told).map_or_else(|| self.detail.clone(), str::to_owned);
                let message = if code == "unavailable" { message } else { format!("{code}: {message}") };
                Error::Database { fault, message }
            }
            ("too_large", _) => Error::invalid("request", self.detail, "fewer things at once"),
            ("unauthorized" | "forbidden", _) => {
                Error::Database { fault: DatabaseFault::Denied, message: self.detail }
            }
            (code, _) => {
                let fault = DatabaseFault::Constraint;
                let told = fault.to_string() + ": ";
                let message = match self.detail.strip_prefix(&told) {
                    Some(message) => message.to_owned(),
                    None => format!("{}: {} ({code})", self.title, self.detail),
                };
                Error::Database { fault, message }
            }
        }
    }
}

fn what(word: &str) -> &'static str {
    ["job", "chunk", "token"].into_iter().find(|known| *known == word).unwrap_or("thing")
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let mut problem = Self::new(error.code(), error.to_string());
        match error {
            Error::Validation { errors } => problem.errors.clone_from(errors),
            Error::NotFound { what, id } => {
                problem.missing = Some(Missing { what: (*what).to_owned(), id: *id });
            }
            _ => {}
        }
        problem
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_documentation_beside_its_status() {
        let page = include_str!("../../../docs/http-api.md");
        for (code, status, _) in CODES {
            let line = page.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{code}`")));
            let line = line.unwrap_or_else(|| panic!("`{code}` is not told of"));
            assert!(line.split('|').nth(1).unwrap().contains(&status.to_string()), "{code}: {line}");
        }
    }

    #[test]
    fn every_error_comes_back_as_it_was() {
        let errors = [
            Error::no_job(7),
            Error::no_chunk(i64::MAX),
            Error::invalid("priority", 11, "0 to 10"),
            Error::conflict(ConflictCode::WrongStatus, "chunk 3 is completed"),
            Error::conflict(ConflictCode::LeaseLost, "the lease of attempt 2 is over"),
            Error::conflict(ConflictCode::AlreadyChunked, "job 1 has chunks"),
            Error::conflict(ConflictCode::JobNotRunning, "job 1 is paused"),
            Error::Database {
                fault: DatabaseFault::Unavailable,
                message: "read a job: it is gone".to_owned(),
            },
            Error::Database { fault: DatabaseFault::Constraint, message: "write: ck_x".to_owned() },
        ];
        for error in errors {
            let problem = Problem::from(&error);
            let json = serde_json::to_string(&problem).unwrap();
            let back = serde_json::from_str::<Problem>(&json).unwrap().into_error();
            assert_eq!((back.to_string(), back.code()), (error.to_string(), error.code()));
        }
    }
}
