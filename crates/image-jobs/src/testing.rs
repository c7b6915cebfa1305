//! Places that several test modules use.

use crate::storage::{Access, Storage};
use ream_test_servers::{FaultProxy, S3Server};
use std::time::Duration;

/// A folder, and a place in a store: what holds for one holds for the other.
pub(crate) struct Places {
    _folder: tempfile::TempDir,
    pub(crate) each: [Storage; 2],
}

pub(crate) fn places() -> Places {
    let folder = tempfile::tempdir().unwrap();
    let each = [Storage::folder(&folder.path().join("data")), in_bucket("some/where")];
    Places { _folder: folder, each }
}

pub(crate) fn access() -> Access {
    S3Server::shared().environment().into_iter().collect()
}

pub(crate) fn in_bucket(prefix: &str) -> Storage {
    let url = format!("s3://{}/{prefix}", S3Server::shared().fresh_bucket().unwrap());
    Storage::parse_with("storage", &url, &access()).unwrap()
}

/// The same place by way of a proxy, with little patience.
pub(crate) fn behind(proxy: &FaultProxy, storage: &Storage) -> Storage {
    let access: Access = S3Server::environment_at(proxy.port()).into_iter().collect();
    let access = access.with_patience(Duration::from_millis(400));
    Storage::parse_with("storage", &storage.to_string(), &access).unwrap()
}

/// Every file with its content, by name.
pub(crate) async fn contents(storage: &Storage, folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in storage.list(folder).await.unwrap() {
        let bytes = storage.read(&entry.name, u64::MAX).await.unwrap().unwrap();
        found.push((entry.name, String::from_utf8_lossy(&bytes).into_owned()));
    }
    found.sort();
    found
}
