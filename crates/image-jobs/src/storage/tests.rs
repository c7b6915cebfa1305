use super::*;
use crate::testing::{behind, in_bucket, places};
use ream_test_servers::{Direction, Ending, FaultProxy, S3Server};
use std::collections::BTreeSet;

async fn names(storage: &Storage, folder: &str) -> BTreeSet<String> {
    storage.list(folder).await.unwrap().into_iter().map(|entry| entry.name).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_file_is_there_once_it_is_written_and_gone_once_it_is_removed() {
    for storage in places().each {
        let name = "a/b c.txt";
        assert_eq!((storage.size(name).await.unwrap(), storage.has(name).await.unwrap()), (None, false));
        assert_eq!(storage.read(name, 10).await.unwrap(), None);
        storage.put(name, "first".into()).await.unwrap();
        storage.put(name, "second".into()).await.unwrap();
        assert_eq!(storage.size(name).await.unwrap(), Some(6));
        assert!(storage.has(name).await.unwrap() && storage.has("a").await.unwrap());
        assert!(!storage.has("b").await.unwrap());
        assert_eq!(storage.read(name, 6).await.unwrap().unwrap(), "second");
        assert_eq!(storage.read_range(name, 1..4).await.unwrap(), "eco");
        assert!(matches!(storage.read(name, 5).await.unwrap_err(), Error::Damaged { .. }));
        storage.read_range(name, 4..8).await.unwrap_err();
        let error = storage.read_range("missing", 0..1).await.unwrap_err().to_string();
        assert!(error.starts_with("cannot read ") && error.contains("missing"), "{error}");
        storage.delete(name).await.unwrap();
        storage.delete(name).await.unwrap();
        assert_eq!(storage.size(name).await.unwrap(), None);
    }
}

#[tokio::test]
async fn of_those_who_write_a_new_file_one_succeeds() {
    for storage in places().each {
        let writes = (0..8).map(|n| storage.put_new("a/list.json", format!("{n}").into()));
        let written = futures::future::try_join_all(writes).await.unwrap();
        let winners: Vec<usize> = (0..8).filter(|n| written[*n]).collect();
        assert_eq!(winners.len(), 1, "{storage}: {written:?}");
        let kept = storage.read("a/list.json", 1).await.unwrap().unwrap();
        assert_eq!(kept, winners[0].to_string(), "{storage}");
    }
}

#[tokio::test]
async fn folders_are_listed_with_all_that_is_below() {
    for storage in places().each {
        assert_eq!(names(&storage, "_staging").await, set(&[]));
        assert_eq!(storage.folders("_staging").await.unwrap(), Vec::<String>::new());
        for name in ["_staging/7-1/00003/x.jpg", "_staging/7-1/y.tar", "_staging/8-1/z", "_stagings", "top"] {
            storage.put(name, name.to_owned().into()).await.unwrap();
        }
        let all = ["_staging/7-1/00003/x.jpg", "_staging/7-1/y.tar", "_staging/8-1/z"];
        assert_eq!(names(&storage, "_staging").await, set(&all));
        let mut folders = storage.folders("_staging").await.unwrap();
        folders.sort();
        assert_eq!(folders, ["7-1", "8-1"]);
        storage.delete_folder("_staging/7-1").await.unwrap();
        storage.delete_folder("_staging/7-1").await.unwrap();
        assert_eq!(names(&storage, "_staging").await, set(&["_staging/8-1/z"]));
        let inner = storage.join("_staging/8-1").unwrap();
        assert_eq!(inner.read("z", 100).await.unwrap().unwrap(), "_staging/8-1/z");
        assert!(inner.to_string().ends_with("/_staging/8-1"), "{inner}");
    }
}

#[tokio::test]
async fn a_renamed_file_replaces_another() {
    for storage in places().each {
        storage.put("_staging/7-1/a.tar", "new".into()).await.unwrap();
        storage.put("a.tar", "old".into()).await.unwrap();
        assert!(storage.rename("_staging/7-1/a.tar", "a.tar").await.unwrap());
        assert_eq!(storage.read("a.tar", 10).await.unwrap().unwrap(), "new");
        assert!(!storage.has("_staging/7-1/a.tar").await.unwrap());
        assert!(!storage.rename("_staging/7-1/a.tar", "b.tar").await.unwrap());
        assert!(!storage.has("b.tar").await.unwrap());
    }
}

#[tokio::test]
async fn large_files_come_back_as_they_were_put() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, back) = (scratch.path().join("source"), scratch.path().join("back"));
    let bytes: Vec<u8> = (0..17 * 1024 * 1024 + 5u32).map(|n| (n % 251) as u8).collect();
    for length in [bytes.len(), 8 * 1024 * 1024, 10, 0] {
        std::fs::write(&source, &bytes[..length]).unwrap();
        for storage in places().each {
            storage.put_file("x/large.bin", &source).await.unwrap();
            storage.fetch("x/large.bin", &back).await.unwrap();
            assert!(std::fs::read(&back).unwrap() == bytes[..length], "{storage}: {length} bytes");
        }
    }
    for storage in places().each {
        storage.fetch("missing", &back).await.unwrap_err();
    }
}

#[tokio::test]
async fn output_is_found_whatever_else_is_there() {
    for (output, first) in [
        ("00012.tar", "00012.tar"),
        ("100000/000000001.jpg", "100000"),
        ("_ledger/00000.ledger.parquet", "_ledger"),
        ("dataset.json", "dataset.json"),
    ] {
        for storage in places().each {
            assert_eq!(storage.output().await.unwrap(), None);
            for other in ["2024/x.tar", "_ream/list/list.json", "_staging/7-1/00000.tar", "notes.txt", "0a"] {
                storage.put(other, "x".into()).await.unwrap();
            }
            assert_eq!(storage.output().await.unwrap(), None, "{storage}");
            storage.put(output, "x".into()).await.unwrap();
            assert_eq!(storage.output().await.unwrap().as_deref(), Some(first), "{storage}");
        }
    }
}

#[tokio::test]
async fn a_bucket_without_a_prefix_is_a_place_too() {
    let storage = in_bucket("");
    storage.put("00000.tar", "x".into()).await.unwrap();
    assert_eq!(storage.output().await.unwrap().as_deref(), Some("00000.tar"));
    assert_eq!(names(&storage.join("00000.tar").unwrap(), "x").await, set(&[]));
    assert!(storage.to_string().starts_with("s3://bucket-"), "{storage}");
}

#[tokio::test]
async fn names_that_leave_the_place_are_refused() {
    let long = "x".repeat(1025);
    for storage in places().each {
        for bad in ["", "/etc/passwd", "..", "a/../../b", "a//b", "a/", "./a", "a\\b", "a\nb", &long] {
            let told = |error: Error| assert!(matches!(error, Error::BadName { .. }), "{bad:?}: {error}");
            told(storage.put(bad, "x".into()).await.unwrap_err());
            told(storage.rename("a", bad).await.unwrap_err());
            told(storage.list(bad).await.unwrap_err());
            told(storage.join(bad).unwrap_err());
        }
    }
}

#[test]
fn urls_with_secrets_or_of_other_kinds_are_refused_without_repeating_them() {
    for bad in [
        "",
        "http://secret/x",
        "s3://",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/prefix?X-Amz-Signature=secret",
        "s3://bucket/#secret",
        "s3://bucket/a/../secret",
        "s3://bucket/a//secret",
        "gs://user@bucket",
        "abfs://container@secret.dfs.core.windows.net/x",
        "az://",
        "file://host/secret",
        "file:///x?secret",
        "https://user:secret@host/bucket",
    ] {
        let error = Storage::parse_with("--out", bad, &Access::from_iter([])).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.code(), "validation", "{bad}");
        assert!(text.starts_with("`--out` is ") && text.contains("s3://BUCKET/PREFIX"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn places_are_shown_by_one_name_and_secrets_never() {
    let access: Access = [
        ("AWS_ACCESS_KEY_ID", "secret"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_REGION", "us-east-1"),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
        ("GOOGLE_SKIP_SIGNATURE", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    for (url, shown) in [
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket", "gs://bucket"),
        ("az://container/x", "az://container/x"),
        ("abfs://container/x", "az://container/x"),
        ("file:///data/my%20photos", "/data/my photos"),
        ("/data/photos", "/data/photos"),
    ] {
        let storage = Storage::parse_with("storage", url, &access).unwrap();
        assert_eq!(storage.to_string(), shown);
        assert_eq!(format!("{storage:?}"), format!("Storage({shown})"));
    }
    let relative = Storage::parse("storage", "photos").unwrap();
    assert!(relative.as_folder().unwrap().is_absolute());
    let told = format!("{access:?}");
    assert!(told.contains("AWS_SECRET_ACCESS_KEY") && !told.contains("secret") && !told.contains("c2VjcmV0"));
    let bad = [("AWS_ALLOW_HTTP".to_owned(), "secret".to_owned())].into_iter().collect();
    let error = Storage::parse_with("storage", "s3://bucket", &bad).unwrap_err().to_string();
    assert!(error.contains("variables of the environment") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_cut_connection_is_tried_again() {
    let server = S3Server::shared();
    let proxy = FaultProxy::start(server.port()).unwrap();
    let storage = behind(&proxy, &in_bucket("x"));
    storage.put("a", "x".into()).await.unwrap();
    proxy.cut_after(Direction::ToClient, 10, Ending::Reset);
    assert_eq!(storage.size("a").await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_store_that_is_dead_or_silent_is_an_error_in_words_after_a_while() {
    let server = S3Server::shared();
    let scratch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(scratch.path(), vec![7; 9 * 1024 * 1024]).unwrap();
    let faults: [fn(&FaultProxy); 3] =
        [FaultProxy::refuse, FaultProxy::stall_both, |proxy| proxy.stall(Direction::ToClient)];
    for fault in faults {
        let proxy = FaultProxy::start(server.port()).unwrap();
        let storage = behind(&proxy, &in_bucket("x"));
        storage.put("a", "x".into()).await.unwrap();
        fault(&proxy);
        let errors = [
            storage.size("a").await.unwrap_err(),
            storage.read_range("a", 0..1).await.unwrap_err(),
            storage.put("b", "x".into()).await.unwrap_err(),
            storage.put_file("c", scratch.path()).await.unwrap_err(),
            storage.rename("a", "d").await.unwrap_err(),
            storage.delete("a").await.unwrap_err(),
            storage.list("a").await.unwrap_err(),
            storage.output().await.unwrap_err(),
        ];
        for error in errors.map(|error| error.to_string()) {
            assert!(error.starts_with("cannot ") && error.contains(" s3://bucket-"), "{error}");
            assert!(!error.contains("a-secret-of-tests"), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_folder_has_one_name_however_it_is_reached() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("real")).unwrap();
    std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
    for (named, is) in [
        ("real", "real"),
        ("link", "real"),
        ("link/new/deep", "real/new/deep"),
        ("real/../link/new", "real/new"),
        ("link/new/../other", "real/other"),
        ("link/..", ""),
    ] {
        let storage = Storage::folder(&root.join(named)).canonical();
        assert_eq!(storage.as_folder(), Some(root.join(is).as_path()), "{named}");
    }
}
