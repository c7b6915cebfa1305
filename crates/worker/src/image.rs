//! One image from its URL to the bytes that are stored: fetch, verify, check, transform.

use crate::spool::{Spool, Spooled};
use bytes::Bytes;
use ream::ErrorClass;
use ream_dataset::{ListRow, OutputOptions, hex};
use ream_fetch::{FetchError, Fetched, Fetcher, Reservation};
use ream_transform::{ImageInfo, Inspected, Refusal, TransformSettings, Transformed};
use ream_transform::{exif_json, inspect, sniff, transform};
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;
use tokio::sync::Semaphore;

/// Makes images ready to be stored; clones share all limits.
#[derive(Clone)]
pub struct ImagePipeline {
    fetcher: Fetcher,
    how: Arc<How>,
    /// One per processor: more decoders at once would only take more memory.
    processors: Arc<Semaphore>,
}

struct How {
    transform: TransformSettings,
    output: OutputOptions,
}

/// An image that is ready to be stored.
pub(crate) struct Prepared {
    file: PreparedFile,
    pub(crate) stored: Transformed,
    /// The hash of the stored file, where it is known already.
    pub(crate) sha256: Option<String>,
    pub(crate) original: Original,
    pub(crate) fetch: FetchFacts,
    pub(crate) transform_ms: u64,
}

/// The file as it is stored.
enum PreparedFile {
    /// Counts against the memory budget until it is dropped.
    Memory(Bytes, Reservation),
    Disk(Spooled),
}

impl Prepared {
    /// The size of the file.
    pub(crate) fn len(&self) -> u64 {
        match &self.file {
            PreparedFile::Memory(bytes, _) => bytes.len() as u64,
            PreparedFile::Disk(spooled) => spooled.len() as u64,
        }
    }

    /// The file. Blocks.
    pub(crate) fn bytes(&self) -> io::Result<Bytes> {
        match &self.file {
            PreparedFile::Memory(bytes, _) => Ok(bytes.clone()),
            PreparedFile::Disk(spooled) => spooled.get(),
        }
    }

    /// Makes room for others if memory is short and this is not the next to be used.
    pub(crate) async fn make_room(&mut self, spool: &Spool) {
        let PreparedFile::Memory(bytes, reservation) = &self.file else { return };
        if !reservation.memory_is_short() {
            return;
        }
        let (spool, bytes) = (spool.clone(), bytes.clone());
        match tokio::task::spawn_blocking(move || spool.put(&bytes)).await {
            Ok(Ok(spooled)) => self.file = PreparedFile::Disk(spooled),
            // It stays where it is: memory is slower to come by then, and nothing is lost.
            Ok(Err(error)) => tracing::debug!(%error, "cannot put an image aside"),
            Err(error) => tracing::debug!(%error, "cannot put an image aside"),
        }
    }
}

/// The file as it came.
pub(crate) struct Original {
    pub(crate) bytes: u64,
    pub(crate) info: ImageInfo,
    /// `None` where it is also the stored file.
    pub(crate) sha256: Option<String>,
    /// Its EXIF fields as a JSON object, where somebody wants them.
    pub(crate) exif: Option<String>,
}

/// What is known of the answer.
pub(crate) struct FetchFacts {
    pub(crate) http_status: u16,
    pub(crate) final_url: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    pub(crate) tries: u32,
    pub(crate) fetch_ms: u64,
}

/// Why there is no image to store.
#[derive(Debug, Clone)]
pub(crate) struct ImageError {
    pub(crate) class: ErrorClass,
    pub(crate) message: String,
    pub(crate) http_status: Option<u16>,
    pub(crate) tries: u32,
    pub(crate) fetch_ms: u64,
    /// The size of what was fetched, if something was.
    pub(crate) original_bytes: Option<u64>,
    /// What its header says, if it is an image.
    pub(crate) original_info: Option<ImageInfo>,
}

impl From<FetchError> for ImageError {
    fn from(error: FetchError) -> Self {
        let FetchError { class, message, http_status, tries, fetch_ms, .. } = error;
        Self { class, message, http_status, tries, fetch_ms, original_bytes: None, original_info: None }
    }
}

impl ImagePipeline {
    /// Fetches with `fetcher`, does what `transform` says, and refuses what `output` has no place for.
    pub fn new(fetcher: Fetcher, transform: TransformSettings, output: OutputOptions) -> Self {
        let processors = available_parallelism().map_or(1, usize::from);
        let how = How { transform, output };
        Self { fetcher, how: Arc::new(how), processors: Arc::new(Semaphore::new(processors)) }
    }

    /// One for another job, which shares the processors with this one.
    pub(crate) fn for_job(
        &self,
        fetcher: Fetcher,
        transform: TransformSettings,
        output: OutputOptions,
    ) -> Self {
        let how = How { transform, output };
        Self { fetcher, how: Arc::new(how), processors: Arc::clone(&self.processors) }
    }

    /// Waits until another image would be fetched at once.
    pub(crate) async fn room(&self) {
        self.fetcher.room().await;
    }

    /// Makes one image ready. As with [`Fetcher::fetch`], the call takes the image's place in the order of memory.
    pub(crate) fn prepare(
        &self,
        row: &ListRow,
    ) -> impl Future<Output = Result<Prepared, ImageError>> + Send + use<> {
        let (pipeline, expected) = (self.clone(), row.expected_sha256.clone());
        let fetching = self.fetcher.fetch(&row.url);
        async move {
            let fetched = fetching.await?;
            // Thousands wait to be fetched, and only few are beyond: the waiting should not be as large.
            Box::pin(pipeline.finish(fetched, expected)).await
        }
    }

    async fn finish(&self, fetched: Fetched, expected: Option<String>) -> Result<Prepared, ImageError> {
        let Fetched { bytes, content_type, mut reservation, .. } = fetched;
        let original_bytes = Some(bytes.len() as u64);
        let fetch = FetchFacts {
            http_status: fetched.http_status,
            final_url: fetched.final_url,
            etag: fetched.etag,
            last_modified: fetched.last_modified,
            tries: fetched.tries,
            fetch_ms: fetched.fetch_ms,
        };
        let refused = |refusal: Refusal, original_info: Option<ImageInfo>| {
            let message = match refusal.class {
                ErrorClass::NotAnImage => format!("{}, sent as {content_type}", refusal.message),
                _ => refusal.message,
            };
            ImageError {
                class: refusal.class,
                message,
                http_status: Some(fetch.http_status),
                tries: fetch.tries,
                fetch_ms: fetch.fetch_ms,
                original_bytes,
                original_info,
            }
        };
        let inspected =
            inspect(&bytes, &self.how.transform).map_err(|refusal| refused(refusal, sniff(&bytes)))?;
        let info = inspected.info;
        let work = Work { bytes, inspected, expected, how: Arc::clone(&self.how) };
        let done = if work.is_small() {
            work.run()
        } else {
            let aside = self.run_aside(work, reservation).await;
            let (done, back) = aside.map_err(|refusal| refused(refusal, Some(info)))?;
            reservation = back;
            done
        };
        let Done { bytes, stored, sha256, original, transform_ms } =
            done.map_err(|refusal| refused(refusal, Some(info)))?;
        reservation.set_to(bytes.len() as u64);
        let file = PreparedFile::Memory(bytes, reservation);
        Ok(Prepared { file, stored, sha256, original, fetch, transform_ms })
    }

    /// On a thread that may block, when memory and a processor are free. They stay taken until the work has ended, even
    /// if nobody waits for it any more.
    async fn run_aside(
        &self,
        work: Work,
        reservation: Reservation,
    ) -> Result<(Result<Done, Refusal>, Reservation), Refusal> {
        let memory = reservation.work(work.inspected.work_bytes).await;
        let processor = Arc::clone(&self.processors).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let done = work.run();
            drop((memory, processor));
            (done, reservation)
        });
        done.await.map_err(|error| {
            let message = format!("the decoder broke down: {error}");
            Refusal { class: ErrorClass::Decode, message }
        })
    }
}

/// All that needs a processor.
struct Work {
    bytes: Bytes,
    inspected: Inspected,
    expected: Option<String>,
    how: Arc<How>,
}

struct Done {
    bytes: Bytes,
    stored: Transformed,
    sha256: Option<String>,
    original: Original,
    transform_ms: u64,
}

impl Work {
    /// Whether it is not worth a change of threads.
    fn is_small(&self) -> bool {
        self.inspected.work_bytes == 0 && self.expected.is_none() && !self.how.output.has_exif()
    }

    fn run(self) -> Result<Done, Refusal> {
        let started = Instant::now();
        let Self { bytes, inspected, expected, how } = self;
        let changes = inspected.work_bytes > 0;
        let sha256 = (changes || expected.is_some()).then(|| hex(&Sha256::digest(&bytes)));
        if let (Some(expected), Some(found)) = (&expected, &sha256)
            && expected != found
        {
            let message = format!("the SHA-256 is {found}, the list says {expected}");
            return Err(Refusal { class: ErrorClass::HashMismatch, message });
        }
        let mut stored = transform(&bytes, &inspected, &how.transform)?;
        let refused = stored.undecoded.then(|| how.output.refusal_of_undecoded(stored.format.extension()));
        if let Some(message) = refused.flatten() {
            return Err(Refusal { class: ErrorClass::Decode, message });
        }
        let is_original = stored.bytes.is_none();
        let original = Original {
            bytes: bytes.len() as u64,
            info: inspected.info,
            sha256: sha256.clone(),
            exif: how.output.has_exif().then(|| exif_json(&bytes)).flatten(),
        };
        let bytes = stored.bytes.take().map_or(bytes, Bytes::from);
        let transform_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Done { bytes, stored, sha256: sha256.filter(|_| is_original), original, transform_ms })
    }
}
