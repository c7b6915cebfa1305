//! From what PostgreSQL says to the service's errors.

use ream_core::{DatabaseFault, Error};
use tokio_postgres::error::SqlState;

/// Why one try at an operation did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Trying again gives the same answer.
    Final(Error),
    /// The database undid it or could not be reached: it may be tried again.
    Transient(String),
}

/// The result of one try.
pub(super) type Tried<T> = std::result::Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    /// For the caller, when it is not tried again.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Final(error) => error,
            Self::Transient(message) => unavailable(message),
        }
    }
}

/// Out of reach, or too busy.
pub(super) fn unavailable(message: impl Into<String>) -> Error {
    Error::Database { fault: DatabaseFault::Unavailable, message: message.into() }
}

/// Refused, and always will be.
pub(super) fn refused(message: impl Into<String>) -> Error {
    Error::Database { fault: DatabaseFault::Constraint, message: message.into() }
}

/// What is stored cannot be a value of the domain: somebody else wrote it.
pub(super) fn corrupt(what: impl std::fmt::Display) -> Error {
    refused(format!("unreadable row: {what}"))
}

/// The message with its detail, without a position in the statement: that helps nobody.
pub(super) fn told(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        let mut text = error.to_string();
        if let Some(cause) = std::error::Error::source(error) {
            text.push_str(&format!(": {cause}"));
        }
        return text;
    };
    let detail = db.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("{}{detail} [{}]", db.message(), db.code().code())
}

/// Whether a network error is at the bottom of it.
fn is_broken_wire(error: &tokio_postgres::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        if inner.is::<std::io::Error>() {
            return true;
        }
        cause = inner.source();
    }
    error.is_closed()
}

/// Whether another try may end differently.
fn is_transient(error: &tokio_postgres::Error) -> bool {
    let Some(state) = error.code() else {
        // A value that cannot be bound or read is no fault of the connection.
        return is_broken_wire(error);
    };
    let code = state.code();
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(state)
        // Connection exception, insufficient resources, operator intervention, system error.
        || ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class))
}

/// An error of the driver with what was being done.
pub(super) fn failure(doing: &str, error: &tokio_postgres::Error) -> Failure {
    let message = format!("{doing}: {}", told(error));
    if is_transient(error) { Failure::Transient(message) } else { Failure::Final(refused(message)) }
}

/// Names the action in an error on its way up.
pub(super) trait Doing<T> {
    /// `doing` reads as in "could not …: claim chunks".
    fn doing(self, doing: &str) -> Tried<T>;
}

impl<T> Doing<T> for std::result::Result<T, tokio_postgres::Error> {
    fn doing(self, doing: &str) -> Tried<T> {
        self.map_err(|error| failure(doing, &error))
    }
}
