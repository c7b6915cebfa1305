//! Getting ready: the folder's lock, the list, the database, and the job with its chunks.

use super::error::CrawlError;
use super::folder::{CrawlFolder, CrawlRecord, RECORD_VERSION, write_json};
use super::options::CrawlOptions;
use super::recipe::Recipe;
use super::session::{CrawlSession, Resumed};
use crate::tally::Tally;
use ream::{
    Actor, ConflictCode, CrawlJob, CrawlJobService, DatabaseUrl, JobChunkingService, JobFilter, JobGate,
    JobId, NewCrawlJob, PageRequest, Policy, TaskId,
};
use ream_dataset::{
    IngestOptions, Ingested, KeptColumn, ListFingerprint, PartsReader, ingest, list_fingerprint, list_sha256,
};
use ream_fetch::{FetchConfig, Fetcher};
use ream_image_jobs::list::{LIST_DIR, LIST_FILE};
use ream_image_jobs::{ImageList, ImageRecipe, ListRecord};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Takes the list in, or finds that this folder has it; makes the job, or finds it. Afterwards all that is left is
/// [`CrawlSession::run`]. `progress` hears bytes of the list read and in all, while it is taken in.
///
/// What the process before left processing is put back: the folder's lock proves that it is gone. Failed chunks are
/// retried: asking for the same crawl again is an operator's word.
///
/// # Errors
/// [`CrawlError`], all of them.
pub async fn prepare(
    options: CrawlOptions,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<CrawlSession, CrawlError> {
    let opened = tokio::task::spawn_blocking(move || open(options, progress)).await;
    let Opened { options, folder, mut record, passed_over, alone } =
        opened.map_err(|error| CrawlError::Io {
            action: "finish preparing",
            path: Path::new("the crawl").to_owned(),
            source: std::io::Error::other(error),
        })??;
    let own = DatabaseUrl::Sqlite(folder.database());
    let database = options.database.clone().unwrap_or(own);
    let repository = database.open(true).await?;
    let task_id = incarnation()?;
    let jobs = CrawlJobService::new(repository.clone()).acting_as(Actor::from(&task_id));
    let service = JobChunkingService::new(repository.clone()).acting_as(Actor::from(&task_id));
    let shared = options.database.is_some();
    let (job, found) = match record.job_id.filter(|_| shared) {
        Some(job_id) => (noted_job(&jobs, &folder, &record, JobId::new(job_id)).await?, true),
        None => find_or_create_job(&jobs, &folder, &record, &options, shared).await?,
    };
    if shared && record.job_id.is_none() {
        record.job_id = Some(job.id.get());
        folder.write_record(&record)?;
    }
    check_gate(&job, &database)?;
    jobs.start(job.id).await?;
    let resumed = match (found, alone) {
        (true, true) => Some(go_on(&jobs, &service, job.id, shared).await?),
        (true, false) => Some(Resumed::joined(&service, job.id).await?),
        (false, _) => None,
    };
    if shared && alone {
        folder.share()?;
    }
    let parts = PartsReader::open(&folder.list_dir(), record.chunk_size)?;
    let list = ImageList::new(list_record(&record, &options, parts.kept_columns().to_vec()), parts);
    let fetcher = Fetcher::new(within(&job.policy, &options.fetch))?;
    Ok(CrawlSession {
        options,
        folder,
        database,
        list,
        fetcher,
        service,
        task_id,
        job_id: job.id,
        resumed,
        rejected_rows: record.rejected,
        passed_over,
        tally: Tally::default(),
    })
}

/// What is kept about the list where jobs have theirs; folders of earlier versions have no file of it.
fn list_record(record: &CrawlRecord, options: &CrawlOptions, kept_columns: Vec<KeptColumn>) -> ListRecord {
    let ingested = Ingested {
        accepted: record.accepted,
        rejected: record.rejected,
        sha256: record.list_sha256.clone(),
        kept_columns,
        has_captions: record.has_captions,
        source_files: Vec::new(),
        passed_over: Vec::new(),
    };
    ListRecord::new(None, &how(options), ingested)
}

/// How the list is taken in.
fn how(options: &CrawlOptions) -> IngestOptions {
    IngestOptions { list: options.list_options.clone(), chunk_size: options.chunk_size }
}

struct Opened {
    options: CrawlOptions,
    folder: CrawlFolder,
    record: CrawlRecord,
    passed_over: Vec<String>,
    /// Whether nobody else is at work in the folder.
    alone: bool,
}

/// How long one that prepares the folder for others may take to note what it did before it is looked again.
const RECORD_PAUSE: Duration = Duration::from_millis(50);

fn open(options: CrawlOptions, progress: impl FnMut(u64, u64)) -> Result<Opened, CrawlError> {
    // Looked at before anything is made, so that a mistyped name leaves no folder behind.
    let found = list_fingerprint(&options.list).map_err(|error| no_list(&options.list, error))?;
    check_apart(&options)?;
    loop {
        let (folder, alone) = match options.database {
            Some(_) => CrawlFolder::join(&options.out)?,
            None => (CrawlFolder::open(&options.out)?, true),
        };
        let (record, passed_over) = match folder.record()? {
            // Whoever prepared it has died over it.
            Some(record) if !alone && record.job_id.is_none() => {
                std::thread::sleep(RECORD_PAUSE);
                continue;
            }
            None if !alone => {
                std::thread::sleep(RECORD_PAUSE);
                continue;
            }
            Some(record) => {
                check_same(&folder, &record, &options, found)?;
                (record, Vec::new())
            }
            None => take_in(&folder, &options, found, progress)?,
        };
        return Ok(Opened { options, folder, record, passed_over, alone });
    }
}

/// The job's word on robots.txt, and no image may wait so long that its chunk's time is over.
fn within(policy: &Policy, fetch: &FetchConfig) -> FetchConfig {
    let share = Duration::from_secs(policy.chunk_timeout_s.into()) / 4;
    FetchConfig {
        robots: policy.robots,
        max_wait: fetch.max_wait.min(share),
        total_timeout: fetch.total_timeout.min(share),
        ..fetch.clone()
    }
}

/// A list that is not there is a mistyped name; what else can go wrong with files is the machine's fault.
fn no_list(list: &Path, error: ream_dataset::Error) -> CrawlError {
    match error {
        ream_dataset::Error::Io { path, source, .. } if path == list => {
            CrawlError::io("read the list", path)(source)
        }
        other => other.into(),
    }
}

/// The ledgers of a dataset would be lists of its own list.
fn check_apart(options: &CrawlOptions) -> Result<(), CrawlError> {
    if options.out.exists() && !options.out.is_dir() {
        return Err(CrawlError::NotAFolder { path: options.out.clone() });
    }
    let (list, out) = (options.list.canonicalize(), options.out.canonicalize());
    match (list, out) {
        (Ok(list), Ok(out)) if list == out => Err(CrawlError::SameFolder { folder: options.out.clone() }),
        _ => Ok(()),
    }
}

/// Takes the list into a folder without a crawl, and says what it passed over. What fails leaves the folder as it was.
fn take_in(
    folder: &CrawlFolder,
    options: &CrawlOptions,
    found: ListFingerprint,
    progress: impl FnMut(u64, u64),
) -> Result<(CrawlRecord, Vec<String>), CrawlError> {
    if folder.database().exists() {
        return Err(CrawlError::Damaged {
            path: folder.root().to_owned(),
            message: "it has a crawl's database, but not the record of its list".to_owned(),
        });
    }
    let how = how(options);
    let ingested = folder
        .check_no_output()
        .and_then(|()| Ok(ingest(&options.list, &folder.list_dir(), &how, progress)?))
        .inspect_err(|_| folder.give_up())?;
    // For workers that know the job only.
    write_json(&folder.root().join(LIST_FILE), &ListRecord::new(None, &how, ingested.clone()))?;
    let record = CrawlRecord {
        version: RECORD_VERSION,
        list_sha256: ingested.sha256,
        list_path: std::path::absolute(&options.list).unwrap_or_else(|_| options.list.clone()),
        list_bytes: found.bytes,
        list_modified_ms: found.modified_ms,
        accepted: ingested.accepted,
        rejected: ingested.rejected,
        has_captions: ingested.has_captions,
        chunk_size: options.chunk_size,
        recipe: Recipe::of(options),
        shared_database: shared_database(options),
        job_id: None,
    };
    folder.write_record(&record)?;
    Ok((record, ingested.passed_over))
}

fn check_same(
    folder: &CrawlFolder,
    record: &CrawlRecord,
    options: &CrawlOptions,
    found: ListFingerprint,
) -> Result<(), CrawlError> {
    let list = &options.list;
    let mut differences = record.recipe.differences(&Recipe::of(options));
    let database = shared_database(options);
    if record.shared_database != database {
        let told = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "in the folder".to_owned());
        differences.push(format!(
            "its database was {}, and is now {}",
            told(&record.shared_database),
            told(&database)
        ));
    }
    let untouched = record.list_bytes == found.bytes
        && record.list_modified_ms == found.modified_ms
        && std::path::absolute(list).is_ok_and(|path| path == record.list_path);
    if !untouched && list_sha256(list)? != record.list_sha256 {
        differences.push(format!(
            "its list was {} ({} bytes), and {} has other content ({} bytes)",
            record.list_path.display(),
            record.list_bytes,
            list.display(),
            found.bytes
        ));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(CrawlError::Differs { folder: folder.root().to_owned(), differences })
}

/// The kind of a database that is not in the folder: the same one may be reached by several URLs.
fn shared_database(options: &CrawlOptions) -> Option<String> {
    options.database.as_ref().map(|url| match url {
        DatabaseUrl::Sqlite(_) => "another SQLite file".to_owned(),
        DatabaseUrl::Postgres(_) => "in PostgreSQL".to_owned(),
    })
}

/// The job that the folder's record names.
async fn noted_job(
    jobs: &CrawlJobService,
    folder: &CrawlFolder,
    record: &CrawlRecord,
    job_id: JobId,
) -> Result<CrawlJob, CrawlError> {
    let elsewhere = |_| CrawlError::Damaged {
        path: folder.root().to_owned(),
        message: format!("its job {job_id} is not in this database"),
    };
    let job = match jobs.get_crawl_job(job_id).await {
        Err(error @ ream::Error::NotFound { .. }) => return Err(elsewhere(error)),
        found => found?,
    };
    if job.image_list.as_deref() != Some(list_name(folder, true).as_str()) {
        return Err(CrawlError::Damaged {
            path: folder.root().to_owned(),
            message: format!("job {job_id} of this database is another one"),
        });
    }
    check_images(folder, &job, record)?;
    Ok(job)
}

/// What the job calls its image list: in a database that others share, by its whole path.
fn list_name(folder: &CrawlFolder, shared: bool) -> String {
    match shared {
        true => {
            let list = folder.list_dir();
            list.canonicalize().unwrap_or(list).to_string_lossy().into_owned()
        }
        false => LIST_DIR.to_owned(),
    }
}

/// A name that no worker of this folder had before: the process and the moment.
fn incarnation() -> ream::Result<TaskId> {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    TaskId::new(format!("crawl-{}-{nanos:x}", std::process::id()))
}

/// The job of this folder's list; others that somebody made in its database are not ours. Answers whether it was
/// there.
async fn find_or_create_job(
    jobs: &CrawlJobService,
    folder: &CrawlFolder,
    record: &CrawlRecord,
    options: &CrawlOptions,
    shared: bool,
) -> Result<(CrawlJob, bool), CrawlError> {
    let list = list_name(folder, shared);
    let mut page = PageRequest::largest();
    loop {
        let present = jobs.list_crawl_jobs(JobFilter::default(), page).await?;
        let ours = |job: &CrawlJob| job.image_list.as_deref() == Some(list.as_str());
        if let Some(job) = present.items.into_iter().find(ours) {
            check_images(folder, &job, record)?;
            return Ok((job, true));
        }
        match present.next {
            Some(next) => page = page.at(Some(next)),
            None => break,
        }
    }
    // Its process may have died before it made the job, and then there is none. Else its chunks would be replaced.
    folder.check_no_lost_job()?;
    let name: String = folder.root().file_name().map_or_else(
        || "crawl".to_owned(),
        |name| name.to_string_lossy().chars().filter(|c| !c.is_control()).take(200).collect(),
    );
    let mut new = NewCrawlJob::named(if name.is_empty() { "crawl".to_owned() } else { name });
    new.max_images = Some(record.accepted);
    new.chunk_size = record.chunk_size;
    new.policy = options.policy;
    new.image_list = Some(list);
    let recipe = ImageRecipe::new(options.format, options.layout, &options.transform);
    new.recipe = Some(recipe.to_json());
    if shared {
        // Then other workers can help; without, the folder's lock says that nobody else is at work.
        let root = folder.root();
        new.dataset =
            Some(root.canonicalize().unwrap_or_else(|_| root.to_owned()).to_string_lossy().into_owned());
    }
    Ok((jobs.create_crawl_job(new).await?, false))
}

/// The record and the database were written one after the other; only files moved by hand can disagree.
fn check_images(folder: &CrawlFolder, job: &CrawlJob, record: &CrawlRecord) -> Result<(), CrawlError> {
    if job.max_images == Some(record.accepted) && job.chunk_size == record.chunk_size {
        return Ok(());
    }
    Err(CrawlError::Damaged {
        path: folder.database(),
        message: format!(
            "its job has {} images in chunks of {}, the list taken in has {} in chunks of {}",
            job.max_images.unwrap_or(0),
            job.chunk_size,
            record.accepted,
            record.chunk_size
        ),
    })
}

/// A crawl that may not start chunks would only wait. With every chunk completed there is none to start.
fn check_gate(job: &CrawlJob, database: &DatabaseUrl) -> Result<(), CrawlError> {
    let told = match job.gate {
        JobGate::Open => return Ok(()),
        JobGate::Paused if job.is_done() => return Ok(()),
        JobGate::Paused => paused(job.id, database),
        JobGate::Cancelled => {
            format!("job {} is cancelled, which is final; crawl into another folder", job.id)
        }
    };
    Err(ream::Error::conflict(ConflictCode::JobNotRunning, told).into())
}

/// What a paused job waits for.
pub(super) fn paused(job_id: JobId, database: &DatabaseUrl) -> String {
    format!("job {job_id} is paused; `ream jobs resume {job_id} --database {database}` lets it go on")
}

/// From this attempt on, a chunk that was left processing goes to the end of the queue.
const SUSPECT_ATTEMPT: i64 = 3;

async fn go_on(
    jobs: &CrawlJobService,
    service: &JobChunkingService,
    job_id: JobId,
    shared: bool,
) -> Result<Resumed, CrawlError> {
    let mut resumed = Resumed::default();
    // Of a shared database, somebody on another machine may hold them: their leases tell.
    let left = if shared { None } else { Some(service.get_processing_chunks(job_id).await?.to_vec().await?) };
    for chunk in left.into_iter().flatten() {
        service.update_chunk_status(chunk.id, "pending", None, None).await?;
        if chunk.attempt.get() >= SUSPECT_ATTEMPT {
            // It may be what kills the process: let all others be done before it is tried again.
            service.set_priority(chunk.id, 0).await?;
        }
        resumed.released_chunks += 1;
    }
    resumed.retried_chunks = jobs.retry(job_id).await?;
    resumed.count(service, job_id).await?;
    Ok(resumed)
}
