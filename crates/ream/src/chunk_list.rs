//! A job's chunks, read as they are needed.

use futures::stream::{self, Stream, TryStreamExt};
use ream_core::{Error, JobChunk, JobChunkStatus, JobId, Result};
use ream_store::{JobChunkRepository, Page, PageRequest};
use std::sync::Arc;

/// All chunks of a job, or those of one status, in the order of their images. Nothing is held in memory: read it by
/// page, as a stream, or whole where it is short.
#[derive(Clone)]
pub struct ChunkList {
    repository: Arc<dyn JobChunkRepository>,
    job_id: JobId,
    status: Option<JobChunkStatus>,
    len: u64,
}

impl ChunkList {
    /// The longest list that [`Self::to_vec`] returns whole.
    pub const MAX_VEC_CHUNKS: u64 = 100_000;

    pub(crate) fn new(
        repository: Arc<dyn JobChunkRepository>,
        job_id: JobId,
        status: Option<JobChunkStatus>,
        len: u64,
    ) -> Self {
        Self { repository, job_id, status, len }
    }

    /// How many chunks there were when the list was asked for.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether there was none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// One page.
    ///
    /// # Errors
    /// Not found: the job is gone. Database.
    pub async fn page(&self, page: PageRequest) -> Result<Page<JobChunk>> {
        self.repository.list_chunks(self.job_id, self.status, page).await
    }

    /// Every chunk, page by page behind the scenes: constant memory however long.
    pub fn stream(&self) -> impl Stream<Item = Result<JobChunk>> + Send + use<> {
        let list = self.clone();
        let first = Some(PageRequest::largest());
        stream::try_unfold(first, move |at| {
            let list = list.clone();
            async move {
                let Some(request) = at else { return Ok(None) };
                let page = list.page(request).await?;
                let next = page.next.map(|cursor| request.at(Some(cursor)));
                Ok(Some((stream::iter(page.items.into_iter().map(Ok)), next)))
            }
        })
        .try_flatten()
    }

    /// Every chunk at once.
    ///
    /// # Errors
    /// Validation: more than [`Self::MAX_VEC_CHUNKS`]; use [`Self::stream`]. Otherwise as [`Self::page`].
    pub async fn to_vec(&self) -> Result<Vec<JobChunk>> {
        if self.len > Self::MAX_VEC_CHUNKS {
            return Err(Error::invalid(
                "chunks",
                format!("{} chunks long", self.len),
                format!("{} for a whole list; read `page` by page or as a `stream`", Self::MAX_VEC_CHUNKS),
            ));
        }
        self.stream().try_collect().await
    }
}
