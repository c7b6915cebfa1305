//! Hands SQLite over to the conformance suite: what every backend promises, this one keeps.
#![allow(clippy::unwrap_used)]

mod sqlite_kit;

use async_trait::async_trait;
use ream_core::JobId;
use ream_store::JobChunkRepository;
use ream_store::conformance::{Hooks, TestStore, TestTokens};
use sqlite_kit::TestFile;
use std::sync::Arc;

struct SqliteHooks(TestFile);

#[async_trait]
impl Hooks for SqliteHooks {
    async fn shift_clock(&self, ms: i64) {
        self.0.shift_clock(ms);
    }

    async fn advance_ids(&self, beyond: i64) {
        for table in ["crawl_jobs", "job_chunks", "activity_log"] {
            self.0.execute(&format!("DELETE FROM sqlite_sequence WHERE name = '{table}'"));
            self.0.execute(&format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {beyond})"));
        }
    }

    async fn spoil_counters(&self, job_id: JobId) {
        self.0
            .execute(&format!("UPDATE crawl_jobs SET failed_chunks = failed_chunks + 1 WHERE id = {job_id}"));
    }

    async fn break_cover(&self, job_id: JobId) {
        let first = format!("job_id = {job_id} AND first_image = 0");
        self.0.execute(&format!("UPDATE job_chunks SET last_image = last_image - 1 WHERE {first}"));
    }

    async fn another_handle(&self) -> Arc<dyn JobChunkRepository> {
        Arc::new(self.0.open())
    }
}

async fn fresh() -> TestStore {
    let file = TestFile::new();
    TestStore { repository: Arc::new(file.open()), hooks: Box::new(SqliteHooks(file)) }
}

async fn fresh_tokens() -> TestTokens {
    let file = TestFile::new();
    TestTokens { tokens: Arc::new(file.open()), hooks: Box::new(SqliteHooks(file)) }
}

ream_store::exercise!(fresh);
ream_store::tokens!(fresh_tokens);
