//! Databases in a cluster.

use super::{Postgres, database_url};
use crate::fault::Result;
use std::sync::atomic::{AtomicU64, Ordering};

/// An empty database with a name that no other has, dropped together with its value, whoever is still connected.
#[derive(Debug)]
pub struct FreshDatabase<'a> {
    postgres: &'a Postgres,
    name: String,
}

impl Postgres {
    /// Creates an empty database.
    ///
    /// # Errors
    /// The name is taken, or the server is down.
    pub fn create_database(&self, name: &str) -> Result<()> {
        // Nobody can connect to `template0`, so nobody's connection is in the way.
        self.create_database_from_template(name, "template0")
    }

    /// Creates a copy of a database.
    ///
    /// # Errors
    /// The name is taken, there is no such template, somebody is connected to it, or the server is down.
    pub fn create_database_from_template(&self, name: &str, template: &str) -> Result<()> {
        let sql = format!("CREATE DATABASE {} TEMPLATE {}", quoted(name), quoted(template));
        self.sql("postgres", &sql).map(|_| ())
    }

    /// Drops a database and ends all connections to it.
    ///
    /// # Errors
    /// There is no such database, or the server is down.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", quoted(name))).map(|_| ())
    }

    /// Creates an empty database that lives as long as the value.
    ///
    /// # Errors
    /// The server is down.
    pub fn fresh_database(&self) -> Result<FreshDatabase<'_>> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("fresh_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name)?;
        Ok(FreshDatabase { postgres: self, name })
    }
}

impl FreshDatabase<'_> {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    pub fn url(&self) -> String {
        self.postgres.url(&self.name)
    }

    /// Its URL by way of a pooler or proxy on this port.
    pub fn url_at(&self, port: u16) -> String {
        database_url(port, &self.name)
    }

    /// Runs SQL in it, as [`Postgres::sql`].
    ///
    /// # Errors
    /// As [`Postgres::sql`].
    pub fn sql(&self, sql: &str) -> Result<String> {
        self.postgres.sql(&self.name, sql)
    }
}

impl Drop for FreshDatabase<'_> {
    fn drop(&mut self) {
        // It goes with its cluster at the latest.
        let _ = self.postgres.drop_database(&self.name);
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
