//! Servers that tests and benchmarks start.
//!
//! Each has a free port of loopback and a temporary folder of its own, so any number of them run side by side. Each
//! stops when its value is dropped, and also when the process that started it ends in any other way, `kill -9`
//! included. Made for Linux; what has to be installed is named where it is missing.
//!
//! - [`Postgres`]: a PostgreSQL cluster that can be killed and started again; [`FreshDatabase`]: an empty database in it.
//! - [`PgBouncer`]: the connection pooler in front of a cluster.
//! - [`S3Server`]: an S3-compatible store.
//! - [`FaultProxy`]: stands in front of any port and cuts, stalls or delays what goes through.

mod account;
mod cache;
mod fault;
mod folder;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod programs;
mod proxy;
mod python;
mod s3;

pub use cache::{in_cache, target_and_profile};
pub use fault::{Fault, Result, cannot};
pub use pgbouncer::{PgBouncer, PoolMode};
pub use postgres::{Durability, FreshDatabase, Postgres, Settings, database_url};
pub use process::{is_running, until};
pub use proxy::{Direction, Ending, FaultProxy};
pub use python::python_environment;
pub use s3::S3Server;
