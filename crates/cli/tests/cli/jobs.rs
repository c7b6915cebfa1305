use crate::harness::{Session, claim, exists};

#[test]
fn the_life_of_a_job() {
    Session::new()
        .ream(&["jobs", "create", "--name", "photos", "--images", "2500"])
        .ream(&["jobs", "show", "1"])
        .ream(&["jobs", "start", "1"])
        .ream(&["jobs", "start", "1"])
        .ream(&["jobs", "show", "1"])
        .ream(&["jobs", "pause", "1"])
        .ream(&["jobs", "resume", "1"])
        .ream(&["jobs", "priority", "1", "9"])
        .ream(&["jobs", "list"])
        .ream(&["jobs", "cancel", "1", "--yes"])
        .ream(&["jobs", "cancel", "1"])
        .ream(&["jobs", "delete", "1", "--yes"])
        .ream(&["jobs", "list"])
        .matches("jobs_life");
}

#[test]
fn every_move_of_a_job_in_json() {
    Session::new()
        .ream(&["--json", "jobs", "create", "--name", "photos", "--images", "2500", "--start"])
        .ream(&["--json", "jobs", "show", "1"])
        .ream(&["--json", "jobs", "start", "1"])
        .ream(&["--json", "jobs", "pause", "1"])
        .ream(&["--json", "jobs", "resume", "1"])
        .ream(&["--json", "jobs", "priority", "1", "9"])
        .ream(&["--json", "jobs", "retry", "1"])
        .ream(&["--json", "jobs", "list"])
        .ream(&["--json", "jobs", "cancel", "1", "--yes"])
        .ream(&["--json", "jobs", "delete", "1", "--yes"])
        .ream(&["--json", "jobs", "list"])
        .matches("jobs_json");
}

#[test]
fn a_job_at_work_is_shown_with_its_task_ids() {
    let mut s = Session::with_job();
    s.work(|jobs, chunks| async move {
        let claimed = chunks.claim(claim("worker-1", 2)).await?;
        chunks.mark_chunk_completed(&claimed[0]).await?;
        chunks.claim(claim("worker-2", 1)).await?;
        jobs.pause(1.into()).await.map(|_| ())
    });
    s.ream(&["jobs", "show", "1"])
        .ream(&["jobs", "pause", "1"])
        .ream(&["jobs", "cancel", "1"])
        .ream(&["jobs", "delete", "1"])
        .ream(&["jobs", "cancel", "1", "--yes"])
        .ream(&["jobs", "show", "1"])
        .matches("jobs_at_work");
}

#[test]
fn failed_chunks_are_put_back_together() {
    let mut s = Session::with_job();
    s.work(|_, chunks| async move {
        for chunk_id in 1..=5 {
            chunks.mark_chunk_failed(ream::ChunkId::new(chunk_id), Some("disk full")).await?;
        }
        Ok(())
    });
    s.ream(&["jobs", "list", "--status", "failed"])
        .ream(&["jobs", "pause", "1"])
        .ream(&["jobs", "resume", "1"])
        .ream(&["jobs", "pause", "1", "--quiet"])
        .ream(&["jobs", "retry", "1"])
        .ream(&["jobs", "retry", "1"])
        .matches("jobs_retry");
}

#[test]
fn a_list_goes_by_pages() {
    let mut s = Session::new();
    for name in ["a", "b", "a name that is much longer than the forty characters of its column", "d"] {
        s.quietly(&["jobs", "create", "--name", name, "--images", "1"]);
    }
    s.ream(&["jobs", "list", "--limit", "2"])
        .ream(&["jobs", "list", "--limit", "2", "--cursor", "after-3"])
        .ream(&["jobs", "list", "--limit", "3", "--json", "--cursor", "after-2"])
        .ream(&["jobs", "list", "--limit", "1", "--status", "pending"])
        .ream(&["jobs", "list", "--status", "failed"])
        .ream(&["jobs", "list", "--all"])
        .matches("jobs_pages");
    let first = s.quietly(&["jobs", "list", "--json", "--limit", "3"]);
    assert_eq!(String::from_utf8_lossy(&first.stderr), "{\"next\":\"after-2\"}\n");
    assert_eq!(String::from_utf8_lossy(&first.stdout).lines().count(), 3);
}

#[test]
fn what_a_job_cannot_be_made_of() {
    let mut s = Session::new();
    s.ream(&["jobs", "create"])
        .ream(&["jobs", "create", "--name", "", "--images", "5"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--priority", "11"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--priority", "-1"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--executor", "ream"])
        .ream(&["jobs", "create", "--name", "x", "--images", "300000000001"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--lease-s", "0", "--max-retries", "1001"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--lease-s", "4"])
        .ream(&["--json", "jobs", "create", "--name", "", "--images", "5"]);
    assert!(!exists(&s, "ream.db"), "a refused job left a database behind");
    s.matches("jobs_create_bad");
}

#[test]
fn what_cannot_be_done_to_a_job() {
    let mut s = Session::with_job();
    s.work(|_, chunks| async move {
        for chunk_id in 1..=5 {
            chunks.mark_chunk_completed(ream::ChunkId::new(chunk_id)).await?;
        }
        Ok(())
    });
    s.ream(&["jobs", "create", "--name", "second", "--images", "1"])
        .ream(&["jobs", "cancel", "1"])
        .ream(&["jobs", "cancel", "2"])
        .ream(&["jobs", "cancel", "2", "--yes", "--json"])
        .ream(&["jobs", "pause", "2"])
        .ream(&["jobs", "start", "2"])
        .ream(&["jobs", "resume", "2", "--json"])
        .ream(&["jobs", "delete", "2"])
        .matches("jobs_conflicts");
}

#[test]
fn a_job_that_is_not_there_is_3_everywhere() {
    let mut s = Session::with_job();
    for args in [
        &["jobs", "show", "9"][..],
        &["jobs", "start", "9"],
        &["jobs", "pause", "9"],
        &["jobs", "resume", "9"],
        &["jobs", "cancel", "9"],
        &["jobs", "retry", "9"],
        &["jobs", "priority", "9", "5"],
        &["jobs", "delete", "9"],
        &["chunks", "list", "9"],
        &["watch", "9"],
        &["verify", "9"],
    ] {
        s.ream(args);
    }
    s.ream(&["--json", "jobs", "show", "9"])
        .ream(&["jobs", "show", "nine"])
        .ream(&["jobs", "shw", "1"])
        .matches("jobs_not_found");
}

#[test]
fn names_cannot_drive_the_terminal() {
    let mut s = Session::with_job();
    s.sql("UPDATE crawl_jobs SET name = 'a' || char(27) || '[2J' || char(10) || 'b'");
    s.ream(&["jobs", "list"]).ream(&["jobs", "show", "1"]).ream(&["jobs", "delete", "1"]);
    s.matches("jobs_escapes");
}

#[test]
fn a_list_becomes_a_job_for_workers() {
    let mut s = Session::new();
    std::fs::write(s.path().join("urls.csv"), "url,caption\nhttp://127.0.0.1:9/1,one\nno url,two\n").unwrap();
    std::fs::write(s.path().join("bad.csv"), "link\nx\n").unwrap();
    let create = ["jobs", "create", "--name", "pets"];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    s.ream(&with(&["--list", "bad.csv", "--out", "pets"]))
        .ream(&with(&["--list", "urls.csv"]))
        .ream(&with(&["--list", "urls.csv", "--out", "s3://key:secret@bucket/pets"]))
        .ream(&with(&["--list", "urls.csv", "--out", "pets", "--image-size", "0", "--resize-mode", "border"]))
        .ream(&with(&["--images", "5", "--format", "parquet"]));
    assert!(!s.path().join("pets").exists());
    let out = ["--list", "urls.csv", "--out", "bad.csv/pets"];
    assert_eq!(s.quietly(&with(&out)).status.code(), Some(1), "a folder within a file");
    let made =
        s.quietly(&with(&["--list", "urls.csv", "--out", "pets", "--format", "webdataset", "--start"]));
    assert!(made.status.success(), "{made:?}");
    // No public address: each image fails, and the chunk is done.
    let worked = s.quietly(&["work", "--job", "1"]);
    assert!(worked.status.success(), "{worked:?}");
    for name in ["00000.tar", "00000.ledger.parquet", "dataset.json", "_ream/list/list.json"] {
        assert!(s.path().join("pets").join(name).exists(), "{name}");
    }
    assert!(!s.path().join("pets/_staging").exists());
    // Its dataset is in use.
    assert_eq!(s.quietly(&with(&["--list", "urls.csv", "--out", "pets"])).status.code(), Some(4));
    s.matches("jobs_lists");
}
