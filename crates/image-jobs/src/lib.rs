//! What a job with an image list is, wherever it lies: its [`storage`], how its list is taken in ([`intake`]) and read
//! ([`list`]), what is made of its images ([`recipe`]), and how output is staged and published ([`dataset`]).

pub mod dataset;
pub mod error;
pub mod intake;
pub mod list;
pub mod recipe;
pub mod storage;
#[cfg(test)]
mod testing;

pub use dataset::Dataset;
pub use error::{Error, Result};
pub use list::{ImageList, ListRecord};
pub use recipe::ImageRecipe;
pub use storage::Storage;
