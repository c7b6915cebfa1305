//! The independent checker: Python, in an environment of its own.

use crate::fault::{Fault, Result, cannot};
use crate::paths::in_cache;
use crate::process::{output, run};
use crate::real_list::RealList;
use std::path::{Path, PathBuf};
use std::process::Command;

const PYARROW: &str = "pyarrow==22.0.0";

/// Checks a dataset that a crawl of `list` left; `partial` where the crawl has not ended. Gives the summary.
///
/// # Errors
/// Every fault that was found, named; or the checker cannot be run.
pub fn check(list: &RealList, dataset: &Path, format: &str, partial: bool) -> Result<String> {
    let mut command = script("check_dataset.py")?;
    about(&mut command, list, dataset, format);
    if partial {
        command.arg("--partial");
    }
    judge(&mut command)
}

/// Has the checker break datasets of its own and find what it broke.
///
/// # Errors
/// Damage that went unnoticed; or the checker cannot be run.
pub fn self_test() -> Result<String> {
    judge(&mut script("self_test.py")?)
}

/// The same with copies of a real dataset.
///
/// # Errors
/// As [`self_test`].
pub fn self_test_on(list: &RealList, dataset: &Path, format: &str) -> Result<String> {
    let mut command = script("self_test.py")?;
    about(&mut command, list, dataset, format);
    judge(&mut command)
}

fn about(command: &mut Command, list: &RealList, dataset: &Path, format: &str) {
    command.arg("--list").arg(&list.path).arg("--dataset").arg(dataset).args(["--format", format]);
    command.arg("--served").arg(&list.served).arg("--expected").arg(&list.expected);
}

fn judge(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(Fault::new(format!("the checker says:\n{said}{}", String::from_utf8_lossy(&output.stderr))))
}

fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(python()?);
    // -B: nothing is written beside the sources.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("checker").join(name));
    Ok(command)
}

/// Python with what the checker needs, made on first use.
fn python() -> Result<PathBuf> {
    in_cache(&format!("python-{PYARROW}").replace("==", "-"), |folder| {
        let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
        if !ready.exists() {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
                .map_err(cannot("make a Python environment (Debian package `python3-venv`)"))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PYARROW]))?;
            std::fs::write(&ready, "").map_err(cannot("note that the Python environment is ready"))?;
        }
        Ok(python)
    })
}
