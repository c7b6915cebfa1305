//! One try at an operation: a transaction that is either committed, or undone whatever happens to its caller.

use super::connect::Connection;
use super::error::{Failure, Tried};
use super::statement::{Ready, Sql};
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::time::Instant;

/// The number of a transaction, by which its fate can be asked for.
pub(super) type Xid = i64;

/// A transaction. Dropped before its end, it takes the connection with it: then the server undoes it.
pub(super) struct Transaction {
    connection: Option<Connection>,
    begin: Begin,
    timeline: i32,
    /// 0 before it is known.
    xid: AtomicI64,
    /// Before it began.
    made_at: Instant,
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Reads and locks as it goes, and writes.
    Write,
    /// The same, over all chunks of a job.
    LongWrite,
    /// Reads all chunks of a job on one snapshot.
    Snapshot,
}

impl Begin {
    const fn sql(self) -> &'static str {
        match self {
            Self::Write | Self::LongWrite => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        }
    }

    /// Whether it may take longer than a call.
    pub(super) const fn is_long(self) -> bool {
        !matches!(self, Self::Write)
    }
}

impl Transaction {
    /// Nothing is sent yet: see [`Self::begin`].
    pub(super) fn new(connection: Connection, begin: Begin) -> Self {
        let timeline = connection.timeline();
        Self {
            connection: Some(connection),
            begin,
            timeline,
            xid: AtomicI64::new(0),
            made_at: Instant::now(),
        }
    }

    fn connection(&self) -> Tried<&Connection> {
        self.connection.as_ref().ok_or_else(|| Failure::Transient("the transaction has ended".to_owned()))
    }

    /// Begins it. May be sent together with its first statements.
    pub(super) async fn begin(&self) -> Tried<()> {
        let connection = self.connection()?;
        let mut sql = connection.begin_sql(self.begin.sql());
        if self.begin.is_long() {
            sql.push_str("; SET LOCAL statement_timeout = '1h'");
        }
        connection.batch("begin a transaction", &sql).await
    }

    /// Makes a statement ready. All statements that are sent together must be made ready before the first is sent:
    /// else one would wait for its preparation and come after those that should follow it.
    pub(super) async fn ready(&self, sql: &'static Sql) -> Tried<Ready<'_>> {
        self.connection()?.ready(sql).await
    }

    /// Notes its number, as the server told it.
    pub(super) fn note_xid(&self, xid: Xid) {
        self.xid.store(xid, Ordering::Relaxed);
    }

    /// Its number, if the server told it.
    pub(super) fn xid(&self) -> Option<Xid> {
        Some(self.xid.load(Ordering::Relaxed)).filter(|xid| *xid != 0)
    }

    /// Which of the histories that a standby's promotion makes it was begun in.
    pub(super) const fn timeline(&self) -> i32 {
        self.timeline
    }

    /// A moment before it began.
    pub(super) const fn made_at(&self) -> Instant {
        self.made_at
    }

    /// Ends it. May be sent together with its last statements: if one of those fails, the server undoes all.
    pub(super) async fn commit(&self) -> Tried<()> {
        self.connection()?.batch("commit", "COMMIT").await
    }

    /// Undoes it, and gives the connection back if that went well.
    pub(super) async fn roll_back(mut self) {
        if let Ok(connection) = self.connection()
            && connection.batch("roll back", "ROLLBACK").await.is_ok()
        {
            self.end();
        }
    }

    /// Gives the connection back: the server has answered that all is over.
    pub(super) fn end(&mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.drop_it();
        }
    }
}
