//! The one conformance suite, through a server: what comes back over HTTP is what the store answers, errors included.
#![allow(clippy::unwrap_used)]

#[path = "../../store/tests/sqlite_kit/mod.rs"]
mod sqlite_kit;
mod through_http;

use async_trait::async_trait;
use ream_core::JobId;
use ream_store::conformance::{Hooks, TestStore};
use ream_store::{JobChunkRepository, Store};
use sqlite_kit::TestFile;
use std::sync::Arc;
use through_http::ThroughHttp;

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
        Arc::new(ThroughHttp::to(Arc::new(self.0.open())).await)
    }
}

async fn fresh() -> TestStore {
    let file = TestFile::new();
    let store: Arc<dyn Store> = Arc::new(file.open());
    TestStore { repository: Arc::new(ThroughHttp::to(store).await), hooks: Box::new(SqliteHooks(file)) }
}

// All but `once`: those facts make fingerprints up, and a server makes its own of what it was sent. Its tests have them.
ream_store::activity!(fresh);
ream_store::bulk!(fresh);
ream_store::claims!(fresh);
ream_store::counters!(fresh);
ream_store::creation!(fresh);
ream_store::deadlines!(fresh);
ream_store::dispatch!(fresh);
ream_store::expiry!(fresh);
ream_store::fencing!(fresh);
ream_store::idempotency!(fresh);
ream_store::job_status!(fresh);
ream_store::jobs!(fresh);
ream_store::large_numbers!(fresh);
ream_store::paging!(fresh);
ream_store::publishing!(fresh);
ream_store::queries!(fresh);
ream_store::release!(fresh);
ream_store::retry!(fresh);
ream_store::split!(fresh);
ream_store::verify!(fresh);
