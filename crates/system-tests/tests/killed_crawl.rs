//! A crawl of real images that is killed without a warning, many times, loses nothing and doubles nothing.
//!
//! `REAM_FULL=1` takes the whole list and kills more often. `--nocapture` shows what was killed when.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::killer::{Moment, kill_at, kill_at_the_end, kill_once_there};
use ream_system_tests::kind::Kind;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::ream::Ream;
use ream_system_tests::site::{Pace, Site};
use ream_test_servers::{Fault, Result};
use std::time::{Duration, Instant};

use Moment::{Completed, Staged, Started, Unpublished};

/// What is left of the crawl after the kills has to be done in this time.
const END_LIMIT: Duration = Duration::from_secs(300);

const FEW: &[Moment] =
    &[Started, Staged(1), Staged(300_000), Started, Staged(600_000), Unpublished, Staged(100_000), Completed];

/// Four kinds of crawls are killed so often each: more than fifty kills in the middle of the work.
const MANY: &[Moment] = &[
    Started,
    Staged(1),
    Staged(300_000),
    Unpublished,
    Staged(1_000_000),
    Started,
    Completed,
    Staged(2_000_000),
    Unpublished,
    Staged(4_000_000),
    Staged(100_000),
    Unpublished,
    Completed,
];

#[test]
fn killed_crawl_to_webdataset_loses_nothing() -> Result<()> {
    crawl_under_fire(Kind::kept("webdataset"))
}

#[test]
fn killed_crawl_to_files_loses_nothing() -> Result<()> {
    crawl_under_fire(Kind::kept("files"))
}

#[test]
fn killed_crawl_to_parquet_loses_nothing() -> Result<()> {
    crawl_under_fire(Kind::kept("parquet"))
}

#[test]
fn killed_crawl_that_resizes_into_img2datasets_layout_loses_nothing() -> Result<()> {
    crawl_under_fire(Kind::resized("webdataset", "center_crop", "jpg").as_img2dataset())
}

fn crawl_under_fire(kind: Kind) -> Result<()> {
    let started = Instant::now();
    let size = Size::asked_for();
    let folder = scratch()?;
    let (web_root, dataset) = (folder.path().join("site"), folder.path().join("a dataset, größer"));
    let pictures = Pictures::collect(size, &web_root)?;
    println!("{kind}: {pictures}");
    let pace = Pace { bytes_per_second: Some(2_000_000), requests_per_second: Some(400) };
    let site = Site::start(&web_root, pace)?;
    let list = pictures.list(&site.base_url(), folder.path())?;
    let crawl = kind.crawl(&list, &dataset);
    let between = || kind.check(&list, &dataset).partial().run();

    // Before there is anything to lose: while the folder, the list's parts and the database are made.
    for early in ["_ream/lock", "_ream/list", "_ream/crawl.json", "_ream/ream.db"] {
        kill_once_there(&crawl, &dataset.join(early))?;
    }
    let moments = if size == Size::Full { MANY } else { FEW };
    let mut unpublished = 0;
    for (number, moment) in moments.iter().enumerate() {
        let kill = kill_at(&crawl, &dataset, *moment)?;
        println!("{kind}: kill {} {kill}", number + 1);
        unpublished += usize::from(kill.unpublished() > 0);
        between().map_err(|fault| Fault::new(format!("after kill {} ({kill}): {fault}", number + 1)))?;
    }
    kill_at_the_end(&crawl, &dataset)?;
    between()?;
    let ended = crawl.run(END_LIMIT)?.expect_code(0)?;
    println!("{kind}: {} kills, {unpublished} of them with unpublished output", moments.len());
    println!("{kind}: the last run took {:?} and said:\n{}{}", ended.took, ended.stdout, ended.stderr);

    let database = format!("sqlite:{}", dataset.join("_ream/ream.db").display());
    let verify = Ream::new(["verify", "--all", "--database", &database]).run(END_LIMIT)?.expect_code(0)?;
    println!("{kind}: verify said:\n{}", verify.stdout);
    println!("{kind}: the checker said:\n{}", kind.check(&list, &dataset).run()?);

    // Once more: there is nothing left to do, and nothing changes.
    crawl.run(END_LIMIT)?.expect_code(0)?;
    kind.check(&list, &dataset).run()?;
    println!("{kind}: {} rows, all in {:?}", list.accepted, started.elapsed());
    Ok(())
}
