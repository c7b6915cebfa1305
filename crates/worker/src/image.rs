//! One image from its URL to the bytes that are stored: fetch, check, transform.

use bytes::Bytes;
use ream::ErrorClass;
use ream_dataset::ListRow;
use ream_fetch::{FetchError, Fetched, Fetcher, Reservation};
use ream_transform::{ImageInfo, Inspected, Refusal, TransformSettings, Transformed, inspect, transform};
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;

/// Makes images ready to be stored; clones share all limits.
#[derive(Clone)]
pub struct ImagePipeline {
    fetcher: Fetcher,
    settings: Arc<TransformSettings>,
    /// One per processor: more decoders at once would only take more memory.
    processors: Arc<Semaphore>,
}

/// An image that is ready to be stored. Its bytes count against the memory budget until this is dropped.
pub(crate) struct Prepared {
    /// The file as it is stored.
    pub(crate) bytes: Bytes,
    /// The file as it came, unless that is what is stored.
    pub(crate) original: ImageInfo,
    pub(crate) stored: Transformed,
    pub(crate) http_status: u16,
    pub(crate) fetch_ms: u64,
    _reservation: Reservation,
}

/// Why there is no image to store.
#[derive(Debug, Clone)]
pub(crate) struct ImageError {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    pub(crate) fetch_ms: u64,
}

impl From<FetchError> for ImageError {
    fn from(error: FetchError) -> Self {
        let FetchError { class, message, http_status, fetch_ms } = error;
        Self { class, message, http_status, fetch_ms }
    }
}

impl ImagePipeline {
    /// Fetches with `fetcher` and does what `settings` say.
    pub fn new(fetcher: Fetcher, settings: TransformSettings) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        Self { fetcher, settings: Arc::new(settings), processors: Arc::new(Semaphore::new(processors)) }
    }

    /// Makes one image ready. As with [`Fetcher::fetch`], the call takes the image's place in the order of memory.
    pub(crate) fn prepare(
        &self,
        row: &ListRow,
    ) -> impl Future<Output = Result<Prepared, ImageError>> + Send + use<> {
        let (pipeline, fetching) = (self.clone(), self.fetcher.fetch(&row.url));
        async move { pipeline.finish(fetching.await?).await }
    }

    async fn finish(&self, fetched: Fetched) -> Result<Prepared, ImageError> {
        let Fetched { bytes, http_status, content_type, fetch_ms, reservation, .. } = fetched;
        let refused = |refusal: Refusal| {
            let message = match refusal.class {
                ErrorClass::NotAnImage => format!("{}, sent as {content_type}", refusal.message),
                _ => refusal.message,
            };
            ImageError { class: refusal.class, message, http_status: Some(http_status), fetch_ms }
        };
        let inspected = inspect(&bytes, &self.settings).map_err(refused)?;
        let original = inspected.info;
        let (bytes, stored) = self.transform(bytes, inspected).await.map_err(refused)?;
        Ok(Prepared { bytes, original, stored, http_status, fetch_ms, _reservation: reservation })
    }

    async fn transform(&self, bytes: Bytes, inspected: Inspected) -> Result<(Bytes, Transformed), Refusal> {
        if inspected.work_bytes == 0 {
            let stored = transform(&bytes, &inspected, &self.settings)?;
            return Ok((bytes, stored));
        }
        let _turn = self.processors.acquire().await;
        let settings = Arc::clone(&self.settings);
        let work = move || {
            let mut stored = transform(&bytes, &inspected, &settings)?;
            let bytes = stored.bytes.take().map_or(bytes, Bytes::from);
            Ok((bytes, stored))
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|error| {
            let message = format!("the decoder broke down: {error}");
            Err(Refusal { class: ErrorClass::Decode, message })
        })
    }
}
