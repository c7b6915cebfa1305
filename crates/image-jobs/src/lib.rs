//! What a job with an image list is, wherever it lies: its [`storage`], how its list is taken in ([`intake`]) and read
//! ([`list`]), whose it is ([`owner`]), what is made of its images ([`recipe`]), how output is staged and published ([`dataset`]), and what is left to be done after the
//! chunks ([`finish`], [`summary`]).

pub mod dataset;
pub mod error;
pub mod finish;
pub mod intake;
pub mod list;
pub mod owner;
pub mod recipe;
mod scratch;
pub mod storage;
pub mod summary;
#[cfg(test)]
mod testing;

pub use dataset::{Dataset, is_dataset_name};
pub use error::{Error, Result};
pub use finish::DatasetFinisher;
pub use list::{ImageList, ListRecord};
pub use owner::{check_owner, claim_dataset};
pub use recipe::ImageRecipe;
pub use scratch::ScratchFolder;
pub use storage::Storage;
