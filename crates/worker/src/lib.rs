//! Processes chunks: claim, fetch, check, pack, complete, publish.

pub mod address;
pub mod chunk;
pub mod claim;
pub mod crawl;
pub mod fetch;
mod lease;
mod pack;
pub mod progress;
pub mod resolve;
pub mod shutdown;
pub mod tally;
