//! A site that misbehaves in every way: each image ends in its class and in time, memory stays flat, and nobody is
//! asked for anything that is forbidden. It runs in a network of its own, with the addresses that are allowed by
//! default and no others: the site's hosts have public ones.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::checker::{Check, Transform};
use ream_system_tests::hostile::{HostileSite, JPEG, Run, cases, judge, namespace};
use ream_system_tests::paths::scratch;
use ream_system_tests::real_list::RealList;
use ream_system_tests::ream::{Finished, Ream};
use ream_test_servers::{Fault, Result, cannot, until};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// All of it: the last hosts are given up after three attempts of [`TIMEOUT_S`] each, with waits between.
const LIMIT: Duration = Duration::from_secs(180);
const TIMEOUT_S: u64 = 4;
/// One image with all its attempts and waits.
const MAX_FETCH_MS: u64 = 60_000;
const MAX_BYTES: &str = "5242880";
const MOST_PER_HOST: usize = 4;
const MOST_MEMORY_BYTES: u64 = 300 * 1024 * 1024;

#[test]
fn a_hostile_site_gets_its_classes_where_bytes_are_kept() -> Result<()> {
    namespace::inside("a_hostile_site_gets_its_classes_where_bytes_are_kept", || crawl(Run::Kept))
}

#[test]
fn a_hostile_site_gets_its_classes_where_images_are_resized() -> Result<()> {
    namespace::inside("a_hostile_site_gets_its_classes_where_images_are_resized", || crawl(Run::Resized))
}

fn crawl(run: Run) -> Result<()> {
    let site = HostileSite::start()?;
    let folder = scratch()?;
    let list = write_list(folder.path(), run)?;
    let trusted = folder.path().join("authority.pem");
    std::fs::write(&trusted, site.authority_pem()).map_err(cannot("write a certificate"))?;
    let dataset = folder.path().join("dataset");
    let before = names_in(folder.path())?;

    let format = if run == Run::Kept { "webdataset" } else { "files" };
    let mut crawl = Ream::new(["crawl".into(), list.path.clone().into_os_string(), "--out".into()])
        .with([dataset.as_os_str()])
        .with(["--format", format, "--chunk-size", "50", "--max-bytes", MAX_BYTES])
        .with(["--timeout-s", &TIMEOUT_S.to_string(), "--max-per-host", &MOST_PER_HOST.to_string()])
        .env("SSL_CERT_FILE", &trusted);
    if run == Run::Resized {
        crawl = crawl.with(["--robots", "ignore", "--resize-mode", "center_crop", "--image-size", "64"]);
    }
    let (ended, memory_bytes) = watched(&crawl)?;
    println!(
        "{run:?}: took {:?}, {memory_bytes} bytes of memory\n{}{}",
        ended.took, ended.stdout, ended.stderr
    );

    // Everything that is wrong, together: one fault hides no other.
    let mut faults = judge(&site, run, MOST_PER_HOST);
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    expect(ended.code == Some(0), format!("it ended with {:?} after {:?}", ended.code, ended.took));
    expect(memory_bytes <= MOST_MEMORY_BYTES, format!("it took {memory_bytes} bytes of memory"));
    expect(ended.left_behind.is_empty(), format!("it left {:?} where it was started", ended.left_behind));
    let mut after = names_in(folder.path())?;
    after.retain(|name| name != "dataset");
    expect(after == before, format!("it wrote beside its folder: {after:?}"));
    expect(!Path::new("/tmp/escaped.jpg").exists(), "it wrote into `/tmp`".to_owned());
    let database = format!("sqlite:{}", dataset.join("_ream/ream.db").display());
    let verified = Ream::new(["verify", "--all", "--database", &database]).run(LIMIT)?;
    expect(verified.code == Some(0), format!("`ream verify` says: {}{}", verified.stdout, verified.stderr));
    let mut check = Check::of(&list, &dataset, format).max_fetch_ms(MAX_FETCH_MS);
    if run == Run::Resized {
        check = check.transform(Transform { mode: "center_crop", size: 64, encode: "jpg" });
    }
    match check.run() {
        Ok(said) => println!("{said}"),
        Err(fault) => faults.push(fault.to_string()),
    }
    if faults.is_empty() { Ok(()) } else { Err(Fault::new(faults.join("\n"))) }
}

/// Runs it to its end, and looks at its memory all the time. One that does not end in time is killed: the rest is
/// judged all the same.
fn watched(crawl: &Ream) -> Result<(Finished, u64)> {
    let mut running = crawl.start()?;
    let mut most = 0;
    let ended = until("the crawl to end", LIMIT, || {
        most = running.peak_memory_bytes().unwrap_or(0).max(most);
        Ok(running.has_ended()?.then_some(()))
    });
    let finished = if ended.is_ok() { running.wait(LIMIT)? } else { running.kill()? };
    Ok((finished, most))
}

/// A list of all rows of all cases.
fn write_list(folder: &Path, run: Run) -> Result<RealList> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(cannot(format!("write {}", path.display())))?;
        Ok::<_, Fault>(path)
    };
    let photo = put("small.jpg", JPEG)?;
    let (mut csv, mut served, mut expected) = ("url,caption\n".to_owned(), Map::new(), Map::new());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        for row in &case.rows {
            csv.push_str(&format!("\"{}\",{}\n", row.url.replace('"', "\"\""), case.label));
            // Half a photo is no photo: what is stored of it is not compared with anything.
            let is_known = !row.kept.contains(&"decode");
            served
                .insert(row.url.clone(), if is_known { photo.to_string_lossy().into() } else { Value::Null });
            expected.insert(row.url.clone(), row.expected(run).join("|").into());
            *counts.entry(row.url.clone()).or_default() += 1;
        }
    }
    if let Some((url, _)) = counts.iter().find(|(_, count)| **count > 1) {
        return Err(Fault::new(format!("two cases have the URL {url}")));
    }
    Ok(RealList {
        path: put("list.csv", csv.as_bytes())?,
        served: put("served.json", Value::Object(served).to_string().as_bytes())?,
        expected: put("expected.json", Value::Object(expected).to_string().as_bytes())?,
        accepted: counts.len(),
    })
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).map_err(cannot(format!("read {}", folder.display())))?;
    let mut names: Vec<_> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}
