//! Protects the opening of a SQLite file: by several at once, by an older program, and where it is no database.
#![allow(clippy::unwrap_used)]

mod sqlite_kit;

use ream_core::job_event::NewCrawlJob;
use ream_store::{Actor, JobChunkRepository, JobFilter, PageRequest, SqliteStore};
use sqlite_kit::TestFile;
use std::sync::{Arc, Barrier};

#[test]
fn several_may_open_and_migrate_one_new_file_at_once() {
    for _ in 0..5 {
        let file = Arc::new(TestFile::new());
        let barrier = Arc::new(Barrier::new(6));
        let openers: Vec<_> = (0..6)
            .map(|_| {
                let (file, barrier) = (file.clone(), barrier.clone());
                std::thread::spawn(move || {
                    barrier.wait();
                    SqliteStore::open(&file.options()).map(drop)
                })
            })
            .collect();
        for opener in openers {
            opener.join().unwrap().unwrap();
        }
        let applied: (i64, i64) = file
            .connect()
            .query_row("SELECT count(*), count(DISTINCT version) FROM refinery_schema_history", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .unwrap();
        assert_eq!(applied, (4, 4), "each migration once");
        assert_eq!(file.integrity(), "ok");
    }
}

#[test]
fn a_schema_of_a_newer_program_is_refused_by_name_and_left_alone() {
    let file = TestFile::new();
    drop(file.open());
    file.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (9000, 'from_the_future', '2030-01-01T00:00:00Z', '1')",
    );
    let Err(error) = SqliteStore::open(&file.options()) else { panic!("opened a newer schema") };
    assert_eq!(error.code(), "constraint");
    assert!(error.to_string().contains("newer version"), "{error}");
    file.execute("DELETE FROM refinery_schema_history WHERE version = 9000");
    drop(file.open());
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    let file = TestFile::new();
    let text = "These are holiday notes, and no database at all. ".repeat(100);
    std::fs::write(file.path(), &text).unwrap();
    let Err(error) = SqliteStore::open(&file.options()) else { panic!("opened a text file") };
    assert_eq!(error.code(), "constraint");
    assert!(error.to_string().contains("ream.db") && error.to_string().contains("not a database"), "{error}");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), text);
}

#[test]
fn a_missing_file_or_folder_is_unavailable_and_named() {
    let file = TestFile::new();
    let mut options = file.options();
    options.create = false;
    let Err(error) = SqliteStore::open(&options) else { panic!("opened what is not there") };
    assert!(error.is_unavailable() && error.to_string().contains("ream.db"), "{error}");
    assert!(!file.path().exists());
    options.create = true;
    options.path = file.folder().join("missing").join("ream.db");
    let Err(error) = SqliteStore::open(&options) else { panic!("opened in a folder that is not there") };
    assert!(error.is_unavailable() && error.to_string().contains("missing"), "{error}");
    for readers in [0, 65] {
        options.readers = readers;
        assert_eq!(SqliteStore::open(&options).map(drop).unwrap_err().code(), "validation");
    }
}

#[test]
fn a_database_is_opened_while_somebody_else_writes() {
    let file = TestFile::new();
    drop(file.open());
    let writer = file.connect();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE clock SET shift_ms = 1").unwrap();
    let mut options = file.options();
    options.busy_timeout = std::time::Duration::from_millis(200);
    let store = SqliteStore::open(&options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let jobs = runtime.block_on(store.list_jobs(JobFilter::default(), PageRequest::default())).unwrap();
    assert_eq!(jobs.items, []);
}

#[test]
fn state_survives_closing_and_opening() {
    let file = TestFile::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let job =
        runtime.block_on(file.open().create_job(NewCrawlJob::named("kept"), &Actor::service())).unwrap();
    assert_eq!(runtime.block_on(file.open().get_job(job.id)).unwrap(), job);
}

#[test]
fn a_changed_schema_is_named_by_the_check() {
    let file = TestFile::new();
    let store = file.open();
    file.execute("DROP INDEX ix_job_chunks_task_id");
    file.execute("CREATE TABLE notes (text TEXT)");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let faults = runtime.block_on(store.verify_schema()).unwrap();
    assert_eq!(faults, ["index `ix_job_chunks_task_id` is missing"], "what was added does no harm");
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let file = TestFile::new();
    file.execute("CREATE TABLE recipes (name TEXT)");
    let before = std::fs::read(file.path()).unwrap();
    let Err(error) = SqliteStore::open(&file.options()) else { panic!("opened somebody else's database") };
    assert_eq!(error.code(), "constraint");
    assert!(error.to_string().contains("another program"), "{error}");
    assert_eq!(std::fs::read(file.path()).unwrap(), before);
}

#[test]
fn a_closed_file_is_whole_without_its_log() {
    let file = TestFile::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = file.open();
    let job = runtime.block_on(store.create_job(NewCrawlJob::named("kept"), &Actor::service())).unwrap();
    drop(store);
    assert!(!file.path().with_extension("db-wal").exists());
    let copy = file.folder().join("copy.db");
    std::fs::copy(file.path(), &copy).unwrap();
    let copied = SqliteStore::open(&ream_store::SqliteOptions::new(copy)).unwrap();
    assert_eq!(runtime.block_on(copied.get_job(job.id)).unwrap(), job);
}
