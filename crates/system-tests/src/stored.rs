//! Datasets in a store, brought here to be judged.

use ream_image_jobs::Storage;
use ream_image_jobs::storage::Access;
use ream_test_servers::{Result, cannot};
use std::path::{Path, PathBuf};

/// A dataset's parent in a store, as somebody with this environment reaches it.
pub struct Store {
    storage: Storage,
}

impl Store {
    /// # Errors
    /// No such URL.
    pub fn new(url: &str, environment: &[(String, String)]) -> Result<Self> {
        let access: Access = environment.iter().cloned().collect();
        let storage = Storage::parse_with("storage", url, &access).map_err(cannot("reach the store"))?;
        Ok(Self { storage })
    }

    /// Whether there is a file of this name.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn has(&self, name: &str) -> Result<bool> {
        block_on(self.storage.has(name))?.map_err(cannot("look into the store"))
    }

    /// Everything below `dataset` as files below `folder`; gives the dataset's folder there.
    ///
    /// # Errors
    /// The store does not answer, or the disk is full.
    pub fn fetch(&self, dataset: &str, folder: &Path) -> Result<PathBuf> {
        block_on(async {
            for entry in self.storage.list(dataset).await.map_err(cannot("list the dataset"))? {
                let path = folder.join(&entry.name);
                let parent = path.parent().unwrap_or(folder);
                std::fs::create_dir_all(parent).map_err(cannot("make a folder"))?;
                self.storage.fetch(&entry.name, &path).await.map_err(cannot("fetch the dataset"))?;
            }
            Ok(folder.join(dataset))
        })?
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Runtime::new().map_err(cannot("start threads"))?;
    Ok(runtime.block_on(work))
}
