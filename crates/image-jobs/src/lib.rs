//! What a job with an image list is, wherever it lies: its [`storage`], how its list is taken in ([`intake`]) and read
//! ([`list`]), what is made of its images ([`recipe`]), and how output is staged and published ([`dataset`]).

pub mod error;
pub mod storage;

pub use error::{Error, Result};
pub use storage::Storage;
