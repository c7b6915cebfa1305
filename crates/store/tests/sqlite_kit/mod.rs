//! A SQLite file of its own for each test, and a way to it behind the store's back.
// Each test binary uses a part of it.
#![allow(dead_code)]

pub(crate) mod hooks;

use ream_store::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A database in a folder that is removed when this is dropped.
pub(crate) struct TestFile {
    folder: tempfile::TempDir,
}

impl TestFile {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ream.db")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How tests open it: few threads, and patience with other handles.
    pub(crate) fn options(&self) -> SqliteOptions {
        let mut options = SqliteOptions::new(self.path());
        options.readers = 2;
        options.busy_timeout = Duration::from_secs(60);
        options
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.options()).unwrap()
    }

    /// A bare connection.
    pub(crate) fn connect(&self) -> Connection {
        let conn = Connection::open(self.path()).unwrap();
        conn.busy_timeout(Duration::from_secs(60)).unwrap();
        conn
    }

    pub(crate) fn execute(&self, sql: &str) {
        self.connect().execute(sql, []).unwrap();
    }

    pub(crate) fn shift_clock(&self, ms: i64) {
        self.execute(&format!("UPDATE clock SET shift_ms = shift_ms + {ms}"));
    }

    /// What SQLite itself thinks of the file.
    pub(crate) fn integrity(&self) -> String {
        self.connect().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
    }
}
