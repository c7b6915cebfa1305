//! The four errors of the service, the same in Rust, HTTP, Python and on the command line.

use std::fmt;

/// What every fallible call of Ream answers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One of the four kinds of failure. Checks run in the order validation, not found, conflict.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such job, chunk or token.
    #[error("{what} {id} does not exist")]
    NotFound {
        /// `job`, `chunk` or `token`.
        what: &'static str,
        /// The id that was asked for.
        id: i64,
    },
    /// An argument is out of its range. Every fault of the call is listed, not just the first.
    #[error("{}", FieldErrors(.errors))]
    Validation {
        /// At least one.
        errors: Vec<FieldError>,
    },
    /// The call is not allowed in the present state.
    #[error("{message}")]
    Conflict {
        /// Which rule was hit; callers branch on this, never on the text.
        code: ConflictCode,
        /// What was found, and what to do next.
        message: String,
    },
    /// The database refused or could not be reached.
    #[error("{fault}: {message}")]
    Database {
        /// Whether trying again can help.
        fault: DatabaseFault,
        /// What the database said, and about what.
        message: String,
    },
}

/// Why a call is a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictCode {
    /// The chunk's status does not allow the move.
    WrongStatus,
    /// The caller's attempt no longer holds the chunk: it must drop the work.
    LeaseLost,
    /// The job has chunks, made with other numbers.
    AlreadyChunked,
    /// The job is paused, cancelled or being deleted.
    JobNotRunning,
    /// The idempotency key was used for another call.
    KeyReused,
}

impl ConflictCode {
    /// The `code` of a problem document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongStatus => "wrong_status",
            Self::LeaseLost => "lease_lost",
            Self::AlreadyChunked => "already_chunked",
            Self::JobNotRunning => "job_not_running",
            Self::KeyReused => "key_reused",
        }
    }
}

/// Why the database did not do as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseFault {
    /// The data breaks a constraint, or what is stored cannot be read: trying again gives the same answer.
    Constraint,
    /// Busy, locked, full or out of reach: trying again later may work.
    Unavailable,
    /// The server before it wants another token: trying again gives the same answer.
    Denied,
}

impl DatabaseFault {
    /// The `code` of a problem document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constraint => "constraint",
            Self::Unavailable => "unavailable",
            Self::Denied => "forbidden",
        }
    }
}

impl fmt::Display for DatabaseFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constraint => "the database refused",
            Self::Unavailable => "the database is unavailable, try again",
            Self::Denied => "the server refused",
        })
    }
}

/// One argument that is out of its range.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// The argument's name, as the caller wrote it.
    pub field: String,
    /// The value that came.
    pub value: String,
    /// What would have been accepted, as words: `0 to 10`.
    pub allowed: String,
}

struct FieldErrors<'a>(&'a [FieldError]);

impl fmt::Display for FieldErrors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, e) in self.0.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}`{}` is {}, allowed is {}", e.field, e.value, e.allowed)?;
        }
        Ok(())
    }
}

impl Error {
    /// A validation error about one field.
    pub fn invalid(field: impl Into<String>, value: impl fmt::Display, allowed: impl Into<String>) -> Self {
        let error = FieldError { field: field.into(), value: value.to_string(), allowed: allowed.into() };
        Self::Validation { errors: vec![error] }
    }

    /// No such job.
    pub fn no_job(id: impl Into<i64>) -> Self {
        Self::NotFound { what: "job", id: id.into() }
    }

    /// No such chunk.
    pub fn no_chunk(id: impl Into<i64>) -> Self {
        Self::NotFound { what: "chunk", id: id.into() }
    }

    /// No such token.
    pub fn no_token(id: impl Into<i64>) -> Self {
        Self::NotFound { what: "token", id: id.into() }
    }

    /// A conflict of the given kind.
    pub fn conflict(code: ConflictCode, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    /// The machine-readable `code`, equal on every way in.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Validation { .. } => "validation",
            Self::Conflict { code, .. } => code.as_str(),
            Self::Database { fault, .. } => fault.as_str(),
        }
    }

    /// Whether a worker must drop its chunk because somebody else may hold it.
    pub fn is_lease_lost(&self) -> bool {
        matches!(self, Self::Conflict { code: ConflictCode::LeaseLost, .. })
    }

    /// Whether the same call may succeed later without anything else being changed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database { fault: DatabaseFault::Unavailable, .. })
    }
}

/// Collects every fault of a call, so that a caller can mend all of them at once.
#[derive(Debug, Default)]
pub struct Validation(Vec<FieldError>);

impl Validation {
    /// Keeps the value, or notes the fault and gives `None`.
    pub fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(Error::Validation { errors }) => {
                self.0.extend(errors);
                None
            }
            // Constructors of the domain's values only ever fail validation.
            Err(other) => {
                self.0.push(FieldError {
                    field: String::new(),
                    value: other.to_string(),
                    allowed: String::new(),
                });
                None
            }
        }
    }

    /// Notes a fault unless `ok`.
    pub fn check(&mut self, ok: bool, field: &str, value: impl fmt::Display, allowed: impl Into<String>) {
        if !ok {
            self.0.push(FieldError {
                field: field.to_owned(),
                value: value.to_string(),
                allowed: allowed.into(),
            });
        }
    }

    /// # Errors
    /// [`Error::Validation`] with all faults noted so far, if any.
    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Validation { errors: self.0 }) }
    }
}
