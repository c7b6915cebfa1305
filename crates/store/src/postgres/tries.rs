//! Trying an operation until it succeeds, is refused for good, or patience is over. What may have been written is
//! never written again: the server is asked for the transaction's fate first.

use super::connect::Connections;
use super::error::{Failure, Tried, unavailable};
use super::statement::Sql;
use super::transaction::{Begin, Transaction, Xid};
use super::wake_ups::Waker;
use super::writes::Writes;
use ream_core::{Error, Result};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::types::Type;

/// The wait before the first further try; each next is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What became of a transaction, and how many milliseconds ago the server last recovered from a crash, or before: then it
/// counts anew, its statistics and also transactions. It may give the number of one that was lost to another one. So may a
/// standby that was promoted, which begins another timeline.
pub(super) static XACT_STATUS: Sql = Sql::new(
    "ask for a transaction's fate",
    concat!(
        "SELECT pg_xact_status($1::text::xid8), \
         floor(extract(epoch FROM clock_timestamp() - stats_reset) * 1000)::bigint, ",
        timeline!(),
        " FROM pg_stat_bgwriter"
    ),
    &[Type::TEXT],
);

/// What one try comes to: its answer, and what is still to be written before that holds.
pub(super) struct Done<T> {
    pub(super) answer: T,
    pub(super) writes: Writes,
}

impl<T> Done<T> {
    /// Everything has been sent already.
    pub(super) fn answer(answer: T) -> Self {
        Self { answer, writes: Writes::default() }
    }

    /// With another answer.
    pub(super) fn map<A>(self, make: impl FnOnce(T) -> A) -> Done<A> {
        Done { answer: make(self.answer), writes: self.writes }
    }
}

/// What became of a transaction whose end was sent but not answered.
enum Fate {
    Committed,
    Undone,
}

/// The tries at one operation.
pub(super) struct Tries<'s> {
    connections: &'s Connections,
    waker: &'s Waker,
    begin: Begin,
    call_timeout: Duration,
    until: Instant,
    wait: Duration,
}

impl<'s> Tries<'s> {
    pub(super) fn new(
        connections: &'s Connections,
        waker: &'s Waker,
        begin: Begin,
        call_timeout: Duration,
        until: Instant,
    ) -> Self {
        Self { connections, waker, begin, call_timeout, until, wait: FIRST_WAIT }
    }

    /// A transaction for the next try.
    pub(super) async fn transaction(&self) -> Tried<Transaction> {
        Ok(Transaction::new(self.connections.get().await?, self.begin))
    }

    /// Waits for one step of a try, but not for ever.
    pub(super) async fn bounded<T>(&self, step: impl Future<Output = Tried<T>>) -> Tried<T> {
        tokio::time::timeout(self.call_timeout, step)
            .await
            .unwrap_or_else(|_| Err(Failure::Transient(format!("no answer after {:?}", self.call_timeout))))
    }

    /// What follows from a try: the answer, or `None` for another try.
    pub(super) async fn conclude<T>(
        &mut self,
        mut tx: Transaction,
        tried: Tried<Done<T>>,
    ) -> Option<Result<T>> {
        let Done { answer, writes } = match tried {
            Ok(done) => done,
            Err(Failure::Final(error)) => {
                self.roll_back(tx).await;
                return Some(Err(error));
            }
            Err(Failure::Transient(message)) => {
                drop(tx);
                return self.failed(message).await.map(Err);
            }
        };
        let wakes = writes.wakes_claimers;
        match self.bounded(writes.commit(&tx, self.waker.mark())).await {
            Ok(()) => {
                tx.end();
                self.wake(wakes);
                Some(Ok(answer))
            }
            Err(Failure::Final(error)) => {
                self.roll_back(tx).await;
                Some(Err(error))
            }
            Err(Failure::Transient(message)) => {
                let (xid, made_at, timeline) = (tx.xid(), tx.made_at(), tx.timeline());
                drop(tx);
                match self.fate(xid, made_at, timeline).await {
                    Some(Fate::Committed) => {
                        self.wake(wakes);
                        Some(Ok(answer))
                    }
                    Some(Fate::Undone) => self.failed(message).await.map(Err),
                    None => Some(Err(unavailable(format!("{message}; whether it was written is not known")))),
                }
            }
        }
    }

    fn wake(&self, wakes_claimers: bool) {
        if wakes_claimers {
            self.waker.wake();
        }
    }

    async fn roll_back(&self, tx: Transaction) {
        // Not answered in time, it takes its connection with it.
        let _ = tokio::time::timeout(self.call_timeout, tx.roll_back()).await;
    }

    /// After a try that has left nothing: waits for the next, or gives up.
    pub(super) async fn failed(&mut self, message: String) -> Option<Error> {
        let wait = self.wait.mul_f64(0.5 + fastrand::f64() / 2.0);
        if Instant::now() + wait >= self.until {
            return Some(unavailable(message));
        }
        tracing::debug!(message, "the database is tried again");
        tokio::time::sleep(wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        None
    }

    /// Asks until the server says what became of it. `None` where nobody knows, as after a server was replaced by another.
    async fn fate(&mut self, xid: Option<Xid>, made_at: Instant, timeline: i32) -> Option<Fate> {
        // Whatever must not be done twice has told its number.
        let Some(xid) = xid else { return Some(Fate::Undone) };
        let xid = xid.to_string();
        loop {
            match self.bounded(self.ask_for_fate(&xid, made_at, timeline)).await {
                Ok(Some((status, crashed))) if status == "committed" => {
                    return (!crashed).then_some(Fate::Committed);
                }
                Ok(Some((status, _))) if status == "aborted" => return Some(Fate::Undone),
                // Its end is still on its way, or will not come and the server gives it up after a while.
                Ok(Some(_)) | Err(Failure::Transient(_)) => {}
                Ok(None) | Err(Failure::Final(_)) => return None,
            }
            if self.failed("ask for a transaction's fate".to_owned()).await.is_some() {
                return None;
            }
        }
    }

    /// What the server says of it, and whether the server may have crashed since before it began.
    async fn ask_for_fate(
        &self,
        xid: &str,
        made_at: Instant,
        timeline: i32,
    ) -> Tried<Option<(String, bool)>> {
        let connection = self.connections.get().await?;
        let rows = connection.ready(&XACT_STATUS).await?.rows(&[&xid]).await?;
        let age_ms = i64::try_from(made_at.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(rows.first().and_then(|row| {
            let status: Option<String> = row.try_get(0).ok()?;
            let recovered_ms: Option<i64> = row.try_get(1).ok()?;
            if timeline != row.try_get::<_, i32>(2).ok()? {
                return None;
            }
            Some((status?, recovered_ms.is_none_or(|recovered_ms| recovered_ms <= age_ms)))
        }))
    }
}

/// Runs `$op` on a connection until it is done: what only reads, or may be done twice.
macro_rules! read {
    ($database:expr, |$connection:ident| $op:expr) => {{
        let mut tries = $database.tries($crate::postgres::transaction::Begin::Write);
        loop {
            let tried = match $database.connections.get().await {
                Ok($connection) => {
                    let tried = tries.bounded($op).await;
                    if let Err($crate::postgres::error::Failure::Transient(_)) = &tried {
                        $connection.drop_it();
                    }
                    tried
                }
                Err(failure) => Err(failure),
            };
            match tried {
                Ok(answer) => break Ok(answer),
                Err($crate::postgres::error::Failure::Final(error)) => break Err(error),
                Err($crate::postgres::error::Failure::Transient(message)) => {
                    if let Some(error) = tries.failed(message).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}

/// Runs `$op` in a transaction until it is done: `transact!(database, WRITE, |tx| op(&tx, …))`. A macro, because an async closure
/// that borrows its argument cannot be said to be `Send`.
macro_rules! transact {
    ($database:expr, $begin:expr, |$tx:ident| $op:expr) => {{
        let mut tries = $database.tries($begin);
        loop {
            let concluded = match tries.transaction().await {
                Ok($tx) => {
                    let tried = tries.bounded($op).await;
                    tries.conclude($tx, tried).await
                }
                Err($crate::postgres::error::Failure::Final(error)) => Some(Err(error)),
                Err($crate::postgres::error::Failure::Transient(message)) => {
                    tries.failed(message).await.map(Err)
                }
            };
            if let Some(answer) = concluded {
                break answer;
            }
        }
    }};
}

pub(super) use {read, transact};
