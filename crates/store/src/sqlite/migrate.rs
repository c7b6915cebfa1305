//! Bringing a database to the schema of this program.

use super::error::Doing;
use crate::schema_change::SchemaChange;
use ream_core::{DatabaseFault, Error, Result};
use refinery::{Migration, Runner};
use rusqlite::Connection;

/// In order; what was ever released stays as it is.
const MIGRATIONS: [(&str, &str); 4] = [
    ("V1__initial_schema", include_str!("migrations/V1__initial_schema.sql")),
    ("V2__robots", include_str!("migrations/V2__robots.sql")),
    ("V3__the_service", include_str!("migrations/V3__the_service.sql")),
    ("V4__finished_datasets", include_str!("migrations/V4__finished_datasets.sql")),
];

/// How often a migration is tried again that met another process migrating the same database.
const MAX_TRIES: u32 = 20;

fn runner() -> Result<Runner> {
    let migrations = MIGRATIONS.map(|(name, sql)| Migration::unapplied(name, sql));
    let migrations = migrations.into_iter().collect::<std::result::Result<Vec<_>, _>>().map_err(failed)?;
    Ok(Runner::new(&migrations))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Database {
        fault: DatabaseFault::Constraint,
        message: format!(
            "the schema cannot be brought up to date: {error}; was the database written by a newer version, or by \
             another program?"
        ),
    }
}

/// "Ream" in SQLite's own place for such a mark: a look at some other program's database must not lay tables into it.
const APPLICATION_ID: i64 = 0x5265_616D;

/// Marks a new file as Ream's, and refuses, without a change, one that has tables of somebody else's.
pub(super) fn claim_file(conn: &Connection, doing: &str) -> Result<()> {
    // One snapshot: another process may be laying out the same new file.
    let snapshot = conn.unchecked_transaction().doing(doing)?;
    let id: i64 = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0)).doing(doing)?;
    let things: i64 =
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).doing(doing)?;
    snapshot.commit().doing(doing)?;
    match (id, things) {
        (APPLICATION_ID, _) => Ok(()),
        (_, 0) => conn.pragma_update(None, "application_id", APPLICATION_ID).doing(doing),
        _ => Err(Error::Database {
            fault: DatabaseFault::Constraint,
            message: format!("{doing}: it is the database of another program; name another file"),
        }),
    }
}

/// What [`migrate`] would do to the file that this connection has open.
pub(super) fn pending(conn: &Connection) -> Result<Vec<SchemaChange>> {
    let doing = "read the schema's version";
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'refinery_schema_history'";
    let known: i64 = conn.query_row(sql, [], |row| row.get(0)).doing(doing)?;
    if known == 0 {
        return Ok(SchemaChange::missing(&MIGRATIONS, &[]));
    }
    let mut statement = conn.prepare("SELECT version FROM refinery_schema_history").doing(doing)?;
    let applied = statement.query_map([], |row| row.get(0)).doing(doing)?;
    let applied: Vec<u32> = applied.collect::<rusqlite::Result<_>>().doing(doing)?;
    Ok(SchemaChange::missing(&MIGRATIONS, &applied))
}

/// Applies what is missing; refuses a schema that this program does not know. Two processes may do it at once:
/// who comes second finds the work done.
pub(super) fn migrate(conn: &mut Connection) -> Result<()> {
    let mut tries = 0;
    loop {
        match runner()?.run(conn) {
            Ok(_) => return Ok(()),
            Err(error) if tries == MAX_TRIES => return Err(failed(error)),
            Err(error) => {
                let known = runner()?.get_migrations().iter().map(Migration::version).max();
                let newer = runner()?
                    .get_applied_migrations(conn)
                    .is_ok_and(|applied| applied.iter().any(|m| Some(m.version()) > known));
                if newer {
                    return Err(failed(error));
                }
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(u64::from(tries) * 5));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_the_first_version_is_brought_up_to_date_with_its_jobs() {
        let mut conn = Connection::open_in_memory().unwrap();
        let first = Migration::unapplied(MIGRATIONS[0].0, MIGRATIONS[0].1).unwrap();
        Runner::new(&[first]).run(&mut conn).unwrap();
        conn.execute("INSERT INTO crawl_jobs (name, created_at, updated_at) VALUES ('old', 0, 0)", [])
            .unwrap();
        migrate(&mut conn).unwrap();
        let sql = "SELECT name, robots FROM crawl_jobs";
        let found: (String, String) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(found, ("old".to_owned(), "respect".to_owned()));
    }
}
