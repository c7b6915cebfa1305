//! Several processes at one crawl, with their state in PostgreSQL: some are killed, and the others complete it.

use ream_system_tests::checker::Check;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, RealList, Size};
use ream_system_tests::ream::{Ream, Running};
use ream_system_tests::shared_state::{ask, write_state};
use ream_system_tests::site::{Pace, Site};
use ream_test_servers::{Fault, FreshDatabase, Postgres, Result, until};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(180);
const PROCESSES: usize = 4;
const FORMAT: &str = "webdataset";

struct Scene {
    folder: TempDir,
    _site: Site,
    list: RealList,
    dataset: PathBuf,
    database: FreshDatabase<'static>,
}

impl Scene {
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let web_root = folder.path().join("site");
        let pictures = Pictures::collect(Size::Tiny, &web_root)?;
        let site = Site::start(&web_root, Pace { bytes_per_second: None, requests_per_second: Some(150) })?;
        let list = pictures.list(&site.base_url(), folder.path())?;
        let dataset = folder.path().join("dataset");
        let database = Postgres::shared().fresh_database().map_err(|fault| Fault::new(fault.to_string()))?;
        Ok(Self { folder, _site: site, list, dataset, database })
    }

    /// Small chunks, so that each process has some.
    fn crawl(&self) -> Ream {
        let shared = ["--database", &self.database.url(), "--chunk-size", "60", "--chunks-in-flight", "2"];
        Ream::crawl(&self.list.path, &self.dataset, FORMAT).with(shared)
    }

    fn ask(&self, sql: &str) -> Result<String> {
        ask(&self.database, sql)
    }

    /// Who works on chunks now, by process id.
    fn at_work(&self) -> Vec<u32> {
        // Before the schema is there, nobody.
        let sql = "SELECT DISTINCT split_part(task_id, '-', 2) FROM job_chunks WHERE status = 'processing'";
        self.ask(sql).unwrap_or_default().lines().filter_map(|pid| pid.parse().ok()).collect()
    }

    fn check(&self) -> Result<()> {
        let state = write_state(&self.database, self.folder.path())?;
        Check::of(&self.list, &self.dataset, FORMAT).state(&state).run().map(|_| ())
    }

    fn verify(&self) -> Result<()> {
        Ream::new(["verify", "--all", "--database", &self.database.url()])
            .run(LIMIT)?
            .expect_code(0)
            .map(|_| ())
    }
}

#[test]
fn four_processes_at_one_crawl_complete_it_though_two_are_killed() -> Result<()> {
    let scene = Scene::new()?;
    let mut running = (0..PROCESSES).map(|_| scene.crawl().start()).collect::<Result<Vec<Running>>>()?;
    for _ in 0..2 {
        let victim = until("a process to work on a chunk", LIMIT, || {
            let at_work = scene.at_work();
            Ok(running.iter().position(|process| at_work.contains(&process.id())))
        })?;
        running.remove(victim).kill()?;
    }
    for process in running {
        process.wait(LIMIT)?.expect_code(0)?;
    }
    scene.verify()?;
    scene.check()?;
    let expired = scene.ask("SELECT count(*) FROM activity_log WHERE action = 'expired'")?;
    assert_ne!(expired.trim(), "0", "what the killed ones held was taken up again");
    // Once more: there is nothing left to do, and nothing changes.
    scene.crawl().run(LIMIT)?.expect_code(0)?;
    scene.check()?;
    // Its state is not in the folder.
    let alone = Ream::crawl(&scene.list.path, &scene.dataset, FORMAT).with(["--chunk-size", "60"]);
    let refused = alone.run(LIMIT)?.expect_code(4)?;
    assert!(refused.stderr.contains("its database was in PostgreSQL"), "{}", refused.stderr);
    Ok(())
}

#[test]
fn a_worker_that_knows_only_the_database_completes_a_crawl_that_is_killed() -> Result<()> {
    let scene = Scene::new()?;
    let crawl = scene.crawl().start()?;
    let completed = "SELECT count(*) FROM job_chunks WHERE status = 'completed'";
    until("a chunk to be completed", LIMIT, || {
        Ok(scene.ask(completed).is_ok_and(|count| count.trim() != "0").then_some(()))
    })?;
    crawl.kill()?;
    let work = ["work", "--database", &scene.database.url(), "--allow-net", "127.0.0.0/8"];
    Ream::new(work).with(["--exit-when-idle-s", "20"]).run(LIMIT)?.expect_code(0)?;
    scene.verify()?;
    // All is done, the summary too.
    scene.check()?;
    scene.crawl().run(LIMIT)?.expect_code(0)?;
    scene.check()
}
