//! Hands PostgreSQL over to the conformance suite: what every backend promises, this one keeps.
#![allow(clippy::unwrap_used)]

mod postgres_kit;

use async_trait::async_trait;
use postgres_kit::TestDatabase;
use ream_core::JobId;
use ream_store::JobChunkRepository;
use ream_store::conformance::{Hooks, TestStore, TestTokens};
use std::sync::Arc;

struct PostgresHooks(TestDatabase);

#[async_trait]
impl Hooks for PostgresHooks {
    async fn shift_clock(&self, ms: i64) {
        self.0.execute(&format!("UPDATE ream_clock SET shift_ms = shift_ms + {ms}")).await;
    }

    async fn advance_ids(&self, beyond: i64) {
        for table in ["crawl_job_rows", "job_chunks", "activity_log"] {
            self.0.execute(&format!("SELECT setval('{table}_id_seq', {beyond})")).await;
        }
    }

    async fn spoil_counters(&self, job_id: JobId) {
        let sql = format!("UPDATE crawl_job_rows SET failed_chunks = failed_chunks + 1 WHERE id = {job_id}");
        self.0.execute(&sql).await;
    }

    async fn break_cover(&self, job_id: JobId) {
        let first = format!("job_id = {job_id} AND first_image = 0");
        self.0.execute(&format!("UPDATE job_chunks SET last_image = last_image - 1 WHERE {first}")).await;
    }

    async fn another_handle(&self) -> Arc<dyn JobChunkRepository> {
        Arc::new(self.0.open().await)
    }
}

async fn fresh() -> TestStore {
    let database = TestDatabase::new().await;
    TestStore { repository: Arc::new(database.open().await), hooks: Box::new(PostgresHooks(database)) }
}

async fn fresh_tokens() -> TestTokens {
    let database = TestDatabase::new().await;
    TestTokens { tokens: Arc::new(database.open().await), hooks: Box::new(PostgresHooks(database)) }
}

ream_store::exercise!(fresh);
ream_store::tokens!(fresh_tokens);
