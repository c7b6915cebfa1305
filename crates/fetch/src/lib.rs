//! Fetches bytes from servers that may be hostile, broken or slow: every hop of every URL past one address policy,
//! every step under a limit of time, bytes and memory, and every end one class of [`ream_core::ErrorClass`].

pub mod address;
mod body;
mod budget;
mod classify;
mod config;
mod deadline;
mod fetcher;
pub mod resolve;
mod retry;
mod target;

pub use address::AddressPolicy;
pub use budget::Reservation;
pub use config::FetchConfig;
pub use fetcher::{FetchError, Fetched, Fetcher};
