use super::*;
use crate::list::ImageList;
use crate::testing::{access, contents, in_bucket, places};
use ream_core::ImageRange;
use ream_dataset::ListOptions;
use std::fs;

/// A list of so many images, beside a line that is none.
fn list_of(images: u64) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("urls.txt");
    let urls: String = (0..images).map(|n| format!("http://a.test/{n}.jpg\n")).collect();
    fs::write(&path, format!("no url\n{urls}")).unwrap();
    (folder, path)
}

fn in_chunks_of(chunk_size: u64) -> IngestOptions {
    IngestOptions { list: ListOptions::default(), chunk_size }
}

#[tokio::test]
async fn any_chunk_of_a_list_that_was_taken_in_can_be_read_alone() {
    let (_folder, path) = list_of(1300);
    for storage in places().each {
        let ingested = take_in(&path, &storage, in_chunks_of(5), |_, _| {}).await.unwrap();
        assert_eq!((ingested.accepted, ingested.rejected), (1300, 1));
        let list = ImageList::open(&storage).await.unwrap();
        assert_eq!((&list.record().ingested, list.record().chunk_size), (&ingested, 5));
        assert!(list.is_there().await);
        for first in [0, 1275, 1280, 1295] {
            let rows = list.read(ImageRange::new(first, first + 4).unwrap()).await.unwrap();
            let urls: Vec<&str> = rows.iter().map(|row| row.url.as_str()).collect();
            let expected: Vec<_> = (first..first + 5).map(|n| format!("http://a.test/{n}.jpg")).collect();
            assert_eq!(urls, expected, "{storage}");
        }
        let beyond = list.read(ImageRange::new(1300, 1300).unwrap()).await.unwrap_err().to_string();
        assert!(beyond.contains("part-00001.parquet is damaged"), "{beyond}");
        let files = contents(&storage, "_ream").await;
        assert!(
            files.iter().any(|(name, text)| name.ends_with("/rejects.jsonl") && text.contains("not a URL"))
        );
        assert_eq!(files.len(), 4, "{storage}");
    }
}

#[tokio::test]
async fn the_same_list_again_is_taken_as_it_is_and_another_is_refused() {
    let (_folder, path) = list_of(3);
    let (_other_folder, other) = list_of(4);
    for storage in places().each {
        let first = take_in(&path, &storage, in_chunks_of(2), |_, _| {}).await.unwrap();
        let files = contents(&storage, "_ream").await;
        assert_eq!(take_in(&path, &storage, in_chunks_of(2), |_, _| {}).await.unwrap(), first);
        for (path, chunk_size, told) in [(&other, 2, "other content"), (&path, 3, "another chunk size")] {
            let error = take_in(path, &storage, in_chunks_of(chunk_size), |_, _| {}).await.unwrap_err();
            assert!(matches!(error, Error::HasList { .. }) && error.to_string().contains(told), "{error}");
        }
        assert_eq!(contents(&storage, "_ream").await, files);
    }
}

#[tokio::test]
async fn the_same_list_again_is_no_change_once_output_is_there() {
    let (_folder, path) = list_of(3);
    let (_other_folder, other) = list_of(4);
    for storage in places().each {
        let first = take_in(&path, &storage, in_chunks_of(2), |_, _| {}).await.unwrap();
        storage.put("00000.tar", "x".into()).await.unwrap();
        assert_eq!(take_in(&path, &storage, in_chunks_of(2), |_, _| {}).await.unwrap(), first);
        let error = take_in(&other, &storage, in_chunks_of(2), |_, _| {}).await.unwrap_err();
        assert!(matches!(error, Error::HasList { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_record_of_our_own_counts_although_the_store_says_that_another_was_first() {
    let (_folder, path) = list_of(3);
    for storage in places().each {
        let options = in_chunks_of(2);
        let first = take_in(&path, &storage, options.clone(), |_, _| {}).await.unwrap();
        let record = ListRecord::read(&storage).await.unwrap().unwrap();
        let (_, parts) =
            record.parts_dir().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let files = contents(&storage, "_ream").await;
        let lost =
            Error::Store { action: "write", place: "x".to_owned(), message: "the answer is lost".to_owned() };
        for written in [Ok(None), Err(lost)] {
            assert_eq!(settle(&path, &storage, &options, &parts, written).await.unwrap(), first);
            assert_eq!(contents(&storage, "_ream").await, files);
        }
    }
}

#[tokio::test]
async fn of_lists_taken_in_at_once_one_counts_whole() {
    let lists = [list_of(300), list_of(400)];
    for storage in places().each {
        let takes = lists.iter().map(|(_, path)| take_in(path, &storage, in_chunks_of(100), |_, _| {}));
        let taken = futures::future::join_all(takes).await;
        let accepted: Vec<u64> = taken.iter().flatten().map(|ingested| ingested.accepted).collect();
        assert_eq!(accepted.len(), 1, "{storage}: {taken:?}");
        let list = ImageList::open(&storage).await.unwrap();
        let last = ImageRange::new(accepted[0] - 1, accepted[0] - 1).unwrap();
        list.read(last).await.unwrap();
        assert_eq!(contents(&storage, "_ream").await.len(), 3, "the other's parts are removed");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_taken_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("urls.txt");
    fs::write(&bad, "no url\n").unwrap();
    for storage in places().each {
        let error = take_in(&bad, &storage, in_chunks_of(2), |_, _| {}).await.unwrap_err();
        assert_eq!(ream_core::Error::from(error).code(), "validation");
        take_in(Path::new("nowhere.txt"), &storage, in_chunks_of(2), |_, _| {}).await.unwrap_err();
        assert_eq!(contents(&storage, "_ream").await, []);
        assert!(storage.as_folder().is_none_or(|folder| !folder.exists()));
    }
}

#[tokio::test]
async fn a_dataset_in_use_takes_no_list() {
    let (_folder, path) = list_of(3);
    for used in ["00000.tar", "_ream/crawl.json"] {
        for storage in places().each {
            storage.put(used, "x".into()).await.unwrap();
            let error = take_in(&path, &storage, in_chunks_of(2), |_, _| {}).await.unwrap_err();
            assert!(matches!(error, Error::HasOutput { .. }) && error.to_string().contains(used), "{error}");
        }
    }
    let (folder, _) = list_of(3);
    let storage = Storage::folder(folder.path());
    let error = take_in(folder.path(), &storage, in_chunks_of(2), |_, _| {}).await.unwrap_err();
    assert!(matches!(error, Error::SamePlace { .. }), "{error}");
}

#[tokio::test]
async fn a_dataset_within_another_takes_no_list() {
    let (_folder, path) = list_of(3);
    for used in [LIST_FILE, CRAWL_RECORD] {
        for storage in places().each {
            storage.put(used, "x".into()).await.unwrap();
            for inner in ["00000", "a/b"] {
                let inner = storage.join(inner).unwrap();
                let error = take_in(&path, &inner, in_chunks_of(2), |_, _| {}).await.unwrap_err();
                assert!(matches!(error, Error::WithinDataset { .. }), "{error}");
                assert!(error.to_string().contains(&format!("{inner} lies in another dataset, {storage};")));
            }
        }
    }
}

#[tokio::test]
async fn a_dataset_without_a_list_is_named() {
    for storage in places().each {
        let error = ImageList::open(&storage).await.unwrap_err().to_string();
        assert_eq!(error, format!("{storage} has no image list yet"));
        storage.put(LIST_FILE, "{".into()).await.unwrap();
        let error = ImageList::open(&storage).await.unwrap_err().to_string();
        assert!(error.contains("list.json is damaged"), "{error}");
    }
}

#[tokio::test]
async fn a_list_in_a_store_is_fetched_under_its_own_name() {
    let storage = in_bucket("lists");
    storage.put("pets 1.csv", "url\nhttp://a.test/1\n".into()).await.unwrap();
    let list = fetch_list_with(&format!("{storage}/pets 1.csv"), &access()).await.unwrap();
    assert_eq!(list.path().file_name().unwrap(), "pets 1.csv");
    assert_eq!(fs::read_to_string(list.path()).unwrap(), "url\nhttp://a.test/1\n");
    let path = list.path().to_owned();
    drop(list);
    assert!(!path.exists());
    assert_eq!(fetch_list("some/urls.txt").await.unwrap().path(), Path::new("some/urls.txt"));
    assert_eq!(fetch_list("file:///some/urls.txt").await.unwrap().path(), Path::new("/some/urls.txt"));
    let error = fetch_list_with(&format!("{storage}/none.csv"), &access()).await.unwrap_err().to_string();
    assert!(error.ends_with("/lists/none.csv: it is not there"), "{error}");
    for bad in ["s3://bucket", "s3://bucket/", "ftp://secret/x.csv", "s3://key:secret@bucket/x.csv"] {
        let error = fetch_list_with(bad, &access()).await.unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(ream_core::Error::from(error).code(), "validation", "{bad}");
    }
}
