//! Protects what tests rely on: a cluster of their own, a real crash, and nothing left behind.
#![allow(clippy::unwrap_used)]

use ream_test_servers::{Durability, Postgres, Settings, is_running};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const COUNT: &str = "SELECT count(*) FROM notes";

#[test]
fn fresh_databases_are_empty_apart_and_gone_afterwards() {
    let postgres = Postgres::shared();
    let (one, two) = (postgres.fresh_database().unwrap(), postgres.fresh_database().unwrap());
    assert_ne!(one.name(), two.name());
    one.sql("CREATE TABLE notes (id int)").unwrap();
    one.sql("INSERT INTO notes VALUES (1), (2)").unwrap();
    assert_eq!(one.sql(COUNT).unwrap(), "2");
    assert!(two.sql(COUNT).unwrap_err().to_string().contains("\"notes\" does not exist"));

    let name = one.name().to_owned();
    drop(one);
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'");
    assert_eq!(postgres.sql("postgres", &left).unwrap(), "0");
}

#[test]
fn a_fresh_database_is_dropped_although_somebody_is_connected() {
    let postgres = Postgres::shared();
    let database = postgres.fresh_database().unwrap();
    let left = format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", database.name());
    let (client, backend) = in_transaction(postgres, &database.url(), "CREATE TABLE notes (id int)");
    drop(database);
    assert_eq!(postgres.sql("postgres", &left).unwrap(), "0");
    until(|| !is_running(backend));
    leave(client);
}

#[test]
fn a_database_is_copied_from_a_template() {
    let postgres = Postgres::shared();
    postgres.create_database("a \"template\"").unwrap();
    postgres.sql("a%20%22template%22", "CREATE TABLE notes AS SELECT generate_series(1, 7)").unwrap();
    postgres.create_database_from_template("copied", "a \"template\"").unwrap();
    assert_eq!(postgres.sql("copied", COUNT).unwrap(), "7");
    postgres.drop_database("copied").unwrap();
    postgres.drop_database("a \"template\"").unwrap();
    assert!(postgres.drop_database("copied").is_err());
}

#[test]
fn the_shared_cluster_is_one_fast_and_takes_many_connections() {
    assert!(std::ptr::eq(Postgres::shared(), Postgres::shared()));
    let show = |name: &str| Postgres::shared().sql("postgres", &format!("SHOW {name}")).unwrap();
    assert_eq!((show("fsync"), show("synchronous_commit")), ("off".to_owned(), "off".to_owned()));
    assert_eq!((show("full_page_writes"), show("max_connections")), ("off".to_owned(), "300".to_owned()));
    assert_eq!((show("server_encoding"), show("lc_collate")), ("UTF8".to_owned(), "C".to_owned()));
}

#[test]
fn what_was_committed_survives_a_kill_and_what_was_not_does_not() {
    kill_and_restart(Settings::new(Durability::Full), 1);
    // The system keeps what a killed process wrote.
    kill_and_restart(Settings::new(Durability::Full).with("fsync", "off"), 3);
}

fn kill_and_restart(settings: Settings, rounds: u32) {
    let mut postgres = Postgres::start(settings).unwrap();
    postgres.sql("postgres", "CREATE TABLE notes (id int)").unwrap();
    let (port, pid) = (postgres.port(), postgres.pid().unwrap());
    for round in 1..=rounds {
        postgres.sql("postgres", "INSERT INTO notes VALUES (1)").unwrap();
        let (client, backend) =
            in_transaction(&postgres, &postgres.url("postgres"), "INSERT INTO notes VALUES (2)");
        assert!(is_running(backend));

        postgres.kill_9().unwrap();
        assert!(!is_running(backend));
        assert_eq!(postgres.pid(), None);
        assert!(postgres.sql("postgres", "SELECT 1").is_err());
        assert!(postgres.kill_9().unwrap_err().to_string().contains("down"));
        leave(client);

        postgres.restart().unwrap();
        assert_eq!(postgres.sql("postgres", COUNT).unwrap(), round.to_string());
        assert!(postgres.log_tail().contains("not properly shut down"), "{}", postgres.log_tail());
    }
    assert_eq!(postgres.port(), port);
    assert_ne!(postgres.pid(), Some(pid));
    assert!(!is_running(pid));
}

/// A client whose transaction is open, and the server's process for it.
fn in_transaction(postgres: &Postgres, url: &str, sql: &str) -> (Child, u32) {
    let mut command = Command::new("psql");
    command.args(["-X", "-q", "-d", url]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    writeln!(client.stdin.as_mut().unwrap(), "BEGIN; {sql};").unwrap();
    let waits = "SELECT pid FROM pg_stat_activity WHERE state = 'idle in transaction' AND query";
    let waits = format!("{waits} = '{sql};'");
    let mut backend = String::new();
    until(|| {
        backend = postgres.sql("postgres", &waits).unwrap();
        !backend.is_empty()
    });
    (client, backend.parse().unwrap())
}

fn leave(mut client: Child) {
    drop(client.stdin.take());
    client.wait().unwrap();
}

#[test]
fn a_fast_stop_is_in_good_order() {
    let mut postgres = Postgres::start(Settings::default()).unwrap();
    postgres.sql("postgres", "CREATE TABLE notes (id int)").unwrap();
    assert!(postgres.restart().unwrap_err().to_string().contains("running"));
    postgres.stop_fast().unwrap();
    assert!(postgres.log_tail().contains("database system is shut down"));
    postgres.restart().unwrap();
    assert_eq!(postgres.sql("postgres", COUNT).unwrap(), "0");
    assert!(!postgres.log_tail().contains("not properly shut down"));
}

#[test]
fn dropping_stops_the_server_and_removes_its_folder() {
    let postgres = Postgres::start(Settings::default().with("work_mem", "7MB")).unwrap();
    assert_eq!(postgres.sql("postgres", "SHOW work_mem").unwrap(), "7MB");
    let (pid, folder) = (postgres.pid().unwrap(), postgres.data_folder());
    assert!(is_running(pid));
    assert!(folder.is_dir());
    drop(postgres);
    assert!(!is_running(pid));
    assert!(!folder.parent().unwrap().exists());
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let mut postgres = std::thread::spawn(|| Postgres::start(Settings::default()).unwrap()).join().unwrap();
    assert_eq!(postgres.sql("postgres", "SELECT 1").unwrap(), "1");
    std::thread::scope(|scope| {
        scope.spawn(|| postgres.kill_9().and_then(|()| postgres.restart()).unwrap()).join().unwrap();
    });
    assert_eq!(postgres.sql("postgres", "SELECT 1").unwrap(), "1");
}

#[test]
fn a_wrong_setting_is_told_in_the_servers_words() {
    let fault = Postgres::start(Settings::default().with("no_such_setting", "1")).unwrap_err().to_string();
    assert!(fault.contains("unrecognized configuration parameter \"no_such_setting\""), "{fault}");
}

fn until(mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}
