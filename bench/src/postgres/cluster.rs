//! A PostgreSQL cluster for timings, durable and with room, and databases in it that are copies of one another.

use super::cpu;
use crate::Result;
use ream_test_servers::{Durability, Postgres, Settings};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// What is not as PostgreSQL comes. Everything that makes a commit durable is.
const SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "1GB"), ("max_wal_size", "8GB"), ("checkpoint_timeout", "30min")];

/// Settings that are told whatever they are: equal figures need equal ones.
const TOLD: &str = "'fsync', 'synchronous_commit', 'full_page_writes', 'wal_sync_method', 'commit_delay', \
    'shared_buffers', 'max_wal_size', 'checkpoint_timeout', 'max_connections', 'autovacuum', 'autovacuum_naptime', \
    'work_mem', 'random_page_cost', 'jit'";

/// The cluster. Stopped and removed when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    postgres: Postgres,
    programs: PathBuf,
    made: AtomicU32,
}

impl Cluster {
    /// Starts it, with its data in a new folder in `dir`.
    /// With further settings as in `postgresql.conf`.
    pub(crate) fn start(dir: Option<&Path>, further: &[(&str, &str)]) -> Result<Self> {
        if let Some(dir) = dir {
            let dir = dir.canonicalize()?;
            tempfile::env::override_temp_dir(&dir)
                .map_err(|other| format!("the temporary folder is {} already", other.display()))?;
        }
        let settings = Settings::new(Durability::Full);
        let settings =
            SETTINGS.iter().chain(further).fold(settings, |all, (name, value)| all.with(name, value));
        let postgres = Postgres::start(settings)?;
        let programs = postgres.sql("postgres", "SELECT setting FROM pg_config WHERE name = 'BINDIR'")?;
        Ok(Self { postgres, programs: programs.into(), made: AtomicU32::new(0) })
    }

    /// Version and settings, a line each.
    pub(crate) fn facts(&self) -> Result<Vec<String>> {
        let version = self.postgres.sql("postgres", "SHOW server_version")?;
        let settings = self.postgres.sql(
            "postgres",
            &format!(
                "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings \
                 WHERE name IN ({TOLD})"
            ),
        )?;
        Ok(vec![
            format!("server   PostgreSQL {version}, data in {}", self.postgres.data_folder().display()),
            format!("settings {settings}; all others default"),
        ])
    }

    /// One of PostgreSQL's programs, of the server's own version.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    pub(crate) fn port(&self) -> u16 {
        self.postgres.port()
    }

    /// An empty database.
    pub(crate) fn empty(&self) -> Result<Database<'_>> {
        let name = self.new_name();
        self.postgres.create_database(&name)?;
        Ok(Database { cluster: self, name })
    }

    /// A copy of a database to which nobody is connected. Its pages come through the log, as if they had been written
    /// since the last checkpoint: no side pays for whole pages in the log because it comes first.
    pub(crate) fn copy_of(&self, template: &Database<'_>) -> Result<Database<'_>> {
        let name = self.new_name();
        self.postgres.create_database_from_template(&name, &template.name)?;
        Ok(Database { cluster: self, name })
    }

    fn new_name(&self) -> String {
        format!("bench_{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// Processor time of the server and all its processes so far, in seconds.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        cpu::family_s(self.postgres.pid().ok_or("PostgreSQL is down")?)
    }

    /// The server's log.
    pub(crate) fn log(&self) -> Result<String> {
        let folder = self.postgres.data_folder();
        Ok(std::fs::read_to_string(folder.parent().ok_or("data without a folder")?.join("log"))?)
    }
}

/// A database, dropped together with its value.
#[derive(Debug)]
pub(crate) struct Database<'c> {
    cluster: &'c Cluster,
    name: String,
}

impl Database<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.postgres.url(&self.name)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster
    }

    /// Runs SQL and answers its rows, a line each.
    pub(crate) fn sql(&self, sql: &str) -> Result<String> {
        Ok(self.cluster.postgres.sql(&self.name, sql)?)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // It goes with its cluster at the latest.
        let _ = self.cluster.postgres.drop_database(&self.name);
    }
}
