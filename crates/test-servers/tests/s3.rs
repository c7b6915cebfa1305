//! Protects the object store that tests start.
#![allow(clippy::unwrap_used)]

use ream_test_servers::S3Server;
use std::collections::HashSet;

#[test]
fn a_store_starts_and_every_bucket_is_another_one() {
    let store = S3Server::shared();
    let buckets: HashSet<String> = (0..3).map(|_| store.fresh_bucket().unwrap()).collect();
    assert_eq!(buckets.len(), 3);
}
