use super::*;
use crate::testing::{behind, contents, in_bucket, places};
use ream_test_servers::{FaultProxy, S3Server};
use std::fs;

struct Made {
    dataset: Dataset,
    _scratch: tempfile::TempDir,
}

fn made(storage: Storage) -> Made {
    let scratch = tempfile::tempdir().unwrap();
    if let Some(folder) = storage.as_folder() {
        fs::create_dir_all(folder).unwrap();
    }
    Made { dataset: Dataset::new(storage, scratch.path()), _scratch: scratch }
}

/// Packs a tar, a ledger in a folder, and a folder with two files, with this text in each.
fn pack(dataset: &Dataset, attempt: i64, text: &str) -> Vec<String> {
    let staging = Staging::create(dataset.local(), ChunkId::new(7), Attempt::new(attempt)).unwrap();
    let path = staging.path();
    for folder in ["00003", "_ledger"] {
        fs::create_dir(path.join(folder)).unwrap();
    }
    for name in ["00003.tar", "00003/a.jpg", "00003/b.jpg", "_ledger/00003.ledger.parquet"] {
        fs::write(path.join(name), text).unwrap();
    }
    let names = ["00003.tar", "00003", "_ledger/00003.ledger.parquet"];
    staging.seal(&names.map(str::to_owned)).unwrap()
}

async fn staged(dataset: &Dataset, attempt: i64, text: &str) -> Vec<String> {
    dataset.stage(&pack(dataset, attempt, text)).await.unwrap()
}

async fn assert_published(dataset: &Dataset, text: &str) {
    let storage = dataset.storage();
    for name in ["00003.tar", "00003/a.jpg", "00003/b.jpg", "_ledger/00003.ledger.parquet"] {
        assert_eq!(storage.read(name, 100).await.unwrap().unwrap(), text, "{storage} {name}");
    }
    let left: Vec<_> = contents(storage, "_staging").await;
    assert!(left.iter().all(|(name, _)| name == "_staging/.lock"), "{storage}: {left:?}");
}

#[tokio::test]
async fn what_is_staged_is_published_once_and_again() {
    for storage in places().each {
        let made = made(storage);
        let names = staged(&made.dataset, 1, "one").await;
        assert_eq!(
            names,
            ["_staging/7-1/00003.tar", "_staging/7-1/00003", "_staging/7-1/_ledger/00003.ledger.parquet"]
        );
        assert_eq!(made.dataset.staged_attempts().await.unwrap(), [(ChunkId::new(7), Attempt::new(1))]);
        for _ in 0..3 {
            made.dataset.publish(&names).await.unwrap();
            assert_published(&made.dataset, "one").await;
        }
    }
}

#[tokio::test]
async fn publishers_at_once_all_succeed() {
    for storage in places().each {
        let made = made(storage);
        for round in 1..=5 {
            let text = format!("round {round}");
            let names = staged(&made.dataset, round, &text).await;
            futures::future::try_join_all((0..4).map(|_| made.dataset.publish(&names))).await.unwrap();
            assert_published(&made.dataset, &text).await;
        }
    }
}

#[tokio::test]
async fn a_publisher_that_was_killed_anywhere_is_taken_up() {
    let storage = in_bucket("x");
    let made = made(storage.clone());
    let names = staged(&made.dataset, 1, "one").await;
    // Killed between a copy and the removal, and after the first file of a folder.
    storage.put("00003.tar", "one".into()).await.unwrap();
    assert!(storage.rename("_staging/7-1/00003/a.jpg", "00003/a.jpg").await.unwrap());
    made.dataset.publish(&names).await.unwrap();
    assert_published(&made.dataset, "one").await;
}

#[tokio::test]
async fn a_late_attempt_only_litters_staging() {
    for storage in places().each {
        let made = made(storage);
        let late = pack(&made.dataset, 1, "late");
        let names = staged(&made.dataset, 2, "newer").await;
        made.dataset.publish(&names).await.unwrap();
        made.dataset.stage(&late).await.unwrap();
        made.dataset.publish(&names).await.unwrap();
        assert_eq!(made.dataset.staged_attempts().await.unwrap(), [(ChunkId::new(7), Attempt::new(1))]);
        made.dataset.discard(ChunkId::new(7), Attempt::new(1)).await.unwrap();
        made.dataset.discard(ChunkId::new(7), Attempt::new(1)).await.unwrap();
        assert_published(&made.dataset, "newer").await;
    }
}

#[tokio::test]
async fn output_that_is_neither_staged_nor_published_is_named() {
    for storage in places().each {
        let made = made(storage);
        let names = staged(&made.dataset, 1, "one").await;
        made.dataset.storage().delete("_staging/7-1/00003.tar").await.unwrap();
        let error = made.dataset.publish(&names).await.unwrap_err().to_string();
        assert!(error.contains("_staging/7-1/00003.tar") && error.contains("nor"), "{error}");
    }
}

#[tokio::test]
async fn names_that_are_not_staged_ones_are_refused_before_anything_moves() {
    for storage in places().each {
        let made = made(storage);
        let mut names = staged(&made.dataset, 1, "one").await;
        for bad in ["00003.tar", "_staging/7-1/../../x", "_staging/7-1/_ream/list/list.json"] {
            names.push(bad.to_owned());
            let error = made.dataset.publish(&names).await.unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
            assert!(!made.dataset.storage().has("00003.tar").await.unwrap());
            names.pop();
        }
    }
}

#[tokio::test]
async fn an_empty_folder_needs_no_place_in_a_store() {
    let made = made(in_bucket("x"));
    let staging = Staging::create(made.dataset.local(), ChunkId::new(7), Attempt::new(1)).unwrap();
    fs::create_dir(staging.path().join("00003")).unwrap();
    fs::write(staging.path().join("00003.ledger.parquet"), "x").unwrap();
    let sealed = staging.seal(&["00003".to_owned(), "00003.ledger.parquet".to_owned()]).unwrap();
    let names = made.dataset.stage(&sealed).await.unwrap();
    assert_eq!(names, ["_staging/7-1/00003.ledger.parquet"]);
    made.dataset.publish(&names).await.unwrap();
}

#[tokio::test]
async fn packed_files_that_are_gone_are_not_passed_over() {
    let made = made(in_bucket("x"));
    let sealed = pack(&made.dataset, 1, "one");
    fs::remove_file(made.dataset.local().join("_staging/7-1/00003.tar")).unwrap();
    let error = made.dataset.stage(&sealed).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("_staging/7-1/00003.tar"), "{error}");
}

#[tokio::test]
async fn a_store_that_dies_meanwhile_leaves_all_that_is_needed_to_go_on() {
    let storage = in_bucket("x");
    let whole = made(storage.clone());
    let names = staged(&whole.dataset, 1, "one").await;
    let proxy = FaultProxy::start(S3Server::shared().port()).unwrap();
    let broken = Dataset::new(behind(&proxy, &storage), whole.dataset.local());
    let packed = pack(&broken, 2, "two");
    proxy.stall_both();
    let error = broken.stage(&packed).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot write s3://"), "{error}");
    assert_eq!(whole.dataset.stage(&packed).await.unwrap(), packed, "what was packed can be brought again");
    broken.publish(&names).await.unwrap_err();
    proxy.refuse();
    broken.publish(&names).await.unwrap_err();
    whole.dataset.publish(&names).await.unwrap();
    whole.dataset.discard(ChunkId::new(7), Attempt::new(2)).await.unwrap();
    assert_published(&whole.dataset, "one").await;
}

#[test]
fn no_dataset_is_named_as_what_another_dataset_writes() {
    for name in ["photos", "photos/2026-11-26", "a/b c", "1234", "x.00000"] {
        assert!(is_dataset_name(name), "{name}");
    }
    for name in [
        "",
        "/x",
        "a/../b",
        "photos/00000",
        "00000/x",
        "a/00001.tar/b",
        "a/_ream",
        ".x",
        "a/dataset.json",
        "_ledger",
    ] {
        assert!(!is_dataset_name(name), "{name}");
    }
}
