//! One suite that every backend passes unchanged: what [`JobChunkRepository`] promises, a file per concern.
//!
//! A backend's test hands over a factory, and each fact becomes a test of its own:
//!
//! ```text
//! ream_store::exercise!(fresh); // async fn fresh() -> TestStore
//! ```
//!
//! Facts only use the trait and the few [`Hooks`]; they never ask which backend they run on.
// Facts are tests: a surprise ends them.
#![allow(clippy::unwrap_used)]

mod kit;

/// Names the facts of one file: a wrapper for each that a backend's test can reach, and a macro that makes tests of
/// them. The facts themselves stay private, so that the compiler names those that are missing here.
macro_rules! facts {
    ($d:tt $concern:ident: $($fact:ident),+ $(,)?) => {
        facts!($d $concern of TestStore: $($fact),+);
    };
    ($d:tt $concern:ident of $store:ident: $($fact:ident),+ $(,)?) => {
        #[doc(hidden)]
        pub mod facts {
            $(pub async fn $fact(store: crate::conformance::$store) {
                super::$fact(&store).await;
            })+
        }

        #[doc(hidden)]
        #[macro_export]
        macro_rules! $concern {
            ($d fresh:ident) => {
                mod $concern {
                    $(#[test]
                    fn $fact() {
                        $crate::conformance::run(super::$d fresh, $crate::conformance::$concern::facts::$fact);
                    })+
                }
            };
        }
    };
}

/// Every fact as a test that runs on a store of its own. `$fresh` is an `async fn() -> TestStore` beside the call.
#[macro_export]
macro_rules! exercise {
    ($fresh:ident) => {
        $crate::exercise_but_once!($fresh);
        $crate::once!($fresh);
    };
}

/// The same without the facts about keys, for a store behind somebody who makes keys' fingerprints.
#[macro_export]
macro_rules! exercise_but_once {
    ($fresh:ident) => {
        $crate::activity!($fresh);
        $crate::bulk!($fresh);
        $crate::claims!($fresh);
        $crate::counters!($fresh);
        $crate::creation!($fresh);
        $crate::deadlines!($fresh);
        $crate::dispatch!($fresh);
        $crate::expiry!($fresh);
        $crate::fencing!($fresh);
        $crate::idempotency!($fresh);
        $crate::job_status!($fresh);
        $crate::jobs!($fresh);
        $crate::large_numbers!($fresh);
        $crate::paging!($fresh);
        $crate::publishing!($fresh);
        $crate::queries!($fresh);
        $crate::release!($fresh);
        $crate::retry!($fresh);
        $crate::split!($fresh);
        $crate::verify!($fresh);
    };
}

pub mod activity;
pub mod bulk;
pub mod claims;
pub mod counters;
pub mod creation;
pub mod deadlines;
pub mod dispatch;
pub mod expiry;
pub mod fencing;
pub mod idempotency;
pub mod job_status;
pub mod jobs;
pub mod large_numbers;
pub mod once;
pub mod paging;
pub mod publishing;
pub mod queries;
pub mod release;
pub mod retry;
pub mod split;
pub mod tokens;
pub mod verify;

use crate::repository::JobChunkRepository;
use crate::tokens::TokenRepository;
use async_trait::async_trait;
use ream_core::JobId;
use std::sync::Arc;

/// What the suite needs of a backend besides the trait. Changes count for every handle on the database.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Moves the database's clock ahead.
    async fn shift_clock(&self, ms: i64);

    /// Has the next job, chunk and row of the activity log get an id above `beyond`.
    async fn advance_ids(&self, beyond: i64);

    /// Has the job's counters say that one more of its pending chunks failed, behind the back of every rule.
    async fn spoil_counters(&self, job_id: JobId);

    /// Takes the last image of the job's first chunk away from it, behind the back of every rule.
    async fn break_cover(&self, job_id: JobId);

    /// The same database as another process sees it.
    async fn another_handle(&self) -> Arc<dyn JobChunkRepository>;
}

/// An empty database of its own; removed when this is dropped.
pub struct TestStore {
    /// What is tested.
    pub repository: Arc<dyn JobChunkRepository>,
    /// What only tests may do.
    pub hooks: Box<dyn Hooks>,
}

/// The same of a backend that keeps tokens, for `ream_store::tokens!(fresh)`: a client of a server is none.
pub struct TestTokens {
    /// What is tested.
    pub tokens: Arc<dyn TokenRepository>,
    /// What only tests may do.
    pub hooks: Box<dyn Hooks>,
}

/// Runs one fact on a fresh store, with threads enough for callers that meet.
pub fn run<S, M, F>(fresh: impl FnOnce() -> M, fact: impl FnOnce(S) -> F)
where
    M: Future<Output = S>,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { fact(fresh().await).await });
}
