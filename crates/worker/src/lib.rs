//! Processes chunks: claim, fetch, check, pack, complete, publish.

pub mod chunk;
pub mod claim;
pub mod crawl;
pub mod image;
pub mod jobs;
mod lease;
mod pack;
mod process_error;
pub mod progress;
pub mod shutdown;
mod spool;
pub mod tally;

pub use process_error::ProcessError;
