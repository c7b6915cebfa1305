//! Ream over HTTP: what [`ream`] does in-process, for anybody who has a token.
//!
//! A request goes through `accept.rs` (connections, TLS, time limits), `app.rs` (what every request goes through, in order),
//! `access.rs` (who asks, and whether they may) and one handler of `routes/`. Any number of servers share one database; none
//! of them keeps anything that another one would miss.

mod accept;
mod access;
mod answer;
mod app;
mod config;
mod datasets;
mod docs;
mod events;
mod extract;
mod holders;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod routes;
mod server;
mod tls;

pub use config::{Limits, ServerConfig, TlsFiles};
pub use openapi::openapi_json;
pub use server::{Server, ServerError};
