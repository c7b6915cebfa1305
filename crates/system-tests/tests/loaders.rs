//! What a crawl leaves is loaded by what people load datasets with: the `webdataset` package, `pyarrow`, `pandas`, and
//! code that was written for img2dataset.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::kind::Kind;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::site::{Pace, Site};
use ream_test_servers::{Fault, Result};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn kept_images_load() -> Result<()> {
    load(&["files", "webdataset", "parquet"].map(Kind::kept))
}

#[test]
fn resized_images_load() -> Result<()> {
    load(&["files", "webdataset", "parquet"].map(|format| Kind::resized(format, "center_crop", "jpg")))
}

#[test]
fn what_is_written_for_img2dataset_loads_its_layout() -> Result<()> {
    let kept = ["files", "webdataset", "parquet"].map(|format| Kind::kept(format).as_img2dataset());
    let resized = kept.map(|kind| Kind::resized(kind.format, "keep_ratio", "webp").as_img2dataset());
    load(&[kept, resized].concat())
}

fn load(kinds: &[Kind]) -> Result<()> {
    let folder = scratch()?;
    let web_root = folder.path().join("site");
    let pictures = Pictures::collect(Size::Mixed, &web_root)?;
    let site = Site::start(&web_root, Pace::default())?;
    let list = pictures.list(&site.base_url(), folder.path())?;
    for (number, kind) in kinds.iter().enumerate() {
        let dataset = folder.path().join(number.to_string());
        kind.crawl(&list, &dataset).with(["--chunk-size", "100"]).run(LIMIT)?.expect_code(0)?;
        let said = kind.check(&list, &dataset).load();
        println!("{kind}: {}", said.map_err(|fault| Fault::new(format!("{kind}: {fault}")))?);
    }
    Ok(())
}
