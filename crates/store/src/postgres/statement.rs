//! Statements: each is a constant with the types of its parameters, so that all can be prepared on a live server by a
//! test, and so that they also run where named statements cannot be kept.

use super::error::{Doing, Tried};
use std::pin::pin;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, RowStream, Statement};

/// One statement.
#[derive(Debug)]
pub(super) struct Sql {
    /// With `$1` and so on for its parameters.
    pub(super) text: &'static str,
    /// One per parameter.
    pub(super) types: &'static [Type],
    /// Reads as in "could not …: claim chunks".
    pub(super) doing: &'static str,
}

impl Sql {
    pub(super) const fn new(doing: &'static str, text: &'static str, types: &'static [Type]) -> Self {
        Self { text, types, doing }
    }
}

/// Values for a statement's parameters.
pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A statement that a connection is ready to run: running it sends it at once, so several can be sent together.
pub(super) struct Ready<'c> {
    pub(super) client: &'c tokio_postgres::Client,
    pub(super) sql: &'static Sql,
    /// `None` where a pooler hands out another connection for each transaction.
    pub(super) named: Option<Statement>,
}

impl Ready<'_> {
    fn typed<'p>(&self, params: Params<'p>) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
        params.iter().copied().zip(self.sql.types.iter().cloned()).collect()
    }

    /// Runs it for its rows.
    pub(super) async fn rows(&self, params: Params<'_>) -> Tried<Vec<Row>> {
        let rows = match &self.named {
            Some(statement) => self.client.query(statement, params).await,
            None => self.client.query_typed(self.sql.text, &self.typed(params)).await,
        };
        rows.doing(self.sql.doing)
    }

    /// Runs it for the number of rows that it touched.
    pub(super) async fn run(&self, params: Params<'_>) -> Tried<u64> {
        let touched = match &self.named {
            Some(statement) => self.client.execute(statement, params).await,
            None => self.client.execute_typed(self.sql.text, &self.typed(params)).await,
        };
        touched.doing(self.sql.doing)
    }

    /// Runs it and sees its rows one by one as they come, however many.
    pub(super) async fn each(&self, params: Params<'_>, mut see: impl FnMut(&Row) -> Tried<()>) -> Tried<()> {
        use futures::TryStreamExt as _;
        let rows: RowStream = match &self.named {
            Some(statement) => self.client.query_raw(statement, params.iter().copied()).await,
            None => self.client.query_typed_raw(self.sql.text, self.typed(params)).await,
        }
        .doing(self.sql.doing)?;
        let mut rows = pin!(rows);
        while let Some(row) = rows.try_next().await.doing(self.sql.doing)? {
            see(&row)?;
        }
        Ok(())
    }
}
