//! `ream work` on jobs that somebody else created: datasets in a folder and in a store, killed workers, a store that dies.

use ream_image_jobs::Storage;
use ream_image_jobs::storage::Access;
use ream_system_tests::checker::Check;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, RealList, Size};
use ream_system_tests::ream::{Finished, Ream};
use ream_system_tests::site::{Pace, Site};
use ream_system_tests::stored::Store;
use ream_test_servers::{FaultProxy, Result, S3Server, cannot, until};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(180);

struct Scene {
    folder: TempDir,
    _site: Site,
    list: RealList,
    environment: Vec<(String, String)>,
}

impl Scene {
    /// A site that takes some seconds for the whole list.
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let web_root = folder.path().join("site");
        let pictures = Pictures::collect(Size::Tiny, &web_root)?;
        let site = Site::start(&web_root, Pace { bytes_per_second: None, requests_per_second: Some(200) })?;
        let list = pictures.list(&site.base_url(), folder.path())?;
        Ok(Self { folder, _site: site, list, environment: S3Server::shared().environment() })
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("jobs.db")
    }

    fn ream<const N: usize>(&self, args: [&str; N]) -> Ream {
        let database = format!("sqlite:{}", self.database().display());
        Ream::new(args).with(["--database", &database]).envs(self.environment.clone())
    }

    fn create(&self, dataset: &str, format: &str) -> Result<Finished> {
        let args =
            ["jobs", "create", "--name", "pictures", "--start", "--chunk-size", "60", "--lease-s", "5"];
        let policy =
            ["--heartbeat-s", "1", "--backoff-s", "1", "--format", format, "--out", dataset, "--list"];
        self.ream(args).with(policy).with([&self.list.path]).run(LIMIT)?.expect_code(0)
    }

    /// Small chunks, and two at a time, so that each worker has some.
    fn worker(&self) -> Ream {
        let work = self.ream(["work", "--exit-when-idle-s", "8", "--allow-net", "127.0.0.0/8"]);
        work.with(["--chunks-in-flight", "2", "--scratch"]).with([self.folder.path()])
    }

    fn ask(&self, sql: &str) -> Result<i64> {
        let connection = Connection::open(self.database()).map_err(cannot("open the database"))?;
        connection.busy_timeout(LIMIT).map_err(cannot("wait for the database"))?;
        connection.query_row(sql, [], |row| row.get(0)).map_err(cannot("ask the database"))
    }

    fn until_some_are_completed(&self, chunks: i64) -> Result<()> {
        let sql = "SELECT count(*) FROM job_chunks WHERE status = 'completed'";
        until("some chunks to be completed", LIMIT, || Ok((self.ask(sql)? >= chunks).then_some(())))
    }

    /// Has the dataset judged; the checker looks for the database within it.
    fn check(&self, dataset: &Path, format: &str) -> Result<()> {
        let copy = dataset.join("_ream/ream.db").display().to_string();
        let connection = Connection::open(self.database()).map_err(cannot("open the database"))?;
        connection.execute("VACUUM INTO ?1", [copy]).map_err(cannot("copy the database"))?;
        Check::of(&self.list, dataset, format).run().map(|_| ())
    }

    /// A place in the store, its URL, and a folder with all that lies there.
    fn in_store(&self) -> Result<String> {
        Ok(format!("s3://{}/sets/pictures", S3Server::shared().fresh_bucket()?))
    }

    fn fetched(&self, url: &str) -> Result<PathBuf> {
        let store = Store::new(url.trim_end_matches("/pictures"), &self.environment)?;
        store.fetch("pictures", &self.folder.path().join("fetched"))
    }
}

#[test]
fn workers_fill_a_dataset_in_a_store_though_one_of_them_is_killed() -> Result<()> {
    let scene = Scene::new()?;
    let url = scene.in_store()?;
    scene.create(&url, "webdataset")?;
    let (killed, other) = (scene.worker().start()?, scene.worker().start()?);
    scene.until_some_are_completed(3)?;
    killed.kill()?;
    let said = other.wait(LIMIT)?.expect_code(0)?.stderr;
    assert!(!said.contains("a-secret-of-tests"), "{said}");
    scene.check(&scene.fetched(&url)?, "webdataset")
}

#[test]
fn a_worker_that_is_told_to_stop_ends_what_it_has_begun_and_the_next_one_goes_on() -> Result<()> {
    let scene = Scene::new()?;
    let dataset = scene.folder.path().join("dataset");
    scene.create(&dataset.display().to_string(), "files")?;
    let first = scene.worker().start()?;
    scene.until_some_are_completed(2)?;
    first.signal("TERM")?;
    first.wait(LIMIT)?.expect_code(0)?;
    let given_back = "SELECT count(*) FROM activity_log WHERE action IN ('released', 'expired')";
    assert_eq!(scene.ask(given_back)?, 0, "what was begun was completed");
    assert_eq!(scene.ask("SELECT count(*) FROM job_chunks WHERE status = 'processing'")?, 0);
    assert!(scene.ask("SELECT count(*) FROM job_chunks WHERE status = 'pending'")? > 0);
    scene.worker().run(LIMIT)?.expect_code(0)?;
    scene.check(&dataset, "files")
}

#[test]
fn a_store_that_dies_meanwhile_costs_retries_and_publishes_nothing_half() -> Result<()> {
    let mut scene = Scene::new()?;
    let url = scene.in_store()?;
    let proxy = FaultProxy::start(S3Server::shared().port())?;
    scene.create(&url, "webdataset")?;
    let direct = std::mem::replace(&mut scene.environment, S3Server::environment_at(proxy.port()));
    let worker = scene.worker().start()?;
    scene.until_some_are_completed(2)?;
    proxy.refuse();
    proxy.cut(ream_test_servers::Ending::Reset);
    let failed = "SELECT count(*) FROM activity_log WHERE action = 'failed'";
    until("a chunk to fail", LIMIT, || Ok((scene.ask(failed)? > 0).then_some(())))?;
    proxy.accept()?;
    worker.wait(LIMIT)?.expect_code(0)?;
    scene.environment = direct;
    scene.check(&scene.fetched(&url)?, "webdataset")
}

#[test]
fn a_list_in_a_store_is_crawled_and_gone_on_with() -> Result<()> {
    let scene = Scene::new()?;
    let (url, dataset) = (scene.in_store()?, scene.folder.path().join("dataset"));
    let access: Access = scene.environment.iter().cloned().collect();
    let storage = Storage::parse_with("storage", &url, &access).map_err(cannot("reach the store"))?;
    let name = scene.list.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let runtime = tokio::runtime::Runtime::new().map_err(cannot("start threads"))?;
    runtime.block_on(storage.put_file(name, &scene.list.path)).map_err(cannot("store the list"))?;
    let list = PathBuf::from(format!("{url}/{name}"));
    let crawl = Ream::crawl(&list, &dataset, "webdataset").envs(scene.environment.clone());
    for _ in 0..2 {
        crawl.run(LIMIT)?.expect_code(0)?;
        Check::of(&scene.list, &dataset, "webdataset").run()?;
    }
    Ok(())
}
