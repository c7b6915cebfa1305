//! The one conformance suite, through a server: what comes back over HTTP is what the store answers, errors included.
#![allow(clippy::unwrap_used)]

#[path = "../../store/tests/sqlite_kit/mod.rs"]
mod sqlite_kit;
mod through_http;

use futures::FutureExt as _;
use ream_store::conformance::TestStore;
use ream_store::{JobChunkRepository, Store};
use sqlite_kit::TestFile;
use sqlite_kit::hooks::SqliteHooks;
use std::sync::Arc;
use through_http::ThroughHttp;

async fn through_http(store: Arc<dyn Store>) -> Arc<dyn JobChunkRepository> {
    Arc::new(ThroughHttp::to(store).await)
}

async fn fresh() -> TestStore {
    let file = TestFile::new();
    let repository = through_http(Arc::new(file.open())).await;
    let hooks = SqliteHooks { file, handle: |store| through_http(Arc::new(store)).boxed() };
    TestStore { repository, hooks: Box::new(hooks) }
}

// All but `once`: those facts make fingerprints up, and a server makes its own of what it was sent. Its tests have them.
ream_store::exercise_but_once!(fresh);
