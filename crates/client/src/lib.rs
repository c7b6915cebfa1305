//! Ream from afar: [`RemoteRepository`] is the repository of a server, beside those of SQLite and PostgreSQL. Whatever is built on
//! a repository works on a server, and answers the same.
//!
//! What can be asked again without harm is, with back-off, while the server is out of reach or too busy; what creates goes with
//! an idempotency key, so that an answer that was lost on the way is heard the second time and nothing is created twice.
//!
//! ```no_run
//! # async fn example() -> ream_core::Result<()> {
//! let servers = "https://ream.example".parse()?;
//! let repository = ream_client::RemoteRepository::connect(&ream_client::ClientOptions::new(servers))?;
//! # Ok(())
//! # }
//! ```

mod http;
mod moves;
mod options;
mod own_runtime;
mod repository;
mod retry;

pub use options::{AccessToken, ClientOptions, ServerUrls};
pub use ream_wire::jobs::ListTaken;
pub use repository::{ListColumns, RemoteRepository};
