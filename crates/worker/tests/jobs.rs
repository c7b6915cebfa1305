//! Chunks of whatever job they belong to: several jobs at once, in folders and in a store, and some that cannot be worked on.
#![allow(clippy::unwrap_used)]

mod site;

use futures::future::BoxFuture;
use ream::{
    ClaimedChunk, CrawlJob, CrawlJobService, CrawlJobStatus, JobChunk, JobChunkStatus, JobChunkingService,
    JobId, NewCrawlJob, Outcome, Policy, PolicyFields, TaskId,
};
use ream_dataset::IngestOptions;
use ream_fetch::address::AddressPolicy;
use ream_fetch::{FetchConfig, Fetcher};
use ream_image_jobs::intake::take_in;
use ream_image_jobs::list::LIST_DIR;
use ream_image_jobs::storage::Access;
use ream_image_jobs::{DatasetFinisher, ScratchFolder, Storage};
use ream_test_servers::{FaultProxy, S3Server};
use ream_worker::ProcessError;
use ream_worker::claim::{ChunkProcessor, Worker, WorkerConfig, WorkerEnd};
use ream_worker::jobs::JobChunks;
use ream_worker::progress::ProgressCell;
use ream_worker::shutdown::Shutdown;
use serde_json::{Value, json};
use site::{Site, site, write_list};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CHUNK_SIZE: u64 = 20;

struct Bed {
    folder: tempfile::TempDir,
    site: Site,
    list: PathBuf,
    jobs: CrawlJobService,
    service: JobChunkingService,
}

/// A list of 50 images.
async fn bed() -> Bed {
    bed_with(1_000_000).await
}

/// As [`bed`], with a site that answers so often and no more.
async fn bed_with(permits: usize) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let site = site(permits).await;
    let list = write_list(folder.path(), &site, 50);
    let url = format!("sqlite:{}", folder.path().join("ream.db").display());
    let repository = ream::open(&url).await.unwrap();
    let jobs = CrawlJobService::new(repository.clone());
    Bed { folder, site, list, jobs, service: JobChunkingService::new(repository) }
}

fn access() -> Access {
    S3Server::shared().environment().into_iter().collect()
}

fn storage(url: &str) -> Storage {
    Storage::parse_with("dataset", url, &access()).unwrap()
}

fn in_store() -> String {
    format!("s3://{}/pictures", S3Server::shared().fresh_bucket().unwrap())
}

impl Bed {
    fn new_job(&self, dataset: &str, recipe: Value) -> NewCrawlJob {
        let mut new = NewCrawlJob::named("pictures");
        new.chunk_size = CHUNK_SIZE;
        new.dataset = Some(dataset.to_owned());
        new.recipe = Some(recipe);
        new.image_list = Some(format!("{dataset}/{LIST_DIR}"));
        new.max_images = Some(50);
        new.policy = policy();
        new
    }

    async fn start(&self, new: NewCrawlJob) -> JobId {
        let job = self.jobs.create_crawl_job(new).await.unwrap();
        self.jobs.start(job.id).await.unwrap();
        job.id
    }

    async fn take_in(&self, dataset: &str) {
        self.take_in_chunks_of(CHUNK_SIZE, dataset).await;
    }

    async fn take_in_chunks_of(&self, chunk_size: u64, dataset: &str) {
        let options = IngestOptions { chunk_size, ..IngestOptions::default() };
        take_in(&self.list, &storage(dataset), options, |_, _| {}).await.unwrap();
    }

    /// A job whose list is taken in, and that is started.
    async fn job(&self, dataset: &str, recipe: Value) -> JobId {
        self.take_in(dataset).await;
        self.start(self.new_job(dataset, recipe)).await
    }

    fn folder(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn chunks(&self, access: Access) -> JobChunks {
        let addresses = AddressPolicy::public_only().allow("127.0.0.0/8".parse().unwrap());
        let fetcher = Fetcher::new(FetchConfig { addresses, ..FetchConfig::default() }).unwrap();
        let scratch = ScratchFolder::create(Some(self.folder.path())).unwrap();
        JobChunks::new(self.service.repository().clone(), fetcher, access, scratch)
    }

    async fn work(&self, processor: Arc<dyn ChunkProcessor>) {
        let _duties = ream::Duties::start(self.service.repository().clone());
        let (_shutdown, stop) = Shutdown::new();
        let config = WorkerConfig {
            exit_when_idle: Some(Duration::from_secs(2)),
            ..WorkerConfig::new(TaskId::new("worker-1").unwrap(), 4)
        };
        let end = Worker::new(self.service.clone(), processor, config).run(stop).await.unwrap();
        assert_eq!(end, WorkerEnd::Idle);
    }

    fn finisher(&self) -> DatasetFinisher {
        DatasetFinisher::new(self.service.clone(), access(), self.folder.path().to_owned())
    }

    async fn finish(&self) {
        self.service.repository().announce_ends().await.unwrap();
        self.finisher().look(Duration::ZERO).await.unwrap();
    }

    async fn get(&self, job_id: JobId) -> CrawlJob {
        self.jobs.get_crawl_job(job_id).await.unwrap()
    }

    async fn errors(&self, job_id: JobId) -> Vec<String> {
        let chunks = self.service.get_failed_chunks(job_id).await.unwrap().to_vec().await.unwrap();
        chunks.into_iter().filter_map(|chunk| chunk.error_message).collect()
    }
}

fn policy() -> Policy {
    Policy::new(PolicyFields { max_retries: 0, ..PolicyFields::default() }).unwrap()
}

async fn assert_whole(dataset: &str, shards: &[&str]) {
    let storage = storage(dataset);
    let summary = storage.read("dataset.json", 1_000_000).await.unwrap().unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(
        (&summary["status"], &summary["images_ok"], &summary["images_failed"]["http_4xx"]),
        (&json!("completed"), &json!(45), &json!(5)),
        "{dataset}"
    );
    let files: Vec<Value> =
        summary["shards"].as_array().unwrap().iter().map(|shard| shard["files"][0].clone()).collect();
    assert_eq!(files, shards);
    for shard in shards {
        assert!(storage.has(shard).await.unwrap(), "{dataset} {shard}");
    }
    assert_eq!(storage.list("_staging").await.unwrap(), [], "{dataset}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_job_is_worked_on_by_its_own_recipe_in_its_own_place() {
    let bed = bed().await;
    let (folder, store, files) = (bed.folder("out"), in_store(), in_store());
    bed.job(&folder, json!({"format": "parquet"})).await;
    bed.job(&store, json!({"format": "webdataset"})).await;
    bed.job(&files, json!({})).await;
    bed.work(Arc::new(bed.chunks(access()))).await;
    bed.finish().await;
    assert_whole(&folder, &["00000.parquet", "00001.parquet", "00002.parquet"]).await;
    assert_whole(&store, &["00000.tar", "00001.tar", "00002.tar"]).await;
    assert_whole(&files, &["00000", "00001", "00002"]).await;
    let image = storage(&files).read("00002/000000042.gif", 1000).await.unwrap().unwrap();
    assert!(image.ends_with(&42u64.to_be_bytes()));
    assert_eq!(bed.service.repository().list_unfinished_datasets(Duration::ZERO, None, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_set_up_fails_with_the_reason_and_the_others_go_on() {
    let bed = bed().await;
    let without_list = bed.start(bed.new_job(&bed.folder("no list"), json!({}))).await;
    let bad_recipe = bed.job(&bed.folder("recipe"), json!({"format": "zip"})).await;
    let odd = bed.folder("other numbers");
    bed.take_in(&odd).await;
    let other_numbers = bed.start(NewCrawlJob { max_images: Some(40), ..bed.new_job(&odd, json!({})) }).await;
    let no_dataset = bed.start(NewCrawlJob { dataset: None, ..bed.new_job("x", json!({})) }).await;
    let bad_place = bed.start(bed.new_job("ftp://key:secret@host/x", json!({}))).await;
    let good = bed.job(&in_store(), json!({})).await;
    bed.work(Arc::new(bed.chunks(access()))).await;
    assert_eq!(bed.get(good).await.status(), CrawlJobStatus::Completed);
    for (job_id, told) in [
        (without_list, "has no image list yet"),
        (bad_recipe, "`recipe.format` is \"zip\", allowed is files, webdataset or parquet"),
        (other_numbers, "it has 40 images in chunks of 20, the list in"),
        (no_dataset, "it has no dataset"),
        (bad_place, "`dataset` is a URL of another kind"),
    ] {
        let errors = bed.errors(job_id).await;
        assert!(!errors.is_empty(), "{told}");
        for error in errors {
            let begins = error.starts_with(&format!("cannot work on job {job_id}: "));
            assert!(begins && error.contains(told) && !error.contains("secret"), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_two_databases_name_is_the_first_ones() {
    let (first, second) = (bed().await, bed().await);
    let options = || IngestOptions { chunk_size: CHUNK_SIZE, ..IngestOptions::default() };
    for dataset in [first.folder("out"), in_store()] {
        let job_id = first.job(&dataset, json!({"format": "webdataset"})).await;
        take_in(&first.list, &storage(&dataset), options(), |_, _| {}).await.unwrap();
        let others = second.start(second.new_job(&dataset, json!({"format": "webdataset"}))).await;
        first.work(Arc::new(Dying(first.chunks(access())))).await;
        second.work(Arc::new(second.chunks(access()))).await;
        second.finish().await;
        assert_eq!(second.get(others).await.status(), CrawlJobStatus::Failed);
        for error in second.errors(others).await {
            assert!(error.contains(&format!("{dataset} belongs to job {job_id}, created at ")), "{error}");
        }
        // Nothing of it was published or swept by the other.
        assert_eq!(storage(&dataset).output().await.unwrap(), None);
        first.finish().await;
        assert_whole(&dataset, &["00000.tar", "00001.tar", "00002.tar"]).await;
    }
}

/// Completes chunks, and dies before it publishes them.
struct Dying(JobChunks);

impl ChunkProcessor for Dying {
    fn process(
        &self,
        claimed: Arc<ClaimedChunk>,
        progress: ProgressCell,
    ) -> BoxFuture<'_, Result<Outcome, ProcessError>> {
        self.0.process(claimed, progress)
    }

    fn discard(&self, claimed: &ClaimedChunk) {
        self.0.discard(claimed);
    }

    fn completed<'a>(&'a self, _: &'a JobChunk) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dead_workers_left_is_published_and_swept_by_any_number_who_look() {
    let bed = bed().await;
    let (folder, store) = (bed.folder("out"), in_store());
    for dataset in [&folder, &store] {
        bed.job(dataset, json!({})).await;
    }
    bed.work(Arc::new(Dying(bed.chunks(access())))).await;
    for dataset in [&folder, &store] {
        assert!(storage(dataset).output().await.unwrap().is_none());
        // Of attempts that are over, and of a chunk that nobody here knows.
        let first = bed.service.get_chunks_for_job(JobId::new(1)).await.unwrap().to_vec().await.unwrap();
        storage(dataset).put("_staging/999-1/00009.tar", "litter".into()).await.unwrap();
        storage(dataset)
            .put(&format!("{LIST_DIR}/killed/part-00000.parquet"), "litter".into())
            .await
            .unwrap();
        assert_eq!(first[0].attempt.get(), 1);
    }
    storage(&folder).put("_staging/1-0/00000.tar", "litter".into()).await.unwrap();
    bed.service.repository().announce_ends().await.unwrap();
    let looks = (0..4).map(|_| {
        let finisher = bed.finisher();
        async move { finisher.look(Duration::ZERO).await }
    });
    futures::future::try_join_all(looks).await.unwrap();
    for dataset in [&folder, &store] {
        let storage = storage(dataset);
        let left: Vec<_> =
            storage.list("_staging").await.unwrap().into_iter().map(|entry| entry.name).collect();
        let left: Vec<_> = left.iter().filter(|name| !name.ends_with(".lock")).collect();
        assert_eq!(left, ["_staging/999-1/00009.tar"], "{dataset}");
        assert!(!storage.has(&format!("{LIST_DIR}/killed")).await.unwrap(), "{dataset}");
        storage.delete_folder("_staging").await.unwrap();
        assert_whole(dataset, &["00000", "00001", "00002"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_lost_keeps_neither_the_summary_nor_the_rest_back_and_is_told_of_once_it_is_found() {
    let bed = bed().await;
    for dataset in [bed.folder("out"), in_store()] {
        let storage = storage(&dataset);
        let job_id = bed.job(&dataset, json!({"format": "webdataset"})).await;
        bed.work(Arc::new(Dying(bed.chunks(access())))).await;
        let chunks = bed.service.get_chunks_for_job(job_id).await.unwrap().to_vec().await.unwrap();
        let tar = format!("_staging/{}-1/00000.tar", chunks[0].id);
        let lost = storage.read(&tar, 1_000_000).await.unwrap().unwrap();
        storage.delete(&tar).await.unwrap();
        storage.put(&format!("_staging/{}-0/00001.tar", chunks[1].id), "litter".into()).await.unwrap();
        let finisher = bed.finisher();
        bed.service.repository().announce_ends().await.unwrap();
        finisher.look(Duration::ZERO).await.unwrap();
        let summary = async || {
            let bytes = storage.read("dataset.json", 1_000_000).await.unwrap().unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        let told = summary().await;
        let counts = (&told["unpublished_chunks"], &told["completed_chunks"], &told["images_ok"]);
        assert_eq!(counts, (&json!(1), &json!(3), &json!(27)), "{dataset}");
        assert_eq!(told["shards"].as_array().unwrap().len(), 2, "{dataset}");
        assert!(!storage.has(&format!("_staging/{}-0", chunks[1].id)).await.unwrap(), "{dataset}");
        storage.put(&tar, lost).await.unwrap();
        assert_eq!(finisher.look(Duration::ZERO).await.unwrap(), 1, "it is not its turn yet");
        assert_eq!(summary().await, told);
        finisher.look_at(job_id, Duration::ZERO).await.unwrap();
        assert_whole(&dataset, &["00000.tar", "00001.tar", "00002.tar"]).await;
        assert_eq!(
            bed.service.repository().list_unfinished_datasets(Duration::ZERO, None, 9).await.unwrap(),
            []
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_goes_on_after_its_end_gets_another_summary() {
    let bed = bed().await;
    let dataset = in_store();
    let job_id = bed.start(bed.new_job(&dataset, json!({}))).await;
    bed.work(Arc::new(bed.chunks(access()))).await;
    assert_eq!(bed.get(job_id).await.status(), CrawlJobStatus::Failed);
    // Without a list there is nothing to tell; then it comes.
    bed.finish().await;
    bed.take_in(&dataset).await;
    bed.finish().await;
    let summary = storage(&dataset).read("dataset.json", 1_000_000).await.unwrap().unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!((&summary["status"], &summary["failed_chunks"]), (&json!("failed"), &json!(3)));
    bed.jobs.retry(job_id).await.unwrap();
    bed.work(Arc::new(bed.chunks(access()))).await;
    bed.finish().await;
    assert_whole(&dataset, &["00000", "00001", "00002"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_fails_chunks_in_time_and_publishes_nothing_half() {
    let bed = bed().await;
    let dataset = in_store();
    let job_id = bed.job(&dataset, json!({"format": "webdataset"})).await;
    let proxy = FaultProxy::start(S3Server::shared().port()).unwrap();
    let behind: Access = S3Server::environment_at(proxy.port()).into_iter().collect();
    proxy.stall_both();
    bed.work(Arc::new(bed.chunks(behind.with_patience(Duration::from_millis(300))))).await;
    assert_eq!(bed.get(job_id).await.status(), CrawlJobStatus::Failed);
    for error in bed.errors(job_id).await {
        assert!(error.contains("s3://") && !error.contains("a-secret-of-tests"), "{error}");
    }
    proxy.resume();
    assert_eq!(storage(&dataset).output().await.unwrap(), None);
    bed.jobs.retry(job_id).await.unwrap();
    bed.work(Arc::new(bed.chunks(access()))).await;
    bed.finish().await;
    assert_whole(&dataset, &["00000.tar", "00001.tar", "00002.tar"]).await;
    let chunks = bed.service.get_chunks_for_job(job_id).await.unwrap().to_vec().await.unwrap();
    assert!(chunks.iter().all(|chunk| chunk.status() == JobChunkStatus::Completed));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_is_ready_waits_for_a_store_that_is_away_for_a_while() {
    let bed = bed_with(1).await;
    let dataset = in_store();
    bed.take_in_chunks_of(50, &dataset).await;
    let job_id = bed.start(NewCrawlJob { chunk_size: 50, ..bed.new_job(&dataset, json!({})) }).await;
    let proxy = FaultProxy::start(S3Server::shared().port()).unwrap();
    let behind: Access = S3Server::environment_at(proxy.port()).into_iter().collect();
    let chunks = Arc::new(bed.chunks(behind.with_patience(Duration::from_millis(300))));
    let away = async {
        // The list was read before the first image was asked for.
        while bed.site.permits.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.stall_both();
        let before = proxy.accepted();
        bed.site.permits.add_permits(1_000);
        // Some uploads were tried in vain.
        while proxy.accepted() < before + 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        proxy.resume();
    };
    futures::future::join(bed.work(chunks), away).await;
    let job = bed.get(job_id).await;
    assert_eq!(job.status(), CrawlJobStatus::Completed, "{:?}", bed.errors(job_id).await);
    bed.finish().await;
    assert_whole(&dataset, &["00000"]).await;
}
