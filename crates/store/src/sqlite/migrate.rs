//! Bringing a database to the schema of this program.

use ream_core::{DatabaseFault, Error, Result};
use refinery::{Migration, Runner};
use rusqlite::Connection;

/// The whole schema as of today; the checks compare a live database with it.
pub(super) const INITIAL_SCHEMA: &str = include_str!("migrations/V1__initial_schema.sql");

/// How often a migration is tried again that met another process migrating the same database.
const MAX_TRIES: u32 = 20;

fn runner() -> Result<Runner> {
    let migrations =
        [("V1__initial_schema", INITIAL_SCHEMA)].map(|(name, sql)| Migration::unapplied(name, sql));
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

/// Applies what is missing; refuses a schema that this program does not know. Two processes may do it at once:
/// who comes second finds the work done.
pub(super) fn migrate(conn: &mut Connection) -> Result<()> {
    let mut tries = 0;
    loop {
        match runner()?.run(conn) {
            Ok(_) => return Ok(()),
            Err(error) if tries == MAX_TRIES => return Err(failed(error)),
            Err(error) => {
                let up_to_date = runner()?
                    .get_applied_migrations(conn)
                    .is_ok_and(|applied| applied.iter().any(|m| m.version() > 1));
                if up_to_date {
                    return Err(failed(error));
                }
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(u64::from(tries) * 5));
            }
        }
    }
}
