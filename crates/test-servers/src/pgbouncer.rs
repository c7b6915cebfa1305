//! PgBouncer in front of a cluster.

use crate::account::Account;
use crate::fault::{Fault, Result, cannot};
use crate::folder::Folder;
use crate::port::ReservedPort;
use crate::postgres::{Postgres, database_url};
use crate::process::{spawn, tethered, until};
use crate::programs::pgbouncer;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// When a connection to the server goes back to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After each transaction.
    Transaction,
    /// After each statement.
    Statement,
}

/// PgBouncer on a port of its own on 127.0.0.1; everybody is let in to every database of the cluster, as `postgres`.
/// Stopped when dropped, and when this process ends in any other way.
#[derive(Debug)]
pub struct PgBouncer {
    server: Child,
    port: ReservedPort,
    folder: Folder,
}

impl PgBouncer {
    /// Starts it in front of a cluster. As root, it runs as the user `postgres`.
    ///
    /// # Errors
    /// PgBouncer is not installed or does not start.
    pub fn start(postgres: &Postgres, mode: PoolMode) -> Result<Self> {
        Self::start_with(postgres, mode, &[])
    }

    /// As [`PgBouncer::start`], with further settings as in `pgbouncer.ini`, such as `default_pool_size` and `2`.
    ///
    /// # Errors
    /// As [`PgBouncer::start`]; a setting is wrong.
    pub fn start_with(postgres: &Postgres, mode: PoolMode, settings: &[(&str, &str)]) -> Result<Self> {
        let program = pgbouncer()?;
        let account = Account::for_servers()?;
        let folder = Folder::new(account)?;
        let port = ReservedPort::new()?;
        let path = folder.path();
        std::fs::write(
            path.join("pgbouncer.ini"),
            config(path, port.number(), postgres.port(), mode, settings),
        )
        .map_err(cannot("write PgBouncer's configuration"))?;
        let log = File::create(path.join("log")).map_err(cannot("create PgBouncer's log"))?;
        let errors = log.try_clone().map_err(cannot("use the log twice"))?;
        // One process and nothing to save.
        let mut command = tethered(&program, "KILL", account);
        command.current_dir(path).arg("pgbouncer.ini").stdout(log).stderr(errors);
        let server = spawn(command).map_err(cannot("start setpriv (Debian package `util-linux`)"))?;
        // From here on dropping stops it.
        let mut bouncer = Self { server, port, folder };
        bouncer.wait()?;
        Ok(bouncer)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL of one of the cluster's databases by way of it.
    pub fn url(&self, database: &str) -> String {
        database_url(self.port(), database)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    fn wait(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        let address = (Ipv4Addr::LOCALHOST, self.port.number());
        until("PgBouncer to start", START_LIMIT, || {
            if let Some(status) = self.server.try_wait().map_err(cannot("look after PgBouncer"))? {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(Fault::new(format!("PgBouncer ended with {status}:\n{said}")));
            }
            Ok(TcpStream::connect(address).ok().map(|_| ()))
        })
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn config(own: &Path, port: u16, server_port: u16, mode: PoolMode, settings: &[(&str, &str)]) -> String {
    let mode = match mode {
        PoolMode::Session => "session",
        PoolMode::Transaction => "transaction",
        PoolMode::Statement => "statement",
    };
    // Many drivers set `extra_float_digits`, which PgBouncer refuses unless told to ignore it.
    let mut text = format!(
        "[databases]
* = host=127.0.0.1 port={server_port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {}
auth_type = any
pool_mode = {mode}
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
",
        own.display()
    );
    for (name, value) in settings {
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}
