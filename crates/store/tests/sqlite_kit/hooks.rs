//! SQLite as the conformance suite wants it, for whoever opens it.

use super::TestFile;
use async_trait::async_trait;
use futures::future::BoxFuture;
use ream_core::JobId;
use ream_store::conformance::Hooks;
use ream_store::{JobChunkRepository, SqliteStore};
use std::sync::Arc;

/// How a test opens its store once more.
pub(crate) type Handle = fn(SqliteStore) -> BoxFuture<'static, Arc<dyn JobChunkRepository>>;

/// What the conformance suite does to a file behind the store's back.
pub(crate) struct SqliteHooks {
    pub(crate) file: TestFile,
    pub(crate) handle: Handle,
}

#[async_trait]
impl Hooks for SqliteHooks {
    async fn shift_clock(&self, ms: i64) {
        self.file.shift_clock(ms);
    }

    async fn advance_ids(&self, beyond: i64) {
        for table in ["crawl_jobs", "job_chunks", "activity_log"] {
            self.file.execute(&format!("DELETE FROM sqlite_sequence WHERE name = '{table}'"));
            self.file
                .execute(&format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {beyond})"));
        }
    }

    async fn spoil_counters(&self, job_id: JobId) {
        self.file
            .execute(&format!("UPDATE crawl_jobs SET failed_chunks = failed_chunks + 1 WHERE id = {job_id}"));
    }

    async fn break_cover(&self, job_id: JobId) {
        let first = format!("job_id = {job_id} AND first_image = 0");
        self.file.execute(&format!("UPDATE job_chunks SET last_image = last_image - 1 WHERE {first}"));
    }

    async fn another_handle(&self) -> Arc<dyn JobChunkRepository> {
        (self.handle)(self.file.open()).await
    }
}
