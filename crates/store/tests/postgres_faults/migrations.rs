//! Schemas: several who lay one out at once, older, newer and foreign ones.

use crate::postgres_kit::TestDatabase;
use crate::scene::{LIMIT, check_rules, job_with, number, proxied, until_true, work_off};
use ream_core::Policy;
use ream_store::{JobChunkRepository, PostgresStore};
use ream_test_servers::Direction;
use std::time::Duration;
use tokio_postgres::Client;

/// All that there is in a database, as text.
async fn contents(client: &Client) -> Vec<String> {
    let sql = "SELECT line FROM (SELECT c.relname || ' ' || c.relkind::text || ' ' || coalesce(a.attname, '') AS line \
        FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
        WHERE c.relnamespace = current_schema()::regnamespace \
        UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = current_schema()::regnamespace \
        ) t ORDER BY line";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

async fn check_schema(db: &TestDatabase) {
    let mut options = db.options();
    options.create = false;
    let store = PostgresStore::open(&options).await.unwrap();
    assert_eq!(store.verify_schema().await.unwrap(), Vec::<String>::new());
    let history = "SELECT count(*) - count(DISTINCT version) FROM refinery_schema_history";
    assert_eq!(number(db.client(), history).await, 0, "a change was noted twice");
    let job_id = job_with(&store, 3, Policy::default()).await;
    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
}

async fn refusal_of_open(db: &TestDatabase, create: bool) -> String {
    let mut options = db.options();
    options.create = create;
    let Err(error) = PostgresStore::open(&options).await else { panic!("it was opened") };
    assert_eq!(error.code(), "constraint", "{error}");
    error.to_string()
}

async fn refusal_of_migrate(db: &TestDatabase) -> String {
    let error = PostgresStore::migrate(&db.options()).await.unwrap_err();
    assert_eq!(error.code(), "constraint", "{error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_migrators_at_once_lay_out_one_whole_schema() {
    for migrators in [2, 2, 2, 8] {
        let db = TestDatabase::new().await;
        let options = db.options();
        let migrating = (0..migrators).map(|_| PostgresStore::migrate(&options));
        for migrated in futures::future::join_all(migrating).await {
            migrated.unwrap();
        }
        check_schema(&db).await;
        assert_eq!(PostgresStore::migrate(&options).await.unwrap(), vec![]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_who_open_an_empty_database_at_once_lay_out_one_whole_schema() {
    for openers in [2, 8] {
        let db = TestDatabase::new().await;
        let options = db.options();
        let opening = (0..openers).map(|_| PostgresStore::open(&options));
        for opened in futures::future::join_all(opening).await {
            opened.map(|_| ()).unwrap();
        }
        check_schema(&db).await;
    }
}

/// Between two looks of one who opens the database another lays out the schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_appears_while_it_is_looked_for_is_no_stranger() {
    let db = TestDatabase::new().await;
    let (proxy, options) = proxied(&db, 2);
    let slow = tokio::spawn(async move { PostgresStore::open(&options).await.map(|_| ()) });
    // As slowly as it needs, so that it can be stopped after its first look and before the next.
    proxy.delay(Duration::from_millis(100));
    let looked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
        AND application_name = 'ream' AND (query LIKE '%refinery_schema_history%' OR query LIKE '%pg_class%') \
        AND pid <> pg_backend_pid()";
    until_true(db.client(), looked).await;
    proxy.stall(Direction::ToServer);
    PostgresStore::migrate(&db.options()).await.unwrap();
    proxy.pass().unwrap();
    tokio::time::timeout(LIMIT, slow).await.unwrap().unwrap().unwrap();
    check_schema(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_is_left_empty_where_nothing_may_be_created() {
    let db = TestDatabase::new().await;
    let refusal = refusal_of_open(&db, false).await;
    assert!(refusal.contains("`ream migrate`"), "{refusal}");
    assert_eq!(contents(db.client()).await, Vec::<String>::new());
    assert_eq!(PostgresStore::pending_migrations(&db.options()).await.unwrap().len(), 4);
    assert_eq!(contents(db.client()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_refused_and_left_alone() {
    let db = TestDatabase::new().await;
    drop(db.open().await);
    db.execute(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (99, 'of the future', '2099-01-01T00:00:00Z', '1')",
    )
    .await;
    let before = contents(db.client()).await;
    for refusal in
        [refusal_of_open(&db, true).await, refusal_of_open(&db, false).await, refusal_of_migrate(&db).await]
    {
        assert!(refusal.contains("version 99") && refusal.contains("newer"), "{refusal}");
    }
    assert_eq!(contents(db.client()).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_schema_is_refused_until_it_is_migrated() {
    let db = TestDatabase::new().await;
    drop(db.open().await);
    // Takes the last change back.
    db.execute(
        "ALTER TABLE crawl_job_rows DROP COLUMN summary_end, DROP COLUMN summary_chunks; \
         DELETE FROM refinery_schema_history WHERE version = (SELECT max(version) FROM refinery_schema_history)",
    )
    .await;
    for create in [true, false] {
        let refusal = refusal_of_open(&db, create).await;
        assert!(refusal.contains("older") && refusal.contains("`ream migrate`"), "{refusal}");
    }
    assert_eq!(number(db.client(), "SELECT count(*) FROM refinery_schema_history").await, 3);
    let changes = PostgresStore::migrate(&db.options()).await.unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    check_schema(&db).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_somebody_else_are_refused_and_left_alone() {
    for table in ["job_chunks", "crawl_jobs"] {
        let db = TestDatabase::new().await;
        db.execute(&format!(
            "CREATE TABLE {table} (id bigint, theirs text); INSERT INTO {table} VALUES (1, 'kept')"
        ))
        .await;
        let before = contents(db.client()).await;
        for refusal in [
            refusal_of_open(&db, true).await,
            refusal_of_open(&db, false).await,
            refusal_of_migrate(&db).await,
        ] {
            assert!(refusal.contains("did not make"), "{refusal}");
        }
        assert_eq!(contents(db.client()).await, before);
        assert_eq!(
            number(db.client(), &format!("SELECT count(*) FROM {table} WHERE theirs = 'kept'")).await,
            1
        );
    }
}
