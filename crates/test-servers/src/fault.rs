//! The one error of the servers and of the tests' helpers: a text for people.

use std::fmt;

/// What went wrong. Its debug form is the plain text, because that is what a failed test shows.
pub struct Fault(String);

/// A result of a server or of a helper.
pub type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A fault with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// Turns an error into a fault that says what could not be done.
pub fn cannot<E: fmt::Display>(action: impl fmt::Display) -> impl FnOnce(E) -> Fault {
    move |error| Fault(format!("cannot {action}: {error}"))
}
