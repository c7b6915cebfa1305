use super::*;
use std::fs;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Stages a tar and a folder with this text in each.
fn stage(dataset: &Path, attempt: i64, text: &str) -> Vec<String> {
    let staging = Staging::create(dataset, ChunkId::new(7), Attempt::new(attempt)).unwrap();
    fs::write(staging.path().join("00003.tar"), text).unwrap();
    fs::create_dir(staging.path().join("00003")).unwrap();
    fs::write(staging.path().join("00003").join(format!("{text}.jpg")), text).unwrap();
    staging.seal(&names(&["00003.tar", "00003"])).unwrap()
}

fn listing(dir: &Path) -> Vec<String> {
    let mut found: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    found
}

fn assert_published(dataset: &Path, text: &str) {
    assert_eq!(fs::read_to_string(dataset.join("00003.tar")).unwrap(), text);
    assert_eq!(listing(&dataset.join("00003")), [format!("{text}.jpg")]);
    assert_eq!(listing(&dataset.join("_staging")), [".lock"]);
}

#[test]
fn publishing_again_changes_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let staged = stage(tmp.path(), 1, "one");
    assert_eq!(staged, ["_staging/7-1/00003.tar", "_staging/7-1/00003"]);
    for _ in 0..3 {
        assert_eq!(publish(tmp.path(), &staged).unwrap(), ["00003.tar", "00003"]);
        assert_published(tmp.path(), "one");
    }
}

#[test]
fn a_newer_attempt_replaces_an_older_one() {
    let tmp = tempfile::tempdir().unwrap();
    let first = stage(tmp.path(), 1, "one");
    publish(tmp.path(), &first).unwrap();
    let second = stage(tmp.path(), 2, "two");
    publish(tmp.path(), &second).unwrap();
    assert_published(tmp.path(), "two");
    publish(tmp.path(), &first).unwrap();
    assert_published(tmp.path(), "two");
}

#[test]
fn a_name_in_a_folder_joins_what_the_folder_has() {
    let tmp = tempfile::tempdir().unwrap();
    let name = |chunk: i64| format!("_ledger/0000{chunk}.ledger.parquet");
    for (chunk, attempt, text) in [(1, 1, "one"), (2, 1, "two"), (1, 2, "three")] {
        let staging = Staging::create(tmp.path(), ChunkId::new(chunk), Attempt::new(attempt)).unwrap();
        fs::create_dir(staging.path().join("_ledger")).unwrap();
        fs::write(staging.path().join(name(chunk)), text).unwrap();
        let staged = staging.seal(&[name(chunk)]).unwrap();
        for _ in 0..2 {
            assert_eq!(publish(tmp.path(), &staged).unwrap(), [name(chunk)]);
            assert_eq!(final_name(&staged[0]), Some(name(chunk).as_str()));
        }
    }
    assert_eq!(fs::read_to_string(tmp.path().join(name(1))).unwrap(), "three");
    assert_eq!(fs::read_to_string(tmp.path().join(name(2))).unwrap(), "two");
    assert_eq!(listing(&tmp.path().join("_staging")), [".lock"]);
}

#[test]
fn a_name_that_was_not_written_is_not_sealed() {
    let tmp = tempfile::tempdir().unwrap();
    let staging = Staging::create(tmp.path(), ChunkId::new(7), Attempt::new(1)).unwrap();
    let error = staging.seal(&names(&["_ledger/00003.ledger.parquet"])).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_file_and_a_folder_replace_each_other() {
    let tmp = tempfile::tempdir().unwrap();
    let staged = stage(tmp.path(), 1, "one");
    fs::create_dir_all(tmp.path().join("00003.tar/deep")).unwrap();
    fs::write(tmp.path().join("00003"), "a file").unwrap();
    publish(tmp.path(), &staged).unwrap();
    assert_published(tmp.path(), "one");
}

#[test]
fn every_interrupted_step_is_taken_up() {
    let tmp = tempfile::tempdir().unwrap();
    publish(tmp.path(), &stage(tmp.path(), 1, "one")).unwrap();
    let staged = stage(tmp.path(), 2, "two");
    // Killed between moving the old folder aside and moving the new one in.
    fs::rename(tmp.path().join("00003"), tmp.path().join("_staging/.replaced")).unwrap();
    publish(tmp.path(), &staged).unwrap();
    assert_eq!(listing(&tmp.path().join("00003")), ["two.jpg"]);
    // Killed after the first of two outputs.
    let staged = stage(tmp.path(), 3, "three");
    fs::rename(tmp.path().join(&staged[0]), tmp.path().join("00003.tar")).unwrap();
    publish(tmp.path(), &staged).unwrap();
    assert_eq!(fs::read_to_string(tmp.path().join("00003.tar")).unwrap(), "three");
    assert_eq!(listing(&tmp.path().join("00003")), ["three.jpg"]);
}

#[test]
fn lost_output_is_named() {
    let tmp = tempfile::tempdir().unwrap();
    let error = publish(tmp.path(), &names(&["_staging/7-1/00003.tar"])).unwrap_err();
    assert!(matches!(&error, Error::OutputMissing { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("_staging/7-1/00003.tar") && text.contains("nor"), "{text}");
}

#[test]
fn names_outside_the_dataset_are_refused_before_anything_moves() {
    let tmp = tempfile::tempdir().unwrap();
    let good = stage(tmp.path(), 1, "one");
    for bad in [
        "",
        "00003.tar",
        "/etc/passwd",
        "_staging/7-1/",
        "_staging/7-1",
        "_staging/7-1/../../../x",
        "_staging/../7-1/x",
        "_staging/7-1/a/../../x",
        "_staging/7-1//x",
        "_staging/7-1/a\\..\\x",
        "_staging/7-1/.ream",
        "_staging/7-1/_staging/x",
        "_staging/7-1/_ream/ream.db",
        "_staging/7-1/_ledger/.lock",
        "_staging/7-1/_ledger/../../../x",
        "_staging/7-1/_ledger/",
        "_staging/7-x/a",
        "_staging/-/a",
        "_staging/7-1/a\0b",
        "x/_staging/7-1/a",
    ] {
        let error = publish(tmp.path(), &[good[0].clone(), bad.to_owned()]).unwrap_err();
        assert!(matches!(&error, Error::UnsafeName { name } if name == bad), "{bad:?}: {error}");
        assert_eq!(final_name(bad), None);
    }
    assert!(!tmp.path().join("00003.tar").exists());
}

#[test]
fn two_publishers_at_once_both_succeed() {
    let tmp = tempfile::tempdir().unwrap();
    for round in 1..=20 {
        let text = format!("round {round}");
        let staged = stage(tmp.path(), round, &text);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| publish(tmp.path(), &staged).unwrap());
            }
        });
        assert_published(tmp.path(), &text);
    }
}

#[test]
fn an_attempt_starts_with_an_empty_folder() {
    let tmp = tempfile::tempdir().unwrap();
    stage(tmp.path(), 1, "leftover");
    let staging = Staging::create(tmp.path(), ChunkId::new(7), Attempt::new(1)).unwrap();
    assert_eq!(listing(&staging.path()), Vec::<String>::new());
    staging.discard().unwrap();
    sweep_staging(tmp.path()).unwrap();
    sweep_staging(tmp.path()).unwrap();
    assert_eq!(listing(tmp.path()), Vec::<String>::new());
}

#[test]
fn a_lock_that_is_never_given_up_is_an_error_and_the_output_stays_staged() {
    let tmp = tempfile::tempdir().unwrap();
    let staged = stage(tmp.path(), 1, "one");
    let frozen = lock(tmp.path(), Duration::ZERO).unwrap();
    let error = lock(tmp.path(), Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("_staging/.lock: another process has held it for 0 s"), "{error}");
    drop(frozen);
    publish(tmp.path(), &staged).unwrap();
    assert_published(tmp.path(), "one");
}
