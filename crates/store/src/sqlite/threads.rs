//! One writer thread and a few reader threads, each with a connection of its own.
//!
//! The writer joins the operations that wait for it into one transaction (group commit): under load the cost of a
//! commit is shared, alone an operation waits for nobody. Answers go out after the commit, never before.

use super::error::{Doing, closed, database_error};
use crossbeam_channel::{Receiver, Sender, TryRecvError, unbounded};
use ream_core::{DatabaseFault, Error, Result};
use rusqlite::{Connection, ErrorCode};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// The most operations in one transaction, and the longest it stays open for more.
const MAX_GROUP_OPERATIONS: usize = 256;
const MAX_GROUP_AGE: Duration = Duration::from_millis(5);
/// How long the writer looks out for more work before it sleeps.
const LOOK_OUT: Duration = Duration::from_micros(200);
/// How often a commit that meets a busy database is tried again, on top of SQLite's own waiting.
const MAX_COMMIT_TRIES: u32 = 10;

/// What an operation has while it writes.
pub(super) struct WriteContext<'c> {
    /// Inside a transaction.
    pub(super) conn: &'c Connection,
    /// Set when chunks became startable: waiters are woken after the commit.
    pub(super) wakes_claimers: bool,
}

enum Finish {
    /// To be answered after the commit, with its result.
    Commit(Box<dyn FnOnce(Result<()>) + Send>),
    /// Refused, nothing of it may stay.
    Rollback(Box<dyn FnOnce() + Send>),
}

trait Operation: Send {
    /// Whether nobody waits for the answer any more. What was not begun is then not done at all: a claim would leave
    /// chunks to a holder that does not know of them.
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, cx: &mut WriteContext<'_>) -> Finish;
    fn refuse(self: Box<Self>, error: Error);
}

struct Typed<T, F> {
    run: F,
    answer: oneshot::Sender<Result<T>>,
}

impl<T, F> Operation for Typed<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut WriteContext<'_>) -> Result<T> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, cx: &mut WriteContext<'_>) -> Finish {
        let Self { run, answer } = *self;
        // A caller that no longer listens is no error: what it asked for holds all the same.
        match run(cx) {
            Ok(value) => Finish::Commit(Box::new(move |committed| {
                let _ = answer.send(committed.map(|()| value));
            })),
            Err(error) => Finish::Rollback(Box::new(move || {
                let _ = answer.send(Err(error));
            })),
        }
    }

    fn refuse(self: Box<Self>, error: Error) {
        let _ = self.answer.send(Err(error));
    }
}

/// The way to the writer thread, which ends when this is dropped.
pub(super) struct Writer {
    operations: Sender<Box<dyn Operation>>,
    thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(conn: Connection, wake_ups: watch::Sender<u64>) -> std::io::Result<Self> {
        let (operations, inbox) = unbounded();
        let thread = std::thread::Builder::new()
            .name("ream-sqlite-writer".into())
            .spawn(move || write_loop(&conn, &inbox, &wake_ups))?;
        Ok(Self { operations, thread })
    }

    /// Does what is still asked, closes the connection and ends the thread.
    pub(super) fn close(self) {
        drop(self.operations);
        // A thread that panicked has closed its connection as well.
        let _ = self.thread.join();
    }

    /// Runs `run` in a transaction and answers after its commit. An error undoes all it did. Dropped before it was begun,
    /// it is not done; dropped later, it is done all the same.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut WriteContext<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.operations.send(Box::new(Typed { run, answer })).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn write_loop(conn: &Connection, inbox: &Receiver<Box<dyn Operation>>, wake_ups: &watch::Sender<u64>) {
    while let Some(first) = next_operation(inbox) {
        run_group(conn, first, inbox, wake_ups);
    }
}

/// Who has just been answered often asks again at once, and to wake a sleeping thread takes longer than most
/// operations: look out for a moment before going to sleep, and let others have the core meanwhile.
fn next_operation(inbox: &Receiver<Box<dyn Operation>>) -> Option<Box<dyn Operation>> {
    let idle_since = Instant::now();
    while idle_since.elapsed() < LOOK_OUT {
        match inbox.try_recv() {
            Ok(operation) => return Some(operation),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => std::thread::yield_now(),
        }
    }
    inbox.recv().ok()
}

fn run_group(
    conn: &Connection,
    first: Box<dyn Operation>,
    inbox: &Receiver<Box<dyn Operation>>,
    wake_ups: &watch::Sender<u64>,
) {
    let opened = Instant::now();
    let mut commits: Vec<Box<dyn FnOnce(Result<()>) + Send>> = Vec::new();
    let mut wakes_claimers = false;
    let mut next = Some(first);
    while let Some(operation) = next.take() {
        if operation.is_abandoned() {
            next = inbox.try_recv().ok();
            continue;
        }
        let alone = commits.is_empty();
        let begin = if alone { "BEGIN IMMEDIATE" } else { "SAVEPOINT operation" };
        if let Err(error) = run_sql(conn, begin) {
            refuse_all(operation, inbox, &error);
            break;
        }
        if operation.is_abandoned() {
            // Given up while the database was locked.
            let _ = run_sql(conn, if alone { "ROLLBACK" } else { "RELEASE operation" });
            next = inbox.try_recv().ok();
            continue;
        }
        let mut cx = WriteContext { conn, wakes_claimers: false };
        let finish = operation.run(&mut cx);
        let wakes = cx.wakes_claimers;
        match finish {
            Finish::Commit(answer) => {
                commits.push(answer);
                wakes_claimers |= wakes;
                if !alone && run_sql(conn, "RELEASE operation").is_err() {
                    break;
                }
            }
            Finish::Rollback(answer) => {
                let undone = if alone {
                    run_sql(conn, "ROLLBACK")
                } else {
                    run_sql(conn, "ROLLBACK TO operation").and_then(|()| run_sql(conn, "RELEASE operation"))
                };
                answer();
                if undone.is_err() {
                    break;
                }
            }
        }
        if commits.len() < MAX_GROUP_OPERATIONS && opened.elapsed() < MAX_GROUP_AGE {
            next = inbox.try_recv().ok();
        }
    }
    let committed = if commits.is_empty() { Ok(()) } else { commit(conn) };
    if !conn.is_autocommit() {
        // The commit failed or an operation left the transaction open: nothing of it may leak into the next.
        let _ = run_sql(conn, "ROLLBACK");
    }
    if committed.is_ok() && wakes_claimers {
        wake_ups.send_modify(|n| *n = n.wrapping_add(1));
    }
    for answer in commits {
        answer(match &committed {
            Ok(()) => Ok(()),
            // Whatever kept the group from being committed, each of its calls may be made again.
            Err(error) => Err(Error::Database {
                fault: DatabaseFault::Unavailable,
                message: format!("commit: {error}"),
            }),
        });
    }
}

/// Who waits behind an operation that found the database locked has waited as long: one after the other, the last would
/// wait for minutes.
fn refuse_all(first: Box<dyn Operation>, inbox: &Receiver<Box<dyn Operation>>, error: &rusqlite::Error) {
    // All before the first is answered: whoever asks again at once has not waited yet.
    let waiting: Vec<_> = std::iter::once(first).chain(inbox.try_iter()).collect();
    for operation in waiting {
        operation.refuse(database_error("begin a transaction", error));
    }
}

fn commit(conn: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0;
    loop {
        // A full disk or an I/O error makes SQLite roll back by itself; COMMIT then fails for want of a
        // transaction, which is the right answer to everybody in the group.
        match run_sql(conn, "COMMIT") {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < MAX_COMMIT_TRIES =>
            {
                tries += 1;
            }
            result => return result,
        }
    }
}

fn run_sql(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.raw_execute().map(|_| ())
}

type Reading = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the reader threads, which end when this is dropped.
pub(super) struct Readers {
    readings: Sender<Reading>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (readings, inbox) = unbounded::<Reading>();
        let start = |(n, conn): (usize, Connection)| {
            let inbox = inbox.clone();
            std::thread::Builder::new().name(format!("ream-sqlite-reader-{n}")).spawn(move || {
                while let Ok(reading) = inbox.recv() {
                    reading(&conn);
                }
            })
        };
        let threads = connections.into_iter().enumerate().map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { readings, threads })
    }

    /// As [`Writer::close`].
    pub(super) fn close(self) {
        drop(self.readings);
        for thread in self.threads {
            let _ = thread.join();
        }
    }

    /// Runs `read` on one snapshot of the database.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let reading: Reading = Box::new(move |conn| {
            // Who hung up while it waited wants nothing any more.
            if !answer.is_closed() {
                let _ = answer.send(on_snapshot(conn, read));
            }
        });
        self.readings.send(reading).map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

fn on_snapshot<T>(conn: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    run_sql(conn, "BEGIN").doing("begin to read")?;
    let result = read(conn);
    let ended = run_sql(conn, "COMMIT").doing("end reading");
    if !conn.is_autocommit() {
        let _ = run_sql(conn, "ROLLBACK");
    }
    ended.and(result)
}
