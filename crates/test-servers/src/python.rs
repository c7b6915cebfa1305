//! Python programs, in environments of their own.

use crate::cache::in_cache;
use crate::fault::{Result, cannot};
use crate::process::run;
use std::path::PathBuf;
use std::process::Command;

/// The Python of an environment with exactly these packages (`NAME==VERSION`) and what they depend on, then those of
/// `alone` without. Made on first use; a changed list needs another `name`.
///
/// # Errors
/// The environment cannot be made.
pub fn python_environment(name: &str, packages: &[&str], alone: &[&str]) -> Result<PathBuf> {
    in_cache(name, |folder| {
        let (python, ready) = (folder.join("bin/python"), folder.join("ready"));
        if !ready.exists() {
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
                .map_err(cannot("make a Python environment (Debian package `python3-venv`)"))?;
            let pip = |args: &[&str]| {
                run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(args))
            };
            pip(packages)?;
            if !alone.is_empty() {
                pip(&[&["--no-deps"], alone].concat())?;
            }
            std::fs::write(&ready, "").map_err(cannot("note that the Python environment is ready"))?;
        }
        Ok(python)
    })
}
