//! Processes that are killed, frozen, or live in another time: this very test binary once more, in another role. What
//! they are answered they write to a file, each line at once, so that no kill takes back what was written.

use crate::killed_clients;
use crate::scene::LIMIT;
use crate::{frozen_holders, wrong_clocks};
use ream_store::{PostgresOptions, PostgresStore};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "REAM_TEST_CHILD_ROLE";
const URL: &str = "REAM_TEST_CHILD_URL";
const NOTES: &str = "REAM_TEST_CHILD_NOTES";
const SEED: &str = "REAM_TEST_CHILD_SEED";

/// The process that faults happen to: does nothing when run as a test of its own.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // When the parent is gone, so is the other end of this pipe.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let notes = Notes { path: std::env::var(NOTES).unwrap().into() };
        let mut options = PostgresOptions::new(std::env::var(URL).unwrap());
        options.max_connections = 2;
        let store = PostgresStore::open(&options).await.unwrap();
        match role.as_str() {
            "worker" => {
                let seed = std::env::var(SEED).unwrap().parse().unwrap();
                killed_clients::work_for_ever(&store, &notes, fastrand::Rng::with_seed(seed)).await;
            }
            "holder" => frozen_holders::hold(&store, &notes).await,
            "clock" => wrong_clocks::obey(&store, &notes).await,
            _ => panic!("no role {role}"),
        }
    });
}

/// A file of lines that a child writes and its parent reads; orders go the other way beside it.
pub(crate) struct Notes {
    path: PathBuf,
}

impl Notes {
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// What tells the children apart.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap().to_string_lossy().into_owned()
    }

    pub(crate) fn tell(&self, line: &str) {
        let mut file = File::options().create(true).append(true).open(&self.path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// All lines that were written to their end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// The orders beside these notes.
    pub(crate) fn orders(&self) -> Self {
        Self { path: self.path.with_extension("orders") }
    }

    /// Waits for the line of this number and answers it.
    pub(crate) async fn line(&self, n: usize) -> String {
        let started = Instant::now();
        loop {
            if let Some(line) = self.lines().into_iter().nth(n) {
                return line;
            }
            assert!(started.elapsed() < LIMIT, "no line {n} in {}: {:?}", self.path.display(), self.lines());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A child and its notes. Killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) notes: Notes,
}

impl Child {
    /// Starts one; `before` is put before the command, as `faketime -f +1h`.
    pub(crate) fn start(role: &str, url: &str, notes: &Path, seed: u64, before: &[&str]) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = match before.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(own);
                command
            }
            None => Command::new(own),
        };
        command.args(["child::child", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(URL, url).env(NOTES, notes).env(SEED, seed.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Self { process: command.spawn().unwrap(), notes: Notes::at(notes) }
    }

    pub(crate) fn kill_9(&mut self) {
        self.process.kill().unwrap();
        let status = self.process.wait().unwrap();
        assert!(status.code().is_none(), "killed, not failed: {status}");
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("sh").args(["-c", "kill -s \"$@\"", "sh", name, &pid]).status().unwrap().success()
        );
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
