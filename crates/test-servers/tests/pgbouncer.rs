//! Protects the pooler that tests put in front of a cluster.
#![allow(clippy::unwrap_used)]

use ream_test_servers::{PgBouncer, PoolMode, Postgres, is_running};
use std::process::Command;

fn ask(url: &str, statements: &[&str]) -> String {
    let mut command = Command::new("psql");
    command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", url]);
    for statement in statements {
        command.args(["-c", statement]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().replace('\n', " ")
}

#[test]
fn queries_pass_in_every_mode_and_for_every_database() {
    let postgres = Postgres::shared();
    for mode in [PoolMode::Session, PoolMode::Transaction, PoolMode::Statement] {
        let bouncer = PgBouncer::start(postgres, mode).unwrap();
        let database = postgres.fresh_database().unwrap();
        database.sql("CREATE TABLE notes AS SELECT 7 AS id").unwrap();
        assert_eq!(ask(&database.url_at(bouncer.port()), &["SELECT id FROM notes"]), "7");
        assert_eq!(ask(&bouncer.url("postgres"), &["SELECT current_database()"]), "postgres");
    }
}

#[test]
fn in_transaction_mode_clients_share_a_connection() {
    let postgres = Postgres::shared();
    let settings = [("default_pool_size", "1")];
    let bouncer = PgBouncer::start_with(postgres, PoolMode::Transaction, &settings).unwrap();
    let database = postgres.fresh_database().unwrap();
    let backend = || ask(&database.url_at(bouncer.port()), &["SELECT pg_backend_pid()"]);
    assert_eq!(backend(), backend());
    // It is the cluster's own connection that every client gets a new one of.
    let direct = || database.sql("SELECT pg_backend_pid()").unwrap();
    assert_ne!(direct(), direct());
}

#[test]
fn dropping_stops_it() {
    let bouncer = PgBouncer::start(Postgres::shared(), PoolMode::Transaction).unwrap();
    let pid = bouncer.pid();
    assert!(is_running(pid));
    drop(bouncer);
    assert!(!is_running(pid));
}

#[test]
fn a_wrong_setting_is_told_in_its_words() {
    let settings = [("default_pool_size", "many")];
    let fault =
        PgBouncer::start_with(Postgres::shared(), PoolMode::Session, &settings).unwrap_err().to_string();
    assert!(fault.contains("default_pool_size"), "{fault}");
}
