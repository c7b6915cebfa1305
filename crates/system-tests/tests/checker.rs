//! The checker itself: what it is there to find, it finds.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::checker;
use ream_system_tests::kind::Kind;
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::site::{Pace, Site};
use ream_test_servers::Result;
use std::time::Duration;

#[test]
fn damage_to_a_made_up_dataset_is_found() -> Result<()> {
    println!("{}", checker::self_test()?);
    Ok(())
}

#[test]
fn damage_to_a_real_dataset_is_found() -> Result<()> {
    let folder = scratch()?;
    let web_root = folder.path().join("site");
    let pictures = Pictures::collect(Size::Handful, &web_root)?;
    let site = Site::start(&web_root, Pace::default())?;
    let list = pictures.list(&site.base_url(), folder.path())?;
    for format in ["files", "webdataset", "parquet"] {
        let dataset = folder.path().join(format);
        let kind = Kind::kept(format);
        kind.crawl(&list, &dataset)
            .with(["--chunk-size", "50"])
            .run(Duration::from_secs(120))?
            .expect_code(0)?;
        println!("{}", kind.check(&list, &dataset).run()?);
        println!("{}", kind.check(&list, &dataset).self_test()?);
    }
    Ok(())
}
