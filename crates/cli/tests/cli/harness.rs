//! A folder of its own per test, the binary run in it, and a transcript to compare.

use ream::{CrawlJobService, JobChunkingService};
use std::ffi::OsStr;
use std::future::Future;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// One test's folder and what happened in it.
pub(crate) struct Session {
    folder: tempfile::TempDir,
    transcript: String,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), transcript: String::new() }
    }

    /// A session whose database has job 1 `photos`: 2500 images in chunks 1 to 5.
    pub(crate) fn with_job() -> Self {
        let session = Self::new();
        let output = session.quietly(&["jobs", "create", "--name", "photos", "--images", "2500", "--start"]);
        assert!(output.status.success(), "{output:?}");
        session
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The binary in this folder, with nothing of the outside but a user's name.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ream"));
        command.args(args).current_dir(self.path()).env_clear().env("USER", "ada").stdin(Stdio::null());
        command
    }

    /// Runs it without a trace in the transcript.
    pub(crate) fn quietly(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs it and adds what it said to the transcript.
    pub(crate) fn ream(&mut self, args: &[&str]) -> &mut Self {
        self.ream_env(args, &[])
    }

    /// Runs it with variables set.
    pub(crate) fn ream_env(&mut self, args: &[&str], env: &[(&str, &str)]) -> &mut Self {
        let output = self.command(args).envs(env.iter().copied()).output().unwrap();
        let words =
            args.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { (*word).to_owned() });
        let variables =
            env.iter().map(|(name, value)| format!("{name}={} ", value.escape_debug())).collect::<String>();
        let line = words.collect::<Vec<_>>().join(" ");
        self.transcript.push_str(&format!("$ {variables}ream {line}\n"));
        for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            if !bytes.is_empty() {
                self.transcript.push_str(&format!("--- {name}\n{}", String::from_utf8_lossy(bytes)));
            }
        }
        let code = output.status.code().map_or_else(|| "signal".to_owned(), |code| code.to_string());
        self.transcript.push_str(&format!("--- exit {code}\n\n"));
        self
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    /// Does through the library what no command does: claim, complete, fail.
    pub(crate) fn work<F: Future<Output = ream::Result<()>>>(
        &self,
        work: impl FnOnce(CrawlJobService, JobChunkingService) -> F,
    ) {
        let url = format!("sqlite:{}", self.path().join("ream.db").display());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(async {
                let repository = ream::open(&url).await?;
                work(CrawlJobService::new(repository.clone()), JobChunkingService::new(repository)).await
            })
            .unwrap();
    }

    /// Does to the database what Ream never does.
    pub(crate) fn sql(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.path().join("ream.db")).unwrap();
        database.execute_batch(sql).unwrap();
    }

    /// Moves the database's clock.
    pub(crate) fn later(&self, seconds: i64) {
        self.sql(&format!("UPDATE clock SET shift_ms = shift_ms + {seconds} * 1000"));
    }

    /// Compares the transcript with the stored one. Times keep their width, so columns stay as they were.
    #[track_caller]
    pub(crate) fn matches(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../snapshots");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2026-01-01T00:00:00");
        settings.add_filter(r"(00:00:00)\.\d{3}Z", "$1.000Z");
        settings.add_filter(r"ream_(\d+)_[0-9A-Za-z]{20,}", "ream_${1}_[SECRET]");
        // What depends on the machine's speed.
        settings.add_filter(r#"("duration_s|"bytes_per_second|"fetch_ms)":[0-9.]+"#, r#"$1":[NUMBER]"#);
        settings.add_filter(r#""slowest":\[[^\]]*\]"#, r#""slowest":[HOSTS]"#);
        settings.add_filter(r#""images_per_second":[0-9.]+"#, r#""images_per_second":[RATE]"#);
        settings.add_filter(r"[0-9.]+ images/s", "[RATE] images/s");
        settings.add_filter(r"\b\d+ (s|min|h)( \d+ (s|min))? (to go)", "[TIME] $4");
        let folder = self.path().to_string_lossy().into_owned();
        let transcript = self.transcript.replace(&folder, "[FOLDER]");
        settings.bind(|| insta::assert_snapshot!(name, transcript));
    }
}

/// The folder, for things that are not in the transcript.
pub(crate) fn exists(session: &Session, name: impl AsRef<OsStr>) -> bool {
    session.path().join(Path::new(name.as_ref())).exists()
}

/// A worker of this name.
pub(crate) fn claim(worker: &str, limit: u32) -> ream::ClaimRequest {
    ream::ClaimRequest::new(ream::TaskId::new(worker).unwrap(), limit)
}
