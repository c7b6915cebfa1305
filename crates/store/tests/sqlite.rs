//! Hands SQLite over to the conformance suite: what every backend promises, this one keeps.
#![allow(clippy::unwrap_used)]

mod sqlite_kit;

use futures::FutureExt as _;
use ream_store::JobChunkRepository;
use ream_store::conformance::{TestStore, TestTokens};
use sqlite_kit::TestFile;
use sqlite_kit::hooks::SqliteHooks;
use std::sync::Arc;

fn hooks(file: TestFile) -> Box<SqliteHooks> {
    Box::new(SqliteHooks {
        file,
        handle: |store| async { Arc::new(store) as Arc<dyn JobChunkRepository> }.boxed(),
    })
}

async fn fresh() -> TestStore {
    let file = TestFile::new();
    TestStore { repository: Arc::new(file.open()), hooks: hooks(file) }
}

async fn fresh_tokens() -> TestTokens {
    let file = TestFile::new();
    TestTokens { tokens: Arc::new(file.open()), hooks: hooks(file) }
}

ream_store::exercise!(fresh);
ream_store::tokens!(fresh_tokens);
