//! Servers that tests and benchmarks start.
//!
//! Each has a free port of loopback and a temporary folder of its own, so any number of them run side by side. Each
//! stops when its value is dropped, and also when the process that started it ends in any other way, `kill -9`
//! included. Made for Linux; what has to be installed is named where it is missing.
//!
//! - [`Postgres`]: a PostgreSQL cluster that can be killed and started again; [`FreshDatabase`]: an empty database in it.
//! - [`PgBouncer`]: the connection pooler in front of a cluster.
//! - [`FaultProxy`]: stands in front of any port and cuts, stalls or delays what goes through.

mod account;
mod fault;
mod folder;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod programs;
mod proxy;

pub use fault::{Fault, Result, cannot};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::{Durability, FreshDatabase, Postgres, Settings, database_url};
pub use process::{is_running, until};
pub use proxy::{Direction, Ending, FaultProxy};
