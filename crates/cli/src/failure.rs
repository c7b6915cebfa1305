//! Why a command ended early: what the user is told, and the exit code.

use crate::exit::Exit;
use ream::{Error, FieldError};

/// A failure on its way to `output.rs`, the only place that prints it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Where the program ends.
    pub(crate) exit: Exit,
    /// As in the problem documents of the other ways in; `usage` and `interrupted` are the command line's own.
    pub(crate) code: &'static str,
    /// What went wrong. Empty: nobody is there to read it.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// The arguments that are out of their range.
    pub(crate) errors: Vec<FieldError>,
}

/// What commands answer.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), hint: None, errors: Vec::new() }
    }

    /// Bad usage or input.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message)
    }

    /// The database cannot be reached.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, "unavailable", message)
    }

    /// A question was answered with no.
    pub(crate) fn declined() -> Self {
        Self::new(Exit::Incomplete, "declined", "nothing was done")
    }

    /// Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::interrupted_with("interrupted; what was done is saved")
    }

    /// Ctrl-C, with words of the command's own.
    pub(crate) fn interrupted_with(message: impl Into<String>) -> Self {
        Self::new(Exit::Interrupted, "interrupted", message)
    }

    /// Not allowed in the present state of a folder.
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Conflict, code, message)
    }

    /// The machine would not let the command go on.
    pub(crate) fn io(message: impl Into<String>) -> Self {
        Self::new(Exit::Incomplete, "io", message)
    }

    /// A fault of this program.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Incomplete, "internal", message)
    }

    /// Says what to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Calls arguments by the names under which the user gave them: `rename` answers the name, or `None` to keep it.
    #[must_use]
    pub(crate) fn rename_fields(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        for error in &mut self.errors {
            if let Some(name) = rename(&error.field) {
                error.field = name;
            }
        }
        if !self.errors.is_empty() {
            self.message = Error::Validation { errors: self.errors.clone() }.to_string();
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(Exit::from(&error), error.code(), error.to_string());
        failure.hint = match &error {
            Error::NotFound { what: "job", .. } => {
                Some("`ream jobs list` shows the jobs there are".to_owned())
            }
            Error::NotFound { what: "token", .. } => {
                Some("`ream tokens list` shows the tokens there are".to_owned())
            }
            Error::NotFound { .. } => Some("`ream chunks list JOB` shows the chunks of a job".to_owned()),
            _ => None,
        };
        if let Error::Validation { errors } = error {
            failure.errors = errors;
        }
        failure
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match Exit::from(&error) {
            Exit::BrokenPipe => Self::new(Exit::BrokenPipe, "broken_pipe", ""),
            exit => Self::new(exit, "io", format!("input or output failed: {error}")),
        }
    }
}
