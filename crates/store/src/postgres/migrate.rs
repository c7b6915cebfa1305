//! Bringing a database to the schema of this program.

use super::connect::Connections;
use super::error::{Doing, Failure, Tried, refused};
use crate::schema_change::SchemaChange;
use ream_core::Error;
use refinery::{Migration, Runner};
use std::time::Duration;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

/// In order, with the numbers and names of the other backends; what was ever released stays as it is.
const MIGRATIONS: [(&str, &str); 4] = [
    ("V1__initial_schema", include_str!("migrations/V1__initial_schema.sql")),
    ("V2__robots", include_str!("migrations/V2__robots.sql")),
    ("V3__the_service", include_str!("migrations/V3__the_service.sql")),
    ("V4__finished_datasets", include_str!("migrations/V4__finished_datasets.sql")),
];

/// Held while a schema is changed: who comes second waits, and finds the work done.
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'5265616D00000001'::bigint)";

/// How long it may take until the second connection answers: a pooler that has only one has given it to the lock.
const SECOND_CONNECTION: Duration = Duration::from_secs(5);

/// How a database's schema stands to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    Empty,
    /// Some changes are missing.
    Older,
    /// It is the one that this program knows.
    Current,
}

fn runner() -> Tried<Runner> {
    let migrations = MIGRATIONS.map(|(name, sql)| Migration::unapplied(name, sql));
    let migrations = migrations
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(format!("read the schema changes: {error}")))?;
    Ok(Runner::new(&migrations))
}

fn newest() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The versions that were applied.
async fn applied(client: &Client) -> Tried<Vec<u32>> {
    let sql = "SELECT version FROM refinery_schema_history ORDER BY version";
    match client.simple_query(sql).await {
        Ok(messages) => Ok(messages
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            })
            .collect()),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(Vec::new()),
        Err(error) => Err(super::error::failure("read the schema's version", &error)),
    }
}

/// Looks without changing anything.
///
/// # Errors
/// The schema is newer than this program, or the tables are somebody else's.
pub(super) async fn standing(client: &Client) -> Tried<Standing> {
    // Before the versions are read: tables that somebody lays out in between come together with their version.
    let theirs = "SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
        AND relname IN ('job_chunks', 'crawl_jobs')";
    let found = client.simple_query(theirs).await.doing("look for tables")?;
    let has_tables =
        found.iter().any(|message| matches!(message, tokio_postgres::SimpleQueryMessage::Row(_)));
    let applied = applied(client).await?;
    if let Some(newer) = applied.iter().find(|version| **version > newest()) {
        return Err(refused(format!(
            "the schema has version {newer}, this program knows {}: it was migrated by a newer one; use that one",
            newest()
        ))
        .into());
    }
    match applied.len() as u32 {
        0 if has_tables => Err(refused(
            "there is a table `job_chunks` or `crawl_jobs` that this program did not make; name another \
             database, or another schema by `?options=-csearch_path=NAME`",
        )
        .into()),
        0 => Ok(Standing::Empty),
        n if n < newest() => Ok(Standing::Older),
        _ => Ok(Standing::Current),
    }
}

/// What [`migrate`] would do.
pub(super) async fn pending(connections: &Connections) -> Tried<Vec<SchemaChange>> {
    let (client, wire) = connections.connect().await?;
    let wire = connections.home().spawn(wire);
    let looked = async {
        standing(&client).await?;
        applied(&client).await
    };
    let applied = looked.await;
    wire.abort();
    let applied = applied?;
    Ok(SchemaChange::missing(&MIGRATIONS, &applied))
}

/// Applies what is missing, in one transaction. Several may do it at once.
pub(super) async fn migrate(connections: &Connections) -> Tried<()> {
    // A transaction holds the lock, so that this works through a pooler as well.
    let (holder, wire_of_holder) = connections.connect().await?;
    let wire_of_holder = connections.home().spawn(wire_of_holder);
    let (mut client, wire) = connections.connect().await?;
    let wire = connections.home().spawn(wire);
    let work = async {
        holder.batch_execute(&format!("BEGIN; {LOCK}")).await.doing("wait for another migration")?;
        tokio::time::timeout(SECOND_CONNECTION, client.batch_execute("SELECT 1"))
            .await
            .map_err(|_| {
                refused(
                    "a change of the schema needs two connections at once and got one; name the database itself, not \
                     the pooler before it",
                )
            })?
            .doing("look for a second connection")?;
        if standing(&client).await? != Standing::Current {
            let mut runner = runner()?.set_grouped(true);
            runner.set_migration_table_name("refinery_schema_history");
            runner.run_async(&mut client).await.map_err(|error| failed(&error))?;
        }
        holder.batch_execute("COMMIT").await.doing("end a migration")
    };
    let worked = work.await;
    wire.abort();
    wire_of_holder.abort();
    worked
}

fn failed(error: &refinery::Error) -> Failure {
    // What the server said is at the bottom.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut said = error.to_string();
    while let Some(inner) = cause {
        if let Some(error) = inner.downcast_ref::<tokio_postgres::Error>() {
            said = super::error::told(error);
        }
        cause = inner.source();
    }
    Failure::Final(refused(format!("the schema cannot be brought up to date: {said}")))
}

/// What to say where the schema is not this program's.
pub(super) fn not_current(standing: Standing) -> Error {
    refused(match standing {
        Standing::Empty => "the database has no schema yet; `ream migrate` lays it out",
        _ => "the schema is older than this program; `ream migrate` brings it up to date",
    })
}
