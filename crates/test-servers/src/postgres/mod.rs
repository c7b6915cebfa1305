//! A PostgreSQL cluster of its own.

mod database;
mod settings;
mod shared;

pub use database::FreshDatabase;
pub use settings::{Durability, Settings};

use crate::account::Account;
use crate::fault::{Fault, Result, cannot};
use crate::folder::Folder;
use crate::port::ReservedPort;
use crate::process::{kill_family, run, signal, spawn, tethered, until, until_ended, without_settings};
use crate::programs::postgres_folder;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

/// How long the server may take to start: after a crash it reads what was written since the last checkpoint.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long the server may take to stop; a fast stop writes a checkpoint.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How many lines of the log errors show.
const LOG_LINES: usize = 40;

/// A PostgreSQL cluster with its own data, on a port of its own on 127.0.0.1; everybody there is let in as the
/// superuser `postgres`. Stopped and removed when dropped, and when this process ends in any other way.
#[derive(Debug)]
pub struct Postgres {
    server: Option<Child>,
    programs: PathBuf,
    account: Account,
    settings: Settings,
    port: ReservedPort,
    folder: Folder,
}

/// The URL of a database of any cluster, pooler or proxy on this port of 127.0.0.1.
pub fn database_url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

impl Postgres {
    /// Creates a cluster and starts it, with the newest PostgreSQL that is installed. As root, it runs as the user
    /// `postgres`. It takes about a second.
    ///
    /// # Errors
    /// PostgreSQL is not installed, a setting is wrong, or the temporary folder (`TMPDIR`) is out of reach for the user
    /// `postgres`.
    pub fn start(settings: Settings) -> Result<Self> {
        let account = Account::for_servers()?;
        let programs = postgres_folder()?;
        let folder = Folder::new(account)?;
        let mut postgres =
            Self { server: None, programs, account, settings, port: ReservedPort::new()?, folder };
        postgres.create_cluster()?;
        postgres.restart()?;
        Ok(postgres)
    }

    /// The server's port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of one of its databases; `postgres` is always there.
    pub fn url(&self, database: &str) -> String {
        database_url(self.port(), database)
    }

    /// The process id of the postmaster; none while the server is down.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// The folder with the cluster's data.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The last lines of the server's log.
    pub fn log_tail(&self) -> String {
        tail(&self.log_path())
    }

    /// Runs SQL as one request, so several statements are one transaction. Answers the rows, one per line, with `|`
    /// between columns.
    ///
    /// # Errors
    /// What the server refuses, in its words; the server is down.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql]);
        without_settings(&mut command);
        run(&mut command).map(|text| text.trim_end_matches('\n').to_owned())
    }

    /// Kills the server and all its processes with `KILL`, as the system does when memory runs out, and waits until
    /// they are gone. Nothing is written any more; [`Postgres::restart`] recovers.
    ///
    /// # Errors
    /// The server is down.
    pub fn kill_9(&mut self) -> Result<()> {
        kill_family(self.running()?)?;
        self.server = None;
        Ok(())
    }

    /// Stops the server in good order, and the connections with it (`SIGINT`), and waits until it has ended.
    ///
    /// # Errors
    /// The server is down, or takes more than a minute.
    pub fn stop_fast(&mut self) -> Result<()> {
        let server = self.running()?;
        signal("INT", &[server.id()])?;
        let ended = until_ended("PostgreSQL", STOP_LIMIT, server);
        ended.map_err(|fault| self.with_log(&fault))?;
        self.server = None;
        Ok(())
    }

    /// Starts the server again, on the same port with the same data, after [`Postgres::kill_9`] or
    /// [`Postgres::stop_fast`].
    ///
    /// # Errors
    /// The server is running, or does not start.
    pub fn restart(&mut self) -> Result<()> {
        if self.server.is_some() {
            return Err(Fault::new("PostgreSQL is running already"));
        }
        let server =
            spawn(self.server_command()?).map_err(cannot("start setpriv (Debian package `util-linux`)"))?;
        let server = self.server.insert(server);
        let pid_file = self.folder.path().join("data/postmaster.pid");
        let ready = until("PostgreSQL to start", START_LIMIT, || {
            if let Some(status) = server.try_wait().map_err(cannot("look after PostgreSQL"))? {
                return Err(Fault::new(format!("PostgreSQL ended with {status}")));
            }
            Ok(is_ready(&pid_file, server.id()).then_some(()))
        });
        ready.map_err(|fault| {
            self.stop_at_once();
            self.with_log(&fault)
        })
    }

    fn create_cluster(&self) -> Result<()> {
        let mut command = tethered(&self.programs.join("initdb"), "KILL", self.account);
        // The user it runs as may have no access to the current folder.
        command.current_dir(self.folder.path()).args(["-A", "trust", "-U", "postgres"]);
        command.args(["-N", "--locale=C", "--encoding=UTF8", "-D"]).arg(self.data_folder());
        run(&mut command).map(|_| ())
    }

    fn server_command(&self) -> Result<Command> {
        let log_path = self.log_path();
        let log = File::options().create(true).append(true).open(&log_path);
        let log = log.map_err(cannot(format!("open {}", log_path.display())))?;
        let errors = log.try_clone().map_err(cannot("use the log twice"))?;
        // With QUIT it ends at once, and its children and shared memory with it; with KILL they would linger.
        let mut command = tethered(&self.programs.join("postgres"), "QUIT", self.account);
        command.current_dir(self.folder.path()).stdout(log).stderr(errors);
        command.arg("-D").arg(self.data_folder());
        let mut set = |name: &str, value: &str| {
            command.args(["-c", &format!("{name}={value}")]);
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &self.port().to_string());
        set("unix_socket_directories", &self.folder.path().display().to_string());
        for (name, value) in self.settings.all() {
            set(name, value);
        }
        Ok(command)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn running(&mut self) -> Result<&mut Child> {
        self.server.as_mut().ok_or_else(|| Fault::new("PostgreSQL is down"))
    }

    fn with_log(&self, fault: &Fault) -> Fault {
        Fault::new(format!("{fault}; the end of its log:\n{}", self.log_tail()))
    }

    /// Stops the server without a checkpoint, which nobody needs who is about to remove it.
    fn stop_at_once(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let stopped = signal("QUIT", &[server.id()]);
        if stopped.and_then(|()| until_ended("PostgreSQL", STOP_LIMIT, &mut server)).is_err() {
            let _ = kill_family(&mut server);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop_at_once();
    }
}

/// Whether the server of this process id takes connections. It writes so into its lock file, whose first line is the
/// process id and whose eighth is the status; `pg_ctl` looks there as well.
fn is_ready(pid_file: &Path, pid: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(pid_file) else { return false };
    let mut lines = text.lines();
    lines.next() == Some(&pid.to_string()) && lines.nth(6).is_some_and(|status| status.trim() == "ready")
}

fn tail(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
