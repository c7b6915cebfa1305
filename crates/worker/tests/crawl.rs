//! A whole crawl in one process, against a site on loopback: what is in the folder afterwards, going on, and conflicts.
#![allow(clippy::unwrap_used)]

mod site;

use ream::{CrawlJobService, CrawlJobStatus, ErrorClass, JobId};
use ream_dataset::ledger::{ledger_name, read_ledger};
use ream_dataset::{ImageStatus, OutputFormat};
use ream_fetch::address::AddressPolicy;
use ream_worker::crawl::{CrawlError, CrawlOptions, CrawlSummary, prepare};
use ream_worker::shutdown::Shutdown;
use site::{site, write_list};
use std::collections::BTreeSet;
use std::path::Path;

fn options(list: &Path, out: &Path) -> CrawlOptions {
    let mut options = CrawlOptions::new(list, out);
    options.chunk_size = 20;
    options.fetch.addresses = AddressPolicy::public_only().allow("127.0.0.0/8".parse().unwrap());
    options
}

async fn crawl(options: CrawlOptions) -> Result<CrawlSummary, CrawlError> {
    let (_shutdown, stop) = Shutdown::new();
    prepare(options, |_, _| {}).await?.run(stop).await
}

/// Every image number with the name of its file, from the ledgers; each file must be there.
fn stored(out: &Path, chunks: u64) -> Vec<(u64, Option<String>)> {
    (0..chunks)
        .flat_map(|chunk| read_ledger(&out.join(ledger_name(chunk))).unwrap())
        .map(|row| {
            assert_eq!(row.status == ImageStatus::Ok, row.file.is_some());
            (row.image, row.file)
        })
        .collect()
}

fn assert_complete(out: &Path, images: u64, chunks: u64) {
    let stored = stored(out, chunks);
    assert_eq!(stored.iter().map(|(image, _)| *image).collect::<Vec<_>>(), (0..images).collect::<Vec<_>>());
    for (image, file) in stored {
        assert_eq!(file.is_none(), image % 10 == 3, "image {image}");
        if let Some(file) = file {
            let bytes = std::fs::read(out.join(&file)).unwrap();
            assert!(bytes.ends_with(&image.to_be_bytes()), "{file} is not image {image}");
        }
    }
    assert!(!out.join("_staging").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_becomes_a_dataset_with_an_account_of_every_image() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 50);
    let summary = crawl(options(&list, &out)).await.unwrap();
    assert_eq!((summary.status, summary.images_ok), (CrawlJobStatus::Completed, 45));
    assert_eq!(summary.images_failed.get(&ErrorClass::Http4xx), Some(&5));
    assert_complete(&out, 50, 3);
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("dataset.json")).unwrap()).unwrap();
    assert_eq!(written["images_ok"], 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_crawl_again_changes_nothing_and_fetches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(50).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 50);
    let first = crawl(options(&list, &out)).await.unwrap();
    assert_eq!(site.permits.available_permits(), 0);
    let again = crawl(options(&list, &out)).await.unwrap();
    assert_eq!(again.run.images, 0);
    // What is told of the last run alone is another matter.
    assert_eq!(CrawlSummary { run: first.run, hosts: first.hosts.clone(), ..again }, first);
    assert_complete(&out, 50, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_crawl_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(25).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 100);
    let mut slow = options(&list, &out);
    (slow.fetch.max_in_flight, slow.chunks_in_flight) = (4, 1);
    let session = prepare(slow.clone(), |_, _| {}).await.unwrap();
    let (shutdown, stop) = Shutdown::new();
    let (summary, ()) = tokio::join!(session.run(stop), async {
        // 25 permits: the first chunk of 20 gets through, the second cannot.
        while session.progress().await.unwrap().completed_chunks == 0 {
            tokio::task::yield_now().await;
        }
        shutdown.stop();
    });
    let summary = summary.unwrap();
    assert!(summary.stopped && summary.completed_chunks == 1, "{summary:?}");
    drop(session);
    site.permits.add_permits(1000);
    let summary = crawl(slow).await.unwrap();
    assert_eq!((summary.status, summary.images_ok), (CrawlJobStatus::Completed, 90));
    assert_complete(&out, 100, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_was_completed_but_not_published_is_published_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    crawl(options(&list, &out)).await.unwrap();
    // As if the process had died between completion and publishing.
    let staging = out.join("_staging/1-1");
    std::fs::create_dir_all(&staging).unwrap();
    for name in ["00000".to_owned(), ledger_name(0)] {
        std::fs::rename(out.join(&name), staging.join(&name)).unwrap();
    }
    let database = rusqlite::Connection::open(out.join("_ream/ream.db")).unwrap();
    assert_eq!(database.execute("UPDATE job_chunks SET unpublished = 1", []).unwrap(), 1);
    drop(database);
    crawl(options(&list, &out)).await.unwrap();
    assert_complete(&out, 20, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_list_or_other_settings_are_a_conflict_that_names_the_difference() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    crawl(options(&list, &out)).await.unwrap();
    let mut other = options(&list, &out);
    (other.format, other.chunk_size) = (OutputFormat::Webdataset, 10);
    let error = crawl(other).await.unwrap_err();
    assert!(matches!(&error, CrawlError::Differs { differences, .. } if differences.len() == 2), "{error}");
    assert!(error.to_string().contains("output format is files, not webdataset"), "{error}");
    let list = write_list(folder.path(), &site, 21);
    let error = crawl(options(&list, &out)).await.unwrap_err();
    assert!(error.to_string().contains("other content"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_has_one_crawl_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    let first = prepare(options(&list, &out), |_, _| {}).await.unwrap();
    assert!(matches!(crawl(options(&list, &out)).await, Err(CrawlError::InUse { .. })));
    drop(first);
    crawl(options(&list, &out)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webdataset_has_every_image_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 50);
    let mut options = options(&list, &out);
    options.format = OutputFormat::Webdataset;
    crawl(options).await.unwrap();
    let mut seen = Vec::new();
    for shard in 0..3 {
        let mut tar = tar::Archive::new(std::fs::File::open(out.join(format!("{shard:05}.tar"))).unwrap());
        for entry in tar.entries().unwrap() {
            let name = entry.unwrap().path().unwrap().display().to_string();
            seen.extend(name.strip_suffix(".gif").map(|stem| stem.parse::<u64>().unwrap()));
        }
    }
    assert_eq!(seen, (0..50).filter(|n| n % 10 != 3).collect::<Vec<u64>>());
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 45);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_not_there_or_of_no_use_leaves_no_folder_behind() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = crawl(options(&folder.path().join("missing.txt"), &out)).await.unwrap_err();
    assert!(error.to_string().contains("missing.txt") && !out.exists(), "{error}");
    let list = folder.path().join("useless.txt");
    std::fs::write(&list, "no URL\n").unwrap();
    let error = crawl(options(&list, &out)).await.unwrap_err();
    assert!(error.to_string().contains("no usable row") && !out.exists(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_no_crawl_made_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    std::fs::create_dir_all(out.join("00000")).unwrap();
    std::fs::write(out.join("00000/holiday.jpg"), "mine").unwrap();
    let error = crawl(options(&list, &out)).await.unwrap_err();
    assert!(matches!(&error, CrawlError::ForeignOutput { example, .. } if example == "00000"), "{error}");
    assert_eq!(std::fs::read(out.join("00000/holiday.jpg")).unwrap(), b"mine");
    assert!(!out.join("_ream").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_a_job_that_the_database_no_longer_has_is_not_replaced() {
    for database_is_removed in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let (site, out) = (site(1000).await, folder.path().join("out"));
        let list = write_list(folder.path(), &site, 20);
        crawl(options(&list, &out)).await.unwrap();
        let database = out.join("_ream/ream.db");
        if database_is_removed {
            std::fs::remove_file(&database).unwrap();
        } else {
            let jobs =
                CrawlJobService::new(ream::open(&format!("sqlite:{}", database.display())).await.unwrap());
            jobs.delete(JobId::new(1)).await.unwrap();
        }
        let permits = site.permits.available_permits();
        // Twice: the first time a database is made where it was missing.
        for _ in 0..2 {
            let error = crawl(options(&list, &out)).await.unwrap_err();
            assert!(matches!(error, CrawlError::LostJob { .. }), "{error}");
        }
        assert_eq!(site.permits.available_permits(), permits, "something was fetched");
        assert_complete(&out, 20, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_taken_in_without_a_job_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    // As if the process had died between the record and the job.
    drop(prepare(options(&list, &out), |_, _| {}).await.unwrap());
    std::fs::remove_file(out.join("_ream/ream.db")).unwrap();
    assert!(crawl(options(&list, &out)).await.unwrap().is_complete());
    assert_complete(&out, 20, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_that_is_paused_says_what_it_waits_for_and_ends_once_every_chunk_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(0).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 20);
    let session = prepare(options(&list, &out), |_, _| {}).await.unwrap();
    assert_eq!(session.paused().await.unwrap(), None);
    let database = session.database().to_string();
    let jobs = CrawlJobService::new(ream::open(&database).await.unwrap());
    let (_shutdown, stop) = Shutdown::new();
    let (summary, ()) = tokio::join!(session.run(stop), async {
        while session.progress().await.unwrap().processing_chunks == 0 {
            tokio::task::yield_now().await;
        }
        jobs.pause(session.job_id()).await.unwrap();
        let told = session.paused().await.unwrap().unwrap();
        assert!(told.contains(&format!("`ream jobs resume 1 --database {database}`")), "{told}");
        site.permits.add_permits(1000);
    });
    let summary = summary.unwrap();
    assert_eq!(summary.status, CrawlJobStatus::Paused);
    assert!(summary.is_complete());
    assert_eq!(session.paused().await.unwrap(), None, "there is nothing to wait for");
    drop(session);
    assert!(crawl(options(&list, &out)).await.unwrap().is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_taken_away_ends_the_crawl_at_once() {
    for part in ["", "_ream/list"] {
        let folder = tempfile::tempdir().unwrap();
        let (site, out) = (site(25).await, folder.path().join("out"));
        let list = write_list(folder.path(), &site, 200);
        let mut slow = options(&list, &out);
        (slow.fetch.max_in_flight, slow.chunks_in_flight) = (4, 1);
        let session = prepare(slow, |_, _| {}).await.unwrap();
        let (_shutdown, stop) = Shutdown::new();
        let (ended, ()) = tokio::join!(session.run(stop), async {
            while session.progress().await.unwrap().completed_chunks == 0 {
                tokio::task::yield_now().await;
            }
            // In one step: what is written meanwhile would keep a folder from being removed.
            std::fs::rename(out.join(part), folder.path().join("away")).unwrap();
            site.permits.add_permits(1000);
        });
        let error = ended.unwrap_err();
        assert!(matches!(error, CrawlError::FolderGone { .. }), "{part}: {error}");
        assert!(site.permits.available_permits() > 900, "{part}: it went on");
        assert_eq!(out.exists(), !part.is_empty(), "{part}: it was made anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_output_is_told_and_keeps_no_other_chunk_from_its_work() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(20).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 40);
    let mut slow = options(&list, &out);
    (slow.fetch.max_in_flight, slow.chunks_in_flight) = (4, 1);
    let session = prepare(slow.clone(), |_, _| {}).await.unwrap();
    let (shutdown, stop) = Shutdown::new();
    let (stopped, ()) = tokio::join!(session.run(stop), async {
        while session.progress().await.unwrap().completed_chunks == 0 {
            tokio::task::yield_now().await;
        }
        shutdown.stop();
    });
    stopped.unwrap();
    drop(session);
    std::fs::remove_dir_all(out.join("00000")).unwrap();
    let database = rusqlite::Connection::open(out.join("_ream/ream.db")).unwrap();
    let lost = database.execute("UPDATE job_chunks SET unpublished = 1 WHERE status = 'completed'", []);
    assert_eq!(lost.unwrap(), 1);
    drop(database);
    site.permits.add_permits(1000);
    let summary = crawl(slow).await.unwrap();
    assert_eq!((summary.completed_chunks, summary.unpublished_chunks), (2, 1));
    assert!(!summary.is_complete());
    assert_eq!(read_ledger(&out.join(ledger_name(1))).unwrap().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_was_taken_away_later_makes_the_crawl_incomplete_and_is_no_shard_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 50);
    assert!(crawl(options(&list, &out)).await.unwrap().is_complete());
    std::fs::remove_file(out.join(ledger_name(1))).unwrap();
    let summary = crawl(options(&list, &out)).await.unwrap();
    assert_eq!((summary.completed_chunks, summary.lost_chunks), (3, 1));
    assert_eq!(
        (summary.images_ok, summary.lost.as_slice()),
        (45 - 18, &[1][..]),
        "what is gone is not stored"
    );
    assert!(!summary.is_complete());
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("dataset.json")).unwrap()).unwrap();
    let shards: Vec<_> =
        written["shards"].as_array().unwrap().iter().map(|s| s["chunk_index"].clone()).collect();
    assert_eq!(shards, [0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_was_left_processing_again_and_again_is_tried_last() {
    let folder = tempfile::tempdir().unwrap();
    let (site, out) = (site(1000).await, folder.path().join("out"));
    let list = write_list(folder.path(), &site, 40);
    drop(prepare(options(&list, &out), |_, _| {}).await.unwrap());
    for round in 1..=4 {
        let url = format!("sqlite:{}", out.join("_ream/ream.db").display());
        let service = ream::JobChunkingService::new(ream::open(&url).await.unwrap());
        let worker = ream::TaskId::new(format!("killed-{round}")).unwrap();
        let claimed = service.claim(ream::ClaimRequest::new(worker, 1)).await.unwrap();
        let expected = if round <= 3 { 0 } else { 1 };
        assert_eq!(claimed[0].chunk.chunk_index, expected, "round {round}");
        drop(service);
        drop(prepare(options(&list, &out), |_, _| {}).await.unwrap());
    }
    let summary = crawl(options(&list, &out)).await.unwrap();
    assert!(summary.is_complete());
    assert_complete(&out, 40, 2);
}
