//! Protects the speed of a long queue: every statement that the store runs often is answered from an index, in order,
//! however many chunks there are. Checked on the statements as they run, by SQLite's own plan.

use super::threads::WriteContext;
use super::{SqliteOptions, activity, chunks, claim, connect, creation, duties, jobs, migrate, once};
use crate::once::Once;
use crate::page::PageRequest;
use crate::repository::{ActivityFilter, Actor, ClaimRequest, JobFilter};
use ream_core::event::Event;
use ream_core::job_event::{JobChanges, JobEvent, NewCrawlJob};
use ream_core::{CrawlJobStatus, Executor, JobChunkStatus, JobId, Priority, TaskId};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Traced {
    conn: Connection,
    statements: Arc<Mutex<BTreeSet<String>>>,
    _folder: tempfile::TempDir,
}

impl Traced {
    /// A database with a job, whose further statements are all noted.
    fn new() -> (Self, JobId) {
        let folder = tempfile::tempdir().unwrap();
        let mut conn = connect(&SqliteOptions::new(folder.path().join("ream.db"))).unwrap();
        migrate::migrate(&mut conn).unwrap();
        let job_id = {
            let mut cx = WriteContext { conn: &conn, wakes_claimers: false };
            let job = jobs::create(&cx, &NewCrawlJob::named("plans"), &Actor::service()).unwrap();
            creation::create_step(&mut cx, job.id, 5_000, None, &Actor::service()).unwrap();
            job.id
        };
        let statements = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = statements.clone();
        let note = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                noted.lock().unwrap().insert(sql.to_owned());
            }
        };
        conn.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
        (Self { conn, statements, _folder: folder }, job_id)
    }

    fn write(&self) -> WriteContext<'_> {
        WriteContext { conn: &self.conn, wakes_claimers: false }
    }

    /// Fails on each statement that reads a table from end to end or sorts what it found.
    fn check(&self, least_statements: usize) {
        let statements: Vec<String> = self.statements.lock().unwrap().iter().cloned().collect();
        assert!(statements.len() >= least_statements, "only {} statements were seen", statements.len());
        let mut faults = Vec::new();
        for sql in statements.iter().filter(|sql| !sql.starts_with("--")) {
            let mut statement = self.conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                if is_slow(&step) && !(is_bounded(sql) && step.contains("TEMP B-TREE")) {
                    faults.push(format!("{step}: {sql}"));
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

fn is_slow(step: &str) -> bool {
    let tables = ["job_chunks", "activity_log", "idempotency_keys"];
    let scans = tables.iter().any(|table| step.starts_with(&format!("SCAN {table}")));
    // A job is looked for among those that its partial index holds, and never among all.
    scans || step == "SCAN crawl_jobs" || step.contains("TEMP B-TREE")
}

/// At most `MAX_OVERDUE_DISPATCHES` rows are sorted.
fn is_bounded(sql: &str) -> bool {
    sql.contains("ORDER BY redispatch_at LIMIT ?3) WHERE job_id = ?2")
}

fn actor() -> Actor {
    Actor::service()
}

#[test]
fn moving_chunks_reads_no_table_from_end_to_end() {
    let (db, job_id) = Traced::new();
    let worker = TaskId::new("worker").unwrap();
    let mut cx = db.write();
    for request in [
        ClaimRequest::new(worker.clone(), 3),
        ClaimRequest::new(worker.clone(), 1).of_job(job_id),
        ClaimRequest { executor: Some(Executor::External), ..ClaimRequest::new(worker.clone(), 2) },
    ] {
        assert!(!claim::claim(&mut cx, &request).unwrap().is_empty());
    }
    let once = Once::new("owner", "key", "0".repeat(64)).unwrap();
    let request = ClaimRequest { once: Some(once), ..ClaimRequest::new(worker.clone(), 1) };
    for _ in 0..2 {
        assert_eq!(claim::claim(&mut cx, &request).unwrap().len(), 1);
    }
    let all = chunks::list(&db.conn, job_id, None, PageRequest::default()).unwrap().items;
    let events = vec![
        (all[0].id, Event::Heartbeat { attempt: all[0].attempt, progress: None }),
        (all[0].id, Event::Complete { attempt: Some(all[0].attempt), outcome: None }),
        (all[1].id, Event::Fail { attempt: Some(all[1].attempt), message: None }),
        (all[1].id, Event::Retry),
        (all[2].id, Event::Release { attempt: all[2].attempt }),
        (all[7].id, Event::Dispatch { task_id: worker }),
        (all[8].id, Event::SetPriority(Priority::MAX)),
    ];
    for answer in chunks::apply(&mut cx, events, &actor()).unwrap() {
        answer.unwrap();
    }
    chunks::split(&mut cx, all[9].id, 3, &actor()).unwrap();
    db.check(15);
}

#[test]
fn looking_at_chunks_and_jobs_reads_no_table_from_end_to_end() {
    let (db, job_id) = Traced::new();
    chunks::list(&db.conn, job_id, None, PageRequest::default()).unwrap();
    for status in JobChunkStatus::ALL {
        chunks::list(&db.conn, job_id, Some(status), PageRequest::default()).unwrap();
    }
    let next = chunks::next_pending(&db.conn, job_id).unwrap().unwrap();
    chunks::get(&db.conn, next.id).unwrap();
    let start = Event::Start { task_id: None };
    chunks::apply(&mut db.write(), vec![(next.id, start)], &actor()).unwrap().remove(0).unwrap();
    assert_eq!(jobs::get(&db.conn, job_id).unwrap().counters.active_chunks, 1);
    jobs::list(&db.conn, JobFilter::default(), PageRequest::default()).unwrap();
    jobs::list(&db.conn, JobFilter { status: Some(CrawlJobStatus::Running) }, PageRequest::default())
        .unwrap();
    duties::list_unpublished(&db.conn, job_id, 10).unwrap();
    duties::list_unfinished_datasets(&db.conn, Duration::ZERO, Some(job_id), 10).unwrap();
    for filter in [
        ActivityFilter::default(),
        ActivityFilter { job_id: Some(job_id), ..ActivityFilter::default() },
        ActivityFilter { chunk_id: Some(next.id), ..ActivityFilter::default() },
    ] {
        activity::list(&db.conn, &filter, PageRequest::default()).unwrap();
    }
    db.check(14);
}

#[test]
fn duties_and_acts_on_jobs_read_no_table_from_end_to_end() {
    let (db, job_id) = Traced::new();
    let mut cx = db.write();
    duties::expire_due(&mut cx, 10).unwrap();
    duties::retry_due(&mut cx, 10).unwrap();
    duties::cancel_overdue_jobs(&mut cx).unwrap();
    duties::announce_ends(&mut cx).unwrap();
    once::sweep_step(&cx).unwrap();
    let changes = JobChanges { priority: Some(Priority::MAX), ..JobChanges::default() };
    for event in [JobEvent::Update(changes), JobEvent::Pause, JobEvent::Resume] {
        jobs::apply(&mut cx, job_id, event, &actor()).unwrap();
    }
    while duties::propagate_priority_step(&cx).unwrap() {}
    jobs::delete(&cx, job_id, &actor()).unwrap();
    while duties::purge_step(&cx).unwrap() {}
    db.check(12);
}
