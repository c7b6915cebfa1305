//! A crawl of real images that is killed without a warning, many times, loses nothing and doubles nothing.
//!
//! `REAM_FULL=1` takes the whole list and kills more often. `--nocapture` shows what was killed when.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::checker;
use ream_system_tests::fault::{Fault, Result};
use ream_system_tests::killer::{Moment, kill_at, kill_at_the_end, kill_once_there};
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::ream::Ream;
use ream_system_tests::site::{Pace, Site};
use std::time::{Duration, Instant};

use Moment::{Completed, Staged, Started, Unpublished};

/// What is left of the crawl after the kills has to be done in this time.
const END_LIMIT: Duration = Duration::from_secs(300);

const FEW: &[Moment] =
    &[Started, Staged(1), Staged(300_000), Started, Staged(600_000), Unpublished, Staged(100_000), Completed];

const MANY: &[Moment] = &[
    Started,
    Staged(1),
    Staged(300_000),
    Started,
    Unpublished,
    Staged(1_000_000),
    Staged(100_000),
    Started,
    Completed,
    Staged(600_000),
    Staged(2_000_000),
    Started,
    Unpublished,
    Staged(1),
    Staged(4_000_000),
    Staged(300_000),
    Unpublished,
    Started,
    Staged(1_000_000),
    Completed,
    Staged(100_000),
    Staged(2_000_000),
    Unpublished,
    Started,
];

#[test]
fn killed_crawl_to_webdataset_loses_nothing() -> Result<()> {
    crawl_under_fire("webdataset")
}

#[test]
fn killed_crawl_to_files_loses_nothing() -> Result<()> {
    crawl_under_fire("files")
}

fn crawl_under_fire(format: &str) -> Result<()> {
    let started = Instant::now();
    let size = Size::asked_for();
    let folder = scratch()?;
    let (web_root, dataset) = (folder.path().join("site"), folder.path().join("a dataset, größer"));
    let pictures = Pictures::collect(size, &web_root)?;
    println!("{format}: {pictures}");
    let pace = Pace { bytes_per_second: Some(2_000_000), requests_per_second: Some(400) };
    let site = Site::start(&web_root, pace)?;
    let list = pictures.list(&site.base_url(), folder.path())?;
    let crawl = Ream::crawl(&list.path, &dataset, format);

    // Before there is anything to lose: while the folder, the list's parts and the database are made.
    for early in ["_ream/lock", "_ream/list", "_ream/crawl.json", "_ream/ream.db"] {
        kill_once_there(&crawl, &dataset.join(early))?;
    }
    let moments = if size == Size::Full { MANY } else { FEW };
    let mut unpublished = 0;
    for (number, moment) in moments.iter().enumerate() {
        let kill = kill_at(&crawl, &dataset, *moment)?;
        println!("{format}: kill {} {kill}", number + 1);
        unpublished += usize::from(kill.unpublished() > 0);
        checker::check(&list, &dataset, format, true)
            .map_err(|fault| Fault::new(format!("after kill {} ({kill}): {fault}", number + 1)))?;
    }
    kill_at_the_end(&crawl, &dataset)?;
    checker::check(&list, &dataset, format, true)?;
    let ended = crawl.run(END_LIMIT)?.expect_code(0)?;
    println!("{format}: {} kills, {unpublished} of them with unpublished output", moments.len());
    println!("{format}: the last run took {:?} and said:\n{}{}", ended.took, ended.stdout, ended.stderr);

    let database = format!("sqlite:{}", dataset.join("_ream/ream.db").display());
    let verify = Ream::new(["verify", "--all", "--database", &database]).run(END_LIMIT)?.expect_code(0)?;
    println!("{format}: verify said:\n{}", verify.stdout);
    println!("{format}: the checker said:\n{}", checker::check(&list, &dataset, format, false)?);

    // Once more: there is nothing left to do, and nothing changes.
    crawl.run(END_LIMIT)?.expect_code(0)?;
    checker::check(&list, &dataset, format, false)?;
    println!("{format}: {} rows, all in {:?}", list.accepted, started.elapsed());
    Ok(())
}
