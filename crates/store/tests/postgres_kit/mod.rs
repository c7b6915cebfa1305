//! A PostgreSQL database of its own for each test, and a way to it behind the store's back.
// Each test binary uses a part of it.
#![allow(dead_code)]

use ream_store::{PostgresOptions, PostgresStore};
use ream_test_servers::{FreshDatabase, Postgres};
use tokio_postgres::{Client, NoTls};

/// A database that is dropped with this.
pub(crate) struct TestDatabase {
    client: Client,
    database: FreshDatabase<'static>,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let database =
            tokio::task::spawn_blocking(|| Postgres::shared().fresh_database().unwrap()).await.unwrap();
        let client = connect(&database.url()).await;
        Self { client, database }
    }

    /// How tests open it: few connections, for there are many tests at once.
    pub(crate) fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::new(self.database.url());
        options.max_connections = 4;
        options
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.options()).await.unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn url(&self) -> String {
        self.database.url()
    }
}

/// A bare connection.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, wire) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(wire);
    client
}
