//! Real photos and graphics in every output format, layout and resize mode. `REAM_FULL=1` takes more than 5,000.
//!
//! The tests are one per resize mode, so that they run side by side.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::kind::Kind;
use ream_system_tests::paths::scratch;
use ream_system_tests::process::is_full;
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::ream::Ream;
use ream_system_tests::site::{Pace, Site};
use ream_test_servers::{Fault, Result};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(900);
const FORMATS: [&str; 3] = ["files", "webdataset", "parquet"];
/// What the list holds at least when all of it is taken.
const FULL_IMAGES: usize = 5_000;

#[test]
fn kept_bytes_are_those_that_were_served() -> Result<()> {
    crawl_and_check(&FORMATS.map(Kind::kept))
}

#[test]
fn images_encoded_anew_keep_their_size() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "no", "jpg")))
}

#[test]
fn border_fills_a_square() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "border", "jpg")))
}

/// PNG, as WebP has no room for what becomes of the narrowest picture of the set: 256 by 43691.
#[test]
fn keep_ratio_brings_the_shorter_side_to_the_size() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "keep_ratio", "png")))
}

#[test]
fn keep_ratio_largest_brings_the_longer_side_to_the_size() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "keep_ratio_largest", "webp")))
}

#[test]
fn center_crop_cuts_a_square_out_of_the_middle() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "center_crop", "jpg")))
}

#[test]
fn img2dataset_layout_says_the_same() -> Result<()> {
    crawl_and_check(&FORMATS.map(|format| Kind::kept(format).as_img2dataset()))?;
    crawl_and_check(&FORMATS.map(|format| Kind::resized(format, "center_crop", "jpg").as_img2dataset()))
}

fn crawl_and_check(kinds: &[Kind]) -> Result<()> {
    let folder = scratch()?;
    let web_root = folder.path().join("site");
    let size = if is_full() { Size::Full } else { Size::Mixed };
    let pictures = Pictures::collect(size, &web_root)?;
    if size == Size::Full && pictures.len() < FULL_IMAGES {
        return Err(Fault::new(format!("the packages hold only {pictures}")));
    }
    let site = Site::start(&web_root, Pace::default())?;
    let list = pictures.list(&site.base_url(), folder.path())?;
    for kind in kinds {
        let dataset = folder.path().join("dataset");
        let ended = kind.crawl(&list, &dataset).run(LIMIT)?.expect_code(0)?;
        let database = format!("sqlite:{}", dataset.join("_ream/ream.db").display());
        Ream::new(["verify", "--all", "--database", &database]).run(LIMIT)?.expect_code(0)?;
        let said =
            kind.check(&list, &dataset).run().map_err(|fault| Fault::new(format!("{kind}: {fault}")))?;
        println!("{kind}: {pictures}, took {:?}\n{said}", ended.took);
        // The next one needs the room.
        std::fs::remove_dir_all(&dataset).map_err(|error| Fault::new(error.to_string()))?;
    }
    Ok(())
}
