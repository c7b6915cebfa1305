//! Ctrl-C, two crawls at once, and another crawl into the same folder.

use ream_system_tests::checker;
use ream_system_tests::killer::{Moment, inventory, wait_for};
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, RealList, Size};
use ream_system_tests::ream::{Ream, Running};
use ream_system_tests::site::{Pace, Site};
use ream_system_tests::state::{Snapshot, Watch};
use ream_test_servers::{Fault, Result, until};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(120);
/// A person who presses Ctrl-C waits no longer.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(5);

/// A site, a list of its images and a folder to crawl into.
struct Scene {
    folder: TempDir,
    _site: Site,
    list: RealList,
    dataset: PathBuf,
}

impl Scene {
    fn new() -> Result<Self> {
        let folder = scratch()?;
        let web_root = folder.path().join("site");
        let pictures = Pictures::collect(Size::Tiny, &web_root)?;
        let site = Site::start(&web_root, Pace { bytes_per_second: None, requests_per_second: Some(250) })?;
        let list = pictures.list(&site.base_url(), folder.path())?;
        let dataset = folder.path().join("dataset");
        Ok(Self { folder, _site: site, list, dataset })
    }

    fn crawl(&self, format: &str) -> Ream {
        Ream::crawl(&self.list.path, &self.dataset, format)
    }

    /// Starts a crawl and waits until it works on a chunk.
    fn at_work(&self, format: &str) -> Result<(Running, Snapshot)> {
        let before = self.state();
        let mut running = self.crawl(format).start()?;
        let now = wait_for(&mut running, &self.dataset, Moment::Staged(1), &before)?;
        Ok((running, now))
    }

    fn state(&self) -> Snapshot {
        Watch::new(&self.dataset).look().unwrap_or_default()
    }

    fn check(&self, format: &str) -> Result<()> {
        checker::check(&self.list, &self.dataset, format, false).map(|_| ())
    }
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Fault::new(what())) }
}

#[test]
fn ctrl_c_gives_chunks_back_and_the_same_command_goes_on() -> Result<()> {
    a_request_to_end_gives_chunks_back("INT")
}

#[test]
fn a_service_managers_request_to_end_does_the_same() -> Result<()> {
    a_request_to_end_gives_chunks_back("TERM")
}

fn a_request_to_end_gives_chunks_back(name: &str) -> Result<()> {
    for format in ["files", "webdataset"] {
        let scene = Scene::new()?;
        let (running, before) = scene.at_work(format)?;
        let pressed = Instant::now();
        running.signal(name)?;
        let ended = running.wait(LIMIT)?.expect_code(130)?;
        let took = pressed.elapsed();
        expect(took < INTERRUPT_LIMIT, || format!("it took {took:?} to end"))?;
        let after = scene.state();
        expect(after.with_status("processing") == 0, || format!("a chunk is still processing: {after:?}"))?;
        expect(after.with_status("pending") > 0, || format!("no chunk is pending: {after:?}"))?;
        expect(after.attempts() >= before.attempts(), || {
            format!("attempts went back: {before:?}, {after:?}")
        })?;
        expect(ended.stderr.contains("the same command goes on"), || {
            format!("nothing says how to go on:\n{}", ended.stderr)
        })?;
        checker::check(&scene.list, &scene.dataset, format, true)?;
        scene.crawl(format).run(LIMIT)?.expect_code(0)?;
        scene.check(format)?;
    }
    Ok(())
}

#[test]
fn ctrl_c_twice_ends_at_once_and_the_same_command_goes_on() -> Result<()> {
    let scene = Scene::new()?;
    let (running, _) = scene.at_work("files")?;
    running.signal("INT")?;
    // The process may be gone already: then one was enough.
    let _ = running.signal("INT");
    running.wait(INTERRUPT_LIMIT)?.expect_code(130)?;
    checker::check(&scene.list, &scene.dataset, "files", true)?;
    scene.crawl("files").run(LIMIT)?.expect_code(0)?;
    scene.check("files")
}

#[test]
fn ctrl_c_before_there_is_a_chunk_is_an_interruption_too() -> Result<()> {
    let scene = Scene::new()?;
    for early in ["_ream/lock", "_ream/list", "_ream/ream.db"] {
        let mut running = scene.crawl("files").start()?;
        until(early, LIMIT, || {
            let there = scene.dataset.join(early).exists();
            expect(there || !running.has_ended()?, || format!("the crawl ended before there was {early}"))?;
            Ok(there.then_some(()))
        })?;
        running.signal("INT")?;
        // In its first milliseconds the system may end it, which a shell shows with the same number.
        let ended = running.wait(INTERRUPT_LIMIT)?;
        expect(ended.shell_code() == Some(130), || format!("it ended with {ended:?}"))?;
    }
    scene.crawl("files").run(LIMIT)?.expect_code(0)?;
    scene.check("files")
}

/// As when a laptop is closed for a while: when it wakes up, its leases are over.
#[test]
fn a_crawl_that_slept_longer_than_its_leases_completes() -> Result<()> {
    let scene = Scene::new()?;
    let (running, _) = scene.at_work("webdataset")?;
    running.signal("STOP")?;
    let over = scene.state().last_lease_ends_at().unwrap_or(i64::MAX);
    until("the leases to run out", LIMIT, || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((since.as_millis() > u128::try_from(over).unwrap_or(u128::MAX)).then_some(()))
    })?;
    running.signal("CONT")?;
    running.wait(LIMIT)?.expect_code(0)?;
    scene.check("webdataset")
}

#[test]
fn two_crawls_at_once_in_one_folder_are_a_conflict() -> Result<()> {
    let scene = Scene::new()?;
    let (first, _) = scene.at_work("webdataset")?;
    let second = scene.crawl("webdataset").run(LIMIT)?.expect_code(4)?;
    expect(second.stderr.contains("another crawl works in"), || format!("it said:\n{}", second.stderr))?;
    first.wait(LIMIT)?.expect_code(0)?;
    scene.check("webdataset")
}

#[test]
fn another_list_or_format_for_the_same_folder_is_a_conflict_that_names_the_difference() -> Result<()> {
    let scene = Scene::new()?;
    let (running, _) = scene.at_work("webdataset")?;
    running.kill()?;
    let (state, files) = (scene.state(), inventory(&scene.dataset)?);

    let other_format = scene.crawl("files").run(LIMIT)?.expect_code(4)?;
    for word in ["output format", "webdataset", "files"] {
        expect(other_format.stderr.contains(word), || format!("no `{word}` in:\n{}", other_format.stderr))?;
    }
    let other_list = scene.folder.path().join("other.csv");
    let fewer = std::fs::read_to_string(&scene.list.path).map(|text| {
        let lines: Vec<_> = text.lines().collect();
        lines[..lines.len() / 2].join("\n")
    });
    std::fs::write(&other_list, fewer.map_err(|error| Fault::new(error.to_string()))?)
        .map_err(|error| Fault::new(error.to_string()))?;
    let other = Ream::crawl(&other_list, &scene.dataset, "webdataset").run(LIMIT)?.expect_code(4)?;
    for word in ["its list was", "list.csv", "other.csv"] {
        expect(other.stderr.contains(word), || format!("no `{word}` in:\n{}", other.stderr))?;
    }

    expect(scene.state() == state, || "a refused crawl changed the database".to_owned())?;
    expect(inventory(&scene.dataset)? == files, || "a refused crawl changed the dataset".to_owned())?;
    scene.crawl("webdataset").run(LIMIT)?.expect_code(0)?;
    scene.check("webdataset")
}
