//! Protects the machine that tests run on: whatever ends a test's process, its servers end as well, and their folders
//! go.
#![allow(clippy::unwrap_used)]

use ream_test_servers::{PgBouncer, PoolMode, Postgres, is_running};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const REPORT: &str = "REAM_TEST_SERVERS_REPORT";
const THEN: &str = "REAM_TEST_SERVERS_THEN";

/// The process that starts servers: does nothing when run as a test of its own.
#[test]
fn starter() {
    let Ok(report) = std::env::var(REPORT) else { return };
    // On a thread that ends, as those of tests do.
    let postgres = std::thread::spawn(Postgres::shared).join().unwrap();
    let bouncer = PgBouncer::start(postgres, PoolMode::Transaction).unwrap();
    assert_eq!(postgres.sql("postgres", "SELECT 1").unwrap(), "1");
    let pids = format!("{} {}", postgres.pid().unwrap(), bouncer.pid());
    let text = format!("{pids}\n{}", postgres.data_folder().parent().unwrap().display());
    let unfinished = Path::new(&report).with_extension("unfinished");
    std::fs::write(&unfinished, text).unwrap();
    std::fs::rename(&unfinished, &report).unwrap();
    if std::env::var(THEN).unwrap() == "wait" {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn servers_end_when_their_process_is_killed() {
    let (mut child, servers) = start("wait");
    assert!(servers.running().count() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| servers.running().count() == 0 && !servers.folder.exists());
}

#[test]
fn the_shared_cluster_ends_when_its_process_ends() {
    let (mut child, servers) = start("end");
    assert!(child.wait().unwrap().success());
    until(|| servers.running().count() == 0 && !servers.folder.exists());
}

struct Servers {
    pids: Vec<u32>,
    folder: PathBuf,
}

impl Servers {
    fn running(&self) -> impl Iterator<Item = u32> {
        self.pids.iter().copied().filter(|pid| is_running(*pid))
    }
}

fn start(then: &str) -> (Child, Servers) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "starter", "--nocapture"]).env(REPORT, &report).env(THEN, then);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    until(|| report.exists() || child.try_wait().unwrap().is_some_and(|status| panic!("{status}")));
    let text = std::fs::read_to_string(&report).unwrap();
    let (pids, servers) = text.split_once('\n').unwrap();
    let pids = pids.split(' ').map(|pid| pid.parse().unwrap()).collect();
    (child, Servers { pids, folder: servers.into() })
}

fn until(mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
