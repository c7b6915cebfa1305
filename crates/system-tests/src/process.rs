//! Starting, signalling and awaiting processes.

use ream_test_servers::{Fault, Result, cannot};
use std::process::{Command, Output, Stdio};

/// A command whose process the system ends when the thread that started it ends, so that an aborted test leaves
/// nothing running. Its process id is that of the program itself.
pub fn tethered(program: impl AsRef<std::ffi::OsStr>) -> Command {
    // What a shell starts in the background ignores SIGINT, and passes that on.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT");
    command.args(["setpriv", "--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
    command
}

/// Runs a command to its end; anything but success is a fault that shows what it said.
///
/// # Errors
/// The command cannot be started or does not succeed.
pub fn run(command: &mut Command) -> Result<Output> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(output);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    Err(Fault::new(format!("{command:?} ended with {}:\n{said}", output.status)))
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// The command cannot be started.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().map_err(cannot(format!("start {:?}", command.get_program())))
}

/// Sends a signal, such as `INT`, to one process.
///
/// # Errors
/// There is no such process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    run(Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name]).arg(pid.to_string())).map(|_| ())
}

/// Whether `REAM_FULL` asks for everything.
pub fn is_full() -> bool {
    std::env::var_os("REAM_FULL").is_some_and(|value| !value.is_empty() && value != "0")
}
