//! Processes chunks: claim, fetch, check, pack, complete.

pub mod address;
pub mod fetch;
pub mod resolve;
