//! Protects the speed of a long queue, and the statements themselves: every one can be prepared with the types it is
//! declared with, and those that run often are answered from an index, in order, however many chunks there are. Asked of
//! the server's own plans, in a session as the store makes it.

use super::claim::QUEUE_HEAD;
use super::connect::{Connection, Connections};
use super::statement::Sql;
use super::{
    PostgresOptions, PostgresStore, activity, chunks, claim, clock, creation, duties, jobs, moves, once,
    tokens, tries, verify, writes,
};
use crate::repository::{Actor, ClaimRequest, JobChunkRepository as _};
use futures::StreamExt as _;
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::{JobId, TaskId};
use ream_test_servers::{FreshDatabase, Postgres};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

macro_rules! statements {
    ($($file:ident::$name:ident),+ $(,)?) => {
        &[$((concat!(stringify!($file), "::", stringify!($name)), &$file::$name)),+]
    };
}

/// Every statement of the backend; a test looks whether one is missing here.
static ALL: &[(&str, &Sql)] = statements![
    activity::LIST,
    activity::LIST_OF_JOB,
    activity::LIST_OF_CHUNK,
    chunks::GET,
    chunks::LIST,
    chunks::LIST_OF_STATUS,
    chunks::NEXT_PENDING,
    chunks::SHRINK,
    chunks::INSERT_PARTS,
    chunks::QUEUE_BEGINS_AT,
    claim::QUEUE_HEAD,
    claim::JOB_EXISTS,
    clock::NOW,
    creation::BEGIN,
    creation::INSERT_PLANNED,
    creation::INSERT_GIVEN,
    creation::NEXT_INDEX,
    creation::MAKE_QUEUE,
    duties::EXPIRED,
    duties::RETRIABLE,
    duties::OVERDUE_JOBS,
    duties::MOVED_JOBS,
    duties::TRY_LOCK,
    duties::DROP_DELTAS,
    duties::UNANNOUNCED,
    duties::NEW_PRIORITY,
    duties::PRIORITY_STEP,
    duties::DELETED_JOB,
    duties::PURGE_CHUNKS,
    duties::PURGE_JOB,
    duties::UNPUBLISHED,
    duties::PUBLISH,
    duties::WAITING_DATASETS,
    duties::UNFINISHED_DATASETS,
    duties::FINISH_DATASET,
    duties::MAINTAIN_LOG,
    jobs::CREATE,
    jobs::GET,
    jobs::TASK_IDS,
    jobs::LIST,
    jobs::LIST_OF_STATUS,
    jobs::CLOSE_GATE,
    jobs::LOCK,
    jobs::TAKE_DELTAS,
    jobs::WRITE,
    jobs::QUEUE_FOLLOWS,
    jobs::PRIORITY_BEGINS,
    jobs::MOVE_DEADLINE,
    jobs::DELETE,
    jobs::LOG,
    moves::LOCK_CHUNKS,
    moves::LOCK_FREE_CHUNKS,
    moves::HOLD_GATES,
    moves::JOBS_OF_CHUNKS,
    once::LOCK,
    once::LOOK,
    once::TRY_LOCKS,
    once::ARE_USED,
    once::KEEP,
    once::SWEEP,
    tokens::CREATE,
    tokens::FIND,
    tokens::LIST,
    tokens::REVOKE,
    tokens::ANY,
    tries::XACT_STATUS,
    verify::JOB,
    verify::CHUNKS,
    verify::RECOUNT,
    verify::DROP_STALE,
    verify::SCHEMA,
    writes::START,
    writes::COMPLETE,
    writes::HEARTBEAT,
    writes::ANY_MOVE,
    writes::LOG,
    writes::COUNT,
    writes::WAKE_UP,
];

/// Statements that read all chunks of one job on purpose, and the one that reads the catalogue.
const READS_ALL: [&str; 2] = ["verify::RECOUNT", "verify::SCHEMA"];

/// A database with a job, and a connection of the store's own making.
struct Scene {
    url: String,
    store: PostgresStore,
    connection: Connection,
    job_id: JobId,
    // Dropped last.
    _database: FreshDatabase<'static>,
}

impl Scene {
    async fn new(chunks: u64) -> Self {
        let database =
            tokio::task::spawn_blocking(|| Postgres::shared().fresh_database().unwrap()).await.unwrap();
        let mut options = PostgresOptions::new(database.url());
        options.max_connections = 3;
        let store = PostgresStore::open(&options).await.unwrap();
        let new = NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("plans") };
        let job_id = store.create_job(new, &Actor::service()).await.unwrap().id;
        while !store.create_chunks_step(job_id, chunks, None, &Actor::service()).await.unwrap().done {}
        let connections = Connections::open(&options).await.unwrap();
        let connection = connections.get().await.unwrap();
        Self { url: database.url(), store, connection, job_id, _database: database }
    }

    /// The bare client of that connection, with its settings.
    async fn client(&self) -> super::statement::Ready<'_> {
        self.connection.ready(&clock::NOW).await.unwrap()
    }
}

/// Statements by the names of their files and their own, as the sources have them.
fn in_sources() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(file) =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".rs"))
        else {
            continue;
        };
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let declared = line.split_once("static ").and_then(|(_, rest)| rest.split_once(": Sql"));
            if let Some((name, _)) = declared
                && !line.trim_start().starts_with("//")
                && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
            {
                found.insert(format!("{file}::{name}"));
            }
        }
    }
    found
}

#[test]
fn no_statement_is_left_out() {
    let listed: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, in_sources());
    // Each is declared where this finds it: as a static of its own.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let mut made = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && !path.ends_with("plans.rs") {
            made += std::fs::read_to_string(path).unwrap().matches("Sql::new(").count();
        }
    }
    // The three lists of the activity log are made by one macro.
    assert_eq!(made, listed.len() - 2, "a statement is made in a place where nobody looks for it");
}

#[tokio::test]
async fn every_statement_can_be_prepared_with_the_types_that_it_declares() {
    let scene = Scene::new(3).await;
    let session = scene.client().await;
    let mut faults = Vec::new();
    for (name, sql) in ALL {
        match session.client.prepare_typed(sql.text, sql.types).await {
            Err(error) => faults.push(format!("{name}: {:?}", error.as_db_error())),
            Ok(prepared) if prepared.params() != sql.types => {
                faults.push(format!("{name} wants {:?}, declared are {:?}", prepared.params(), sql.types));
            }
            Ok(_) => {}
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// One line for each part of a plan that reads a large table from end to end, or sorts what it found there.
fn faults_of(plan: &Value, faults: &mut Vec<String>) {
    let text = |key: &str| plan.get(key).and_then(Value::as_str).unwrap_or_default();
    let (node, table, index) = (text("Node Type"), text("Relation Name"), text("Index Name"));
    let is_large = ["job_chunks", "idempotency_keys"].contains(&table) || table.starts_with("activity_log");
    // An index that is read without a condition is read from end to end as well.
    let is_found = node == "Tid Scan" || (node.starts_with("Index") && plan.get("Index Cond").is_some());
    if is_large && node.contains("Scan") && !is_found {
        faults.push(format!("{node} of {table} {index}"));
    }
    if node.contains("Sort") && touches_large(plan) {
        faults.push(format!("{node} by {}", plan["Sort Key"]));
    }
    for part in plan.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        faults_of(part, faults);
    }
}

fn touches_large(plan: &Value) -> bool {
    let table = plan.get("Relation Name").and_then(Value::as_str).unwrap_or_default();
    ["job_chunks", "idempotency_keys"].contains(&table)
        || table.starts_with("activity_log")
        || plan.get("Plans").and_then(Value::as_array).into_iter().flatten().any(touches_large)
}

/// What is sorted at most is bounded by a limit below it, or by what the caller named.
fn is_bounded(name: &str, fault: &str) -> bool {
    match name {
        // The head of the queue and at most 1,000 overdue dispatches.
        "chunks::NEXT_PENDING" => fault.starts_with("Sort"),
        // The chunks that the call names; their jobs.
        "moves::LOCK_CHUNKS" | "moves::LOCK_FREE_CHUNKS" | "moves::HOLD_GATES" | "moves::JOBS_OF_CHUNKS" => {
            fault.starts_with("Sort")
        }
        _ => false,
    }
}

/// The plan of a statement as this session makes it, whatever its parameters are.
async fn plan(client: &Client, sql: &Sql) -> Value {
    let types: Vec<&str> = sql.types.iter().map(tokio_postgres::types::Type::name).collect();
    let nulls = vec!["NULL"; types.len()].join(", ");
    let (declared, given) = match types.is_empty() {
        true => (String::new(), String::new()),
        false => (format!("({})", types.join(", ")), format!("({nulls})")),
    };
    let all = format!(
        "PREPARE asked{declared} AS {}; EXPLAIN (FORMAT JSON) EXECUTE asked{given}; DEALLOCATE asked",
        sql.text
    );
    let messages = client.simple_query(&all).await.unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    serde_json::from_str::<Value>(row.unwrap()).unwrap()[0]["Plan"].clone()
}

#[tokio::test]
async fn no_statement_reads_a_large_table_from_end_to_end_or_sorts_it() {
    // Statistics of a table that was empty when it was looked at, and of one that is not.
    let scene = Scene::new(3).await;
    for chunks in [3_u64, 20_000] {
        let session = scene.client().await;
        if chunks > 3 {
            let new = NewCrawlJob { chunk_size: 1, ..NewCrawlJob::named("large") };
            let job_id = scene.store.create_job(new, &Actor::service()).await.unwrap().id;
            scene.store.create_chunks_step(job_id, chunks, None, &Actor::service()).await.unwrap();
            session.client.batch_execute("ANALYZE").await.unwrap();
        }
        let mut faults = Vec::new();
        for (name, sql) in ALL.iter().filter(|(name, _)| !READS_ALL.contains(name)) {
            let mut found = Vec::new();
            faults_of(&plan(session.client, sql).await, &mut found);
            found.retain(|fault| !is_bounded(name, fault));
            faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        }
        assert!(faults.is_empty(), "with {chunks} chunks:\n{}", faults.join("\n"));
    }
}

/// A session with the settings of the store's, that hears the plan of every statement it runs, those within functions
/// and triggers included.
struct Listening {
    client: Client,
    plans: UnboundedReceiver<String>,
}

impl Listening {
    async fn new(scene: &Scene) -> Self {
        let session = scene.client().await;
        let settings = "SELECT name, setting, coalesce(unit, '') FROM pg_settings WHERE source = 'session'";
        let settings = session.client.query(settings, &[]).await.unwrap();
        let (client, mut wire) = tokio_postgres::connect(&scene.url, NoTls).await.unwrap();
        let (heard, plans) = unbounded_channel();
        tokio::spawn(async move {
            let mut messages = futures::stream::poll_fn(move |cx| wire.poll_message(cx));
            while let Some(Ok(message)) = messages.next().await {
                if let AsyncMessage::Notice(notice) = message {
                    let _ = heard.send(notice.message().to_owned());
                }
            }
        });
        assert!(settings.len() >= 7, "the settings of the store's sessions are not found");
        for row in &settings {
            let (name, value, unit): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
            client.batch_execute(&format!("SET {name} = '{value}{unit}'")).await.unwrap();
        }
        client
            .batch_execute(
                "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json; \
                 SET auto_explain.log_nested_statements = on; SET client_min_messages = log",
            )
            .await
            .unwrap();
        Self { client, plans }
    }

    /// Statements and faults of their plans since the last time.
    fn heard(&mut self) -> Vec<(String, Vec<String>)> {
        let mut heard = Vec::new();
        while let Ok(notice) = self.plans.try_recv() {
            let Some((_, json)) = notice.split_once("plan:\n") else { continue };
            let told: Value = serde_json::from_str(json).unwrap();
            let mut faults = Vec::new();
            faults_of(&told["Plan"], &mut faults);
            heard.push((told["Query Text"].as_str().unwrap().to_owned(), faults));
        }
        heard
    }
}

#[tokio::test]
async fn what_functions_and_triggers_run_reads_no_large_table_from_end_to_end() {
    for analyzed in [false, true] {
        let scene = Scene::new(5_000).await;
        if analyzed {
            scene.client().await.client.batch_execute("ANALYZE").await.unwrap();
        }
        check_functions(&scene, 5_000).await;
    }
}

async fn check_functions(scene: &Scene, chunks: usize) {
    let mut session = Listening::new(scene).await;
    let worker = TaskId::new("worker").unwrap();
    // Chunks that go back into the queue, and a dispatch that is overdue.
    let claimed = scene.store.claim(ClaimRequest::new(worker.clone(), 3)).await.unwrap();
    let next = scene.store.next_pending_chunk(scene.job_id).await.unwrap().unwrap().id;
    let dispatch = vec![(next, Event::Dispatch { task_id: worker })];
    scene.store.apply(dispatch, &Actor::service()).await.unwrap().remove(0).unwrap();
    session.client.batch_execute("UPDATE ream_clock SET shift_ms = 100000000").await.unwrap();
    session.heard();

    let job_id = scene.job_id.get();
    for (job, executor) in [(None, None), (Some(job_id), None), (None, Some("external"))] {
        // More than there are, so that the queue's beginning moves as well.
        let rows = session.client.query(QUEUE_HEAD.text, &[&job, &executor, &10_000_i32]).await.unwrap();
        assert_eq!(rows.len(), chunks - 3);
    }
    let wanted = ["redispatch_at <= at", "FROM job_queues", "FROM job_chunks c", "10 - priority AS rank"];
    check_heard("a claim", &session.heard(), &wanted);

    let ids: Vec<i64> = claimed.iter().map(|claimed| claimed.chunk.id.get()).collect();
    let back = "UPDATE job_chunks SET status = 'pending', lease_expires_at = NULL, timeout_at = NULL \
        WHERE id = ANY ($1)";
    assert_eq!(session.client.execute(back, &[&ids]).await.unwrap(), 3);
    check_heard("a way back", &session.heard(), &["FROM job_queues", "UPDATE job_queues"]);
}

fn check_heard(what: &str, heard: &[(String, Vec<String>)], wanted: &[&str]) {
    for word in wanted {
        assert!(heard.iter().any(|(sql, _)| sql.contains(word)), "{what} ran no `{word}`: {heard:#?}");
    }
    let faults: Vec<String> = heard
        .iter()
        .filter(|(_, faults)| !faults.is_empty())
        .map(|(sql, faults)| format!("{}: {sql}", faults.join(", ")))
        .collect();
    assert!(faults.is_empty(), "{what}:\n{}", faults.join("\n"));
}
