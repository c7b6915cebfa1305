//! The whole service: two servers and eight workers on one PostgreSQL and one store, any of which may die or be cut off.

use ream_system_tests::checker::Check;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, RealList, Size};
use ream_system_tests::ream::{Finished, Ream, Running};
use ream_system_tests::shared_state::{ask, write_state};
use ream_system_tests::site::{Pace, Site};
use ream_system_tests::stored::Store;
use ream_test_servers::{
    Direction, Ending, Fault, FaultProxy, FreshDatabase, Postgres, Result, S3Server, cannot, until,
};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(240);
const SERVERS: usize = 2;
const WORKERS: usize = 8;
const FORMAT: &str = "webdataset";
const DATASET: &str = "pictures";

/// A server, and the proxies on its way to the database and on everybody's way to it.
struct Served {
    process: Running,
    port: String,
    to_database: FaultProxy,
    to_it: FaultProxy,
}

struct Scene {
    folder: TempDir,
    _site: Site,
    list: RealList,
    database: FreshDatabase<'static>,
    /// Where datasets lie, and how it is reached directly.
    storage: String,
    environment: Vec<(String, String)>,
    to_store: FaultProxy,
    servers: Vec<Served>,
    worker_token: String,
    operator_token: String,
}

impl Scene {
    fn new(requests_per_second: u32) -> Result<Self> {
        let folder = scratch()?;
        let web_root = folder.path().join("site");
        let pictures = Pictures::collect(Size::Tiny, &web_root)?;
        let pace = Pace { bytes_per_second: None, requests_per_second: Some(requests_per_second) };
        let site = Site::start(&web_root, pace)?;
        let list = pictures.list(&site.base_url(), folder.path())?;
        let database = Postgres::shared().fresh_database().map_err(|fault| Fault::new(fault.to_string()))?;
        let mut scene = Self {
            folder,
            _site: site,
            list,
            database,
            storage: format!("s3://{}/sets", S3Server::shared().fresh_bucket()?),
            environment: S3Server::shared().environment(),
            to_store: FaultProxy::start(S3Server::shared().port())?,
            servers: Vec::new(),
            worker_token: String::new(),
            operator_token: String::new(),
        };
        scene.worker_token = scene.token("workers", "worker")?;
        scene.operator_token = scene.token("operators", "operator")?;
        for _ in 0..SERVERS {
            let to_database = FaultProxy::start(Postgres::shared().port())?;
            let process = scene.serve(&to_database, "0")?;
            let port = scene.port_of(&process)?;
            let number = port.parse().map_err(cannot("read a port"))?;
            let to_it = FaultProxy::start(number)?;
            scene.servers.push(Served { process, port, to_database, to_it });
        }
        Ok(scene)
    }

    fn token(&self, name: &str, role: &str) -> Result<String> {
        let create = ["tokens", "create", "--name", name, "--role", role, "--database", &self.database.url()];
        let made = Ream::new(create).run(LIMIT)?.expect_code(0)?;
        Ok(made.stdout.trim().to_owned())
    }

    fn serve(&self, to_database: &FaultProxy, port: &str) -> Result<Running> {
        let listen = format!("127.0.0.1:{port}");
        let database = self.database.url_at(to_database.port());
        let args = ["serve", "--listen", &listen, "--storage", &self.storage, "--database", &database];
        Ream::new(args).envs(self.environment.clone()).start()
    }

    fn port_of(&self, server: &Running) -> Result<String> {
        until("a server to say where it listens", LIMIT, || {
            let said = server.stdout_so_far();
            Ok(said.lines().next().and_then(|url| url.rsplit_once(':')).map(|(_, port)| port.to_owned()))
        })
    }

    /// Both servers, the one of this number first.
    fn urls(&self, first: usize) -> String {
        let url = |n: usize| format!("http://127.0.0.1:{}", self.servers[n % SERVERS].to_it.port());
        format!("{},{}", url(first), url(first + 1))
    }

    fn worker(&self, number: usize) -> Result<Running> {
        let urls = self.urls(number);
        let name = format!("w{number}");
        let work = Ream::new(["work", "--server", &urls, "--name", &name, "--allow-net", "127.0.0.0/8"]);
        work.with(["--chunks-in-flight", "2", "--drain-s", "10", "--scratch"])
            .with([self.folder.path()])
            .envs(S3Server::environment_at(self.to_store.port()))
            .env("REAM_TOKEN", &self.worker_token)
            .start()
    }

    fn operate<const N: usize>(&self, args: [&str; N]) -> Ream {
        Ream::new(args).with(["--server", &self.urls(0)]).env("REAM_TOKEN", &self.operator_token)
    }

    /// Small chunks, so that each worker has some; as many retries as there may be kills.
    fn create(&self, chunk_size: &str) -> Result<Finished> {
        let args = ["jobs", "create", "--name", "pictures", "--start", "--out", DATASET, "--format", FORMAT];
        let policy = ["--lease-s", "4", "--heartbeat-s", "1", "--backoff-s", "1", "--max-retries", "100"];
        let job = self.operate(args).with(policy).with(["--chunk-size", chunk_size, "--list"]);
        job.with([&self.list.path]).run(LIMIT)?.expect_code(0)
    }

    fn ask(&self, sql: &str) -> Result<String> {
        Ok(ask(&self.database, sql)?.trim().to_owned())
    }

    fn is_completed(&self) -> Result<bool> {
        Ok(self.ask("SELECT status FROM crawl_jobs")? == "completed")
    }

    fn store(&self) -> Result<Store> {
        Store::new(&self.storage, &self.environment)
    }

    /// All chunks completed, all output published, the summary written.
    fn until_finished(&self) -> Result<()> {
        until("the job to be completed", LIMIT, || Ok(self.is_completed()?.then_some(())))?;
        let unpublished = "SELECT count(*) FROM job_chunks WHERE unpublished";
        until("all output to be published", LIMIT, || Ok((self.ask(unpublished)? == "0").then_some(())))?;
        let store = self.store()?;
        let summary = format!("{DATASET}/dataset.json");
        until("the summary to be written", LIMIT, || Ok(store.has(&summary)?.then_some(())))
    }

    fn verify(&self) -> Result<()> {
        let verify = ["verify", "--all", "--database", &self.database.url()];
        Ream::new(verify).run(LIMIT)?.expect_code(0).map(|_| ())
    }

    fn check(&self) -> Result<()> {
        let dataset = self.store()?.fetch(DATASET, &self.folder.path().join("fetched"))?;
        let state = write_state(&self.database, self.folder.path())?;
        Check::of(&self.list, &dataset, FORMAT).state(&state).run().map(|_| ())
    }
}

/// What may happen to the scene. Everything is put right again by whoever makes it happen.
#[derive(Debug, Clone, Copy)]
enum Misfortune {
    KillServer,
    KillWorker,
    CutServerFromDatabase,
    CutEverybodyFromServer,
    CutAnswerOfServer,
    StallServer,
    CutWorkersFromStore,
}

const MISFORTUNES: [Misfortune; 7] = [
    Misfortune::KillServer,
    Misfortune::KillWorker,
    Misfortune::CutServerFromDatabase,
    Misfortune::CutEverybodyFromServer,
    Misfortune::CutAnswerOfServer,
    Misfortune::StallServer,
    Misfortune::CutWorkersFromStore,
];

impl Scene {
    fn befall(
        &mut self,
        what: Misfortune,
        workers: &mut [Running],
        random: &mut fastrand::Rng,
    ) -> Result<()> {
        let (server, worker) = (random.usize(..SERVERS), random.usize(..WORKERS));
        let ending = if random.bool() { Ending::Reset } else { Ending::Close };
        let served = &self.servers[server];
        match what {
            Misfortune::KillServer => {
                let again = |scene: &Self| {
                    scene.serve(&scene.servers[server].to_database, &scene.servers[server].port)
                };
                self.servers[server].process.signal("KILL")?;
                // The port is free once the process is gone.
                until("a server to be gone", LIMIT, || {
                    Ok(self.servers[server].process.has_ended()?.then_some(()))
                })?;
                self.servers[server].process = again(self)?;
                self.port_of(&self.servers[server].process)?;
            }
            Misfortune::KillWorker => {
                let other = self.worker(worker)?;
                std::mem::replace(&mut workers[worker], other).kill()?;
            }
            Misfortune::CutServerFromDatabase => served.to_database.cut(ending),
            Misfortune::CutEverybodyFromServer => served.to_it.cut(ending),
            Misfortune::CutAnswerOfServer => {
                served.to_it.cut_after(Direction::ToClient, random.u64(..500), ending);
            }
            Misfortune::StallServer => {
                served.to_it.stall_both();
                std::thread::sleep(Duration::from_millis(random.u64(100..1500)));
                served.to_it.resume();
            }
            Misfortune::CutWorkersFromStore => self.to_store.cut(ending),
        }
        Ok(())
    }
}

#[test]
fn whatever_dies_or_is_cut_off_the_job_is_completed_and_its_dataset_is_whole() -> Result<()> {
    let mut scene = Scene::new(120)?;
    scene.create("20")?;
    let mut workers = (0..WORKERS).map(|n| scene.worker(n)).collect::<Result<Vec<Running>>>()?;
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut befallen = 0;
    let begun = Instant::now();
    while !scene.is_completed()? && begun.elapsed() < LIMIT {
        // Each at least once, then as they come.
        let what = MISFORTUNES
            .get(befallen)
            .copied()
            .unwrap_or_else(|| MISFORTUNES[random.usize(..MISFORTUNES.len())]);
        scene.befall(what, &mut workers, &mut random)?;
        befallen += 1;
        std::thread::sleep(Duration::from_millis(random.u64(200..800)));
    }
    assert!(
        befallen >= MISFORTUNES.len(),
        "the job was completed before everything had happened: {befallen}"
    );
    scene.until_finished()?;
    for worker in workers {
        worker.signal("TERM")?;
        let said = worker.wait(LIMIT)?.expect_code(0)?.stderr;
        assert!(!said.contains(&scene.worker_token) && !said.contains("a-secret-of-tests"), "{said}");
    }
    scene.verify()?;
    scene.check()?;
    let twice = "SELECT count(*) FROM (SELECT chunk_id FROM activity_log WHERE action = 'completed' \
        GROUP BY chunk_id HAVING count(*) > 1) AS twice";
    assert_eq!(scene.ask(twice)?, "0", "completed twice");
    let unfenced = "SELECT count(*) FROM activity_log WHERE unfenced";
    assert_eq!(scene.ask(unfenced)?, "0", "a worker's word without its attempt");
    Ok(())
}

/// The published shard, as it is in the store.
fn shard(scene: &Scene, folder: &Path) -> Result<Vec<u8>> {
    let fetched = scene.store()?.fetch(DATASET, folder)?;
    std::fs::read(fetched.join("00000.tar")).map_err(cannot("read the shard"))
}

#[test]
fn what_a_worker_does_after_it_was_frozen_past_its_lease_replaces_nothing() -> Result<()> {
    // Slow enough that it is in the middle of the chunk when it is frozen.
    let scene = Scene::new(40)?;
    scene.create("5000")?;
    let frozen = scene.worker(0)?;
    let holder = "SELECT count(*) FROM job_chunks WHERE status = 'processing'";
    until("the first worker to take the chunk", LIMIT, || Ok((scene.ask(holder)? == "1").then_some(())))?;
    frozen.signal("STOP")?;
    let expired = "SELECT count(*) FROM activity_log WHERE action = 'expired'";
    until("its lease to run out", LIMIT, || Ok((scene.ask(expired)? == "1").then_some(())))?;
    let other = scene.worker(1)?;
    scene.until_finished()?;
    let before = shard(&scene, &scene.folder.path().join("before"))?;
    frozen.signal("CONT")?;
    until("the first worker to hear that its lease is lost", LIMIT, || {
        let said = frozen.stderr_so_far();
        Ok((said.contains("chunk is dropped") || said.contains("chunk is given back")).then_some(()))
    })?;
    for worker in [frozen, other] {
        worker.signal("TERM")?;
        worker.wait(LIMIT)?.expect_code(0)?;
    }
    assert_eq!(shard(&scene, &scene.folder.path().join("after"))?, before);
    assert_eq!(scene.ask("SELECT attempt || ' ' || status FROM job_chunks")?, "2 completed");
    scene.verify()?;
    scene.check()
}
