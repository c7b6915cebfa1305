//! From what SQLite says to the service's errors.

use ream_core::{DatabaseFault, Error};
use rusqlite::ErrorCode;

/// A database error with what was being done.
pub(super) fn database_error(doing: &str, error: &rusqlite::Error) -> Error {
    let fault = match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::CannotOpen
            | ErrorCode::SystemIoFailure
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted,
        ) => DatabaseFault::Unavailable,
        _ => DatabaseFault::Constraint,
    };
    Error::Database { fault, message: format!("{doing}: {error}") }
}

/// What is stored cannot be a value of the domain: somebody else wrote it.
pub(super) fn corrupt(what: impl std::fmt::Display) -> Error {
    Error::Database { fault: DatabaseFault::Constraint, message: format!("unreadable row: {what}") }
}

/// The threads behind this store are gone.
pub(super) fn closed() -> Error {
    // Not `Unavailable`: trying again cannot help.
    Error::Database { fault: DatabaseFault::Constraint, message: "the store is closed".to_owned() }
}

/// Names the action in a SQLite error on its way up.
pub(super) trait Doing<T> {
    /// `doing` reads as in "could not …: claim chunks".
    fn doing(self, doing: &str) -> Result<T, Error>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &str) -> Result<T, Error> {
        self.map_err(|error| database_error(doing, &error))
    }
}
