//! Every exit code of the program, and every way from an error to one.

use ream::Error;
use std::process::ExitCode;

/// How the program ends. The numbers are a promise to scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Success = 0,
    /// A job ended but is not complete, a check found a fault, or a question was answered with no.
    Incomplete = 1,
    /// Bad usage or input.
    Usage = 2,
    /// No such job or chunk.
    NotFound = 3,
    /// Not allowed in the present state.
    Conflict = 4,
    /// The database refused or is out of reach.
    Unreachable = 5,
    /// Ctrl-C. What was done holds.
    Interrupted = 130,
    /// Nobody reads standard output any more: as a program that is killed by SIGPIPE. Not 0, because what was to be
    /// told was not told.
    BrokenPipe = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error {
            Error::Validation { .. } => Self::Usage,
            Error::NotFound { .. } => Self::NotFound,
            Error::Conflict { .. } => Self::Conflict,
            // `Error` may get more kinds; until somebody decides on a code for one, it is not the user's fault.
            _ => Self::Unreachable,
        }
    }
}

impl From<&std::io::Error> for Exit {
    fn from(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Incomplete }
    }
}
