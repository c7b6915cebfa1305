//! The real binary: built once, run as its users run it, killed and interrupted.

use crate::paths::{scratch, target_and_profile, workspace};
use crate::process::{output, signal, tethered};
use ream_test_servers::{Fault, Result, cannot, until};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Names a binary that is there already, instead of one that is built.
pub const BINARY_VARIABLE: &str = "SYSTEM_TESTS_REAM";

/// The `ream` binary, built with the profile of the running test.
///
/// # Errors
/// It cannot be built.
pub fn binary() -> Result<&'static Path> {
    static BINARY: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BINARY.get_or_init(|| build().map_err(|fault| fault.to_string()));
    built.as_deref().map_err(|text| Fault::new(text.clone()))
}

fn build() -> Result<PathBuf> {
    if let Some(built) = std::env::var_os(BINARY_VARIABLE) {
        return Ok(built.into());
    }
    let (target, profile) = target_and_profile()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["build", "--package", "ream-cli", "--bin", "ream", "--quiet"]);
    cargo
        .args(["--message-format", "json-render-diagnostics", "--profile", &profile])
        .arg("--target-dir")
        .arg(target);
    let output = output(&mut cargo)?;
    if !output.status.success() {
        return Err(Fault::new(format!("ream is not built:\n{}", String::from_utf8_lossy(&output.stderr))));
    }
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_ream = message["target"]["name"] == "ream" && message["target"]["kind"][0] == "bin";
        if is_ream { message["executable"].as_str().map(PathBuf::from) } else { None }
    };
    let told = String::from_utf8_lossy(&output.stdout);
    told.lines().find_map(executable).ok_or_else(|| Fault::new("cargo named no binary `ream`"))
}

/// One command line of `ream`.
#[derive(Debug, Clone)]
pub struct Ream {
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Ream {
    /// `ream ARGS…`.
    pub fn new<A: Into<OsString>>(args: impl IntoIterator<Item = A>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), environment: Vec::new() }
    }

    /// `ream crawl LIST --out DIR --format FORMAT`, from a site on loopback.
    pub fn crawl(list: &Path, out: &Path, format: &str) -> Self {
        let mut args: Vec<OsString> = vec!["crawl".into(), list.into(), "--out".into(), out.into()];
        args.extend(["--format", format, "--allow-net", "127.0.0.0/8"].map(OsString::from));
        Self::new(args)
    }

    /// The same with variables in its environment.
    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// The same with a variable in its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same with further arguments.
    #[must_use]
    pub fn with<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Starts it, without a terminal and without settings from the surroundings.
    ///
    /// # Errors
    /// It cannot be built or started.
    pub fn start(&self) -> Result<Running> {
        let folder = scratch()?;
        let file =
            |name: &str| File::create(folder.path().join(name)).map_err(cannot(format!("create {name}")));
        let mut command = tethered(binary()?);
        command.args(&self.args).current_dir(folder.path()).stdout(file("stdout")?).stderr(file("stderr")?);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REAM_") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().map_err(cannot("start ream"))?;
        Ok(Running { child, folder, started: Instant::now() })
    }

    /// Runs it to its end, which has to come in time.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time.
    pub fn run(&self, limit: Duration) -> Result<Finished> {
        self.start()?.wait(limit)
    }
}

/// A process of `ream`. Dropping it kills it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: TempDir,
    started: Instant,
}

impl Running {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written for machines so far.
    pub fn stdout_so_far(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stdout")).unwrap_or_default()
    }

    /// What it has written for people so far.
    pub fn stderr_so_far(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn has_ended(&mut self) -> Result<bool> {
        self.child.try_wait().map(|status| status.is_some()).map_err(cannot("look after ream"))
    }

    /// The most memory that it has had so far, in bytes; `None` once it is gone.
    pub fn peak_memory_bytes(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    /// Sends it a signal; what Ctrl-C sends is `INT`.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&self, name: &str) -> Result<()> {
        signal(self.child.id(), name)
    }

    /// Kills it without a warning, and gives what it had said.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(mut self) -> Result<Finished> {
        self.child.kill().map_err(cannot("kill ream"))?;
        let status = self.child.wait().map_err(cannot("wait for ream"))?;
        Ok(self.finished(status))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It does not end in time.
    pub fn wait(mut self, limit: Duration) -> Result<Finished> {
        let ended = until("ream to end", limit, || self.child.try_wait().map_err(cannot("look after ream")));
        match ended {
            Ok(status) => Ok(self.finished(status)),
            Err(fault) => {
                let said = self.kill()?;
                Err(Fault::new(format!("{fault}; it had said:\n{}{}", said.stdout, said.stderr)))
            }
        }
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        let said = |name: &str| {
            let bytes = std::fs::read(self.folder.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let names = std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
        Finished {
            left_behind: names.filter(|name| name != "stdout" && name != "stderr").collect(),
            code: status.code(),
            signal: status.signal(),
            stdout: said("stdout"),
            stderr: said("stderr"),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came of a process.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote for machines.
    pub stdout: String,
    /// What it wrote for people.
    pub stderr: String,
    /// From its start to its end.
    pub took: Duration,
    /// What it left in the folder that it was started in.
    pub left_behind: Vec<String>,
}

impl Finished {
    /// The code that a shell gives it: an end by a signal has one, too.
    pub fn shell_code(&self) -> Option<i32> {
        self.code.or(self.signal.map(|signal| 128 + signal))
    }

    /// Makes sure that it ended with this code.
    ///
    /// # Errors
    /// It ended otherwise: a fault with all that it said.
    pub fn expect_code(self, code: i32) -> Result<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let ended = match (self.code, self.signal) {
            (Some(code), _) => format!("with {code}"),
            (None, signal) => format!("by signal {}", signal.unwrap_or(0)),
        };
        let said = format!("{}{}", self.stdout, self.stderr);
        Err(Fault::new(format!("ream ended {ended}, expected was {code}; it said:\n{said}")))
    }
}
