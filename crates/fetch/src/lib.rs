//! Fetches bytes from servers that may be hostile, broken or slow: every hop of every URL past one address policy,
//! every step under a limit of time, bytes and memory, every host and site asked no more than it bears, and every end
//! one class of [`ream_core::ErrorClass`].
//!
//! One image's way: [`Fetcher::fetch`] takes its place in the order (`budget`); `target` checks the URL; `robots` asks
//! the site; `gate` waits for the host (`host/`), its pace and a slot; `net` looks the name up (`dns/`, `resolve`),
//! connects and sends; `body` receives. What fails becomes a class in `classify`, and is tried again by `fetcher`.

pub mod address;
mod body;
mod budget;
mod classify;
mod config;
mod deadline;
pub mod dns;
mod error;
mod fetcher;
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod host;
mod net;
mod rate;
mod report;
pub mod resolve;
mod retry;
pub mod robots;
mod slot;
mod target;
mod try_once;
mod turns;
mod unfinished;

pub use address::AddressPolicy;
pub use budget::{Reservation, WorkPermit};
pub use config::FetchConfig;
pub use dns::DnsCacheLimits;
pub use error::FetchError;
pub use fetcher::{Fetched, Fetcher};
pub use report::{HostReport, HostReports};
