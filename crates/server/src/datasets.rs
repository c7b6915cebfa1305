//! Where datasets lie, as far as a server has to know: which places a job may name, and the lists that lie there.

use crate::answer::Refusal;
use lru::LruCache;
use ream::{CrawlJob, Error, JobId, Result};
use ream_image_jobs::dataset::is_dataset_name;
use ream_image_jobs::list::LIST_DIR;
use ream_image_jobs::{ImageList, ImageRecipe, Storage};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Lists that are kept open.
const OPEN_LISTS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The server's storage, if it has one.
pub(crate) struct Datasets {
    root: Option<Storage>,
    taking: Arc<Semaphore>,
    open: Mutex<LruCache<JobId, ImageList>>,
}

impl Datasets {
    pub(crate) fn new(root: Option<Storage>, max_lists: usize) -> Self {
        let open = Mutex::new(LruCache::new(OPEN_LISTS));
        Self { root, taking: Arc::new(Semaphore::new(max_lists)), open }
    }

    /// The place that a new job's dataset has, whole. A client names it below the server's storage, and nowhere else: it is
    /// the server and the workers that write there.
    ///
    /// # Errors
    /// Validation, of the field `dataset`.
    pub(crate) fn resolve(&self, dataset: &str) -> Result<String> {
        let Some(root) = &self.root else {
            let allowed = "none: this server has no storage; `ream serve --storage` names one";
            return Err(Error::invalid("dataset", format!("{dataset:?}"), allowed));
        };
        let shown = root.to_string();
        let within =
            dataset.strip_prefix(shown.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
        let name = within.unwrap_or(dataset);
        let bad = || {
            let allowed = format!(
                "a name below {shown}, such as `photos/2026`, without parts that begin with `.` or `_` or are output's, such as `00003`"
            );
            Error::invalid("dataset", format!("{dataset:?}"), allowed)
        };
        if !is_dataset_name(name) {
            return Err(bad());
        }
        let place = root.join(name).map_err(|_| bad())?;
        // What is stored has to be read again.
        Storage::parse("dataset", &place.to_string()).map_err(|_| bad())?;
        Ok(place.to_string())
    }

    /// The recipe of a new job, with every member.
    ///
    /// # Errors
    /// Validation, of the fields `recipe.…`.
    pub(crate) fn recipe(asked: Option<&serde_json::Value>) -> Result<serde_json::Value> {
        let recipe = asked.map_or_else(|| Ok(ImageRecipe::default()), ImageRecipe::parse)?;
        Ok(recipe.to_json())
    }

    /// The dataset of a job.
    ///
    /// # Errors
    /// Conflict: it has none.
    pub(crate) fn of(job: &CrawlJob) -> Result<Storage> {
        let Some(dataset) = &job.dataset else {
            let message = format!("job {} has no dataset: create it with one to send a list", job.id);
            return Err(Error::conflict(ream::ConflictCode::WrongStatus, message));
        };
        Storage::parse("dataset", dataset)
    }

    /// Where a job's list lies.
    pub(crate) fn list_place(dataset: &Storage) -> String {
        dataset.place_of(LIST_DIR)
    }

    /// The right to take a list in, until it is dropped.
    ///
    /// # Errors
    /// Rate limited: too many are at it.
    pub(crate) fn turn(&self) -> std::result::Result<OwnedSemaphorePermit, Refusal> {
        self.taking.clone().try_acquire_owned().map_err(|_| {
            Refusal::new("rate_limited", "other lists are being taken in; send this one a little later")
        })
    }

    /// A job's list.
    ///
    /// # Errors
    /// Conflict: it has none. The storage's.
    pub(crate) async fn list(&self, job: &CrawlJob) -> Result<ImageList> {
        if job.image_list.is_none() {
            let message = format!("job {} has no image list", job.id);
            return Err(Error::conflict(ream::ConflictCode::WrongStatus, message));
        }
        let known = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&job.id).cloned();
        if let Some(list) = known {
            return Ok(list);
        }
        let list = ImageList::open(&Self::of(job)?).await?;
        self.open.lock().unwrap_or_else(PoisonError::into_inner).put(job.id, list.clone());
        Ok(list)
    }
}
