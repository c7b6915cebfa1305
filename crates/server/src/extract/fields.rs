//! Single fields of paths, queries and bodies, each with its name for whoever got it wrong.

use ream::{Error, Result, Validation};

/// A number by which the database knows something.
///
/// # Errors
/// Validation.
pub(crate) fn id(field: &str, text: &str) -> Result<i64> {
    let number = text.parse();
    number.map_err(|_| Error::invalid(field, format!("{text:?}"), "a whole number of at most 64 bits"))
}

/// A switch of a query.
///
/// # Errors
/// Validation.
pub(crate) fn flag(field: &str, text: &str) -> Result<bool> {
    text.parse().map_err(|_| Error::invalid(field, format!("{text:?}"), "true or false"))
}

/// A number that only has to be positive here; the rest is the service's to check.
pub(crate) fn positive(v: &mut Validation, field: &str, number: i64) -> u64 {
    v.check(number >= 1, field, number, "a whole number from 1 on");
    number.unsigned_abs()
}
