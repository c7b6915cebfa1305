//! Getting ready: the folder's lock, the list, the database, and the job with its chunks.

use super::error::CrawlError;
use super::folder::{CrawlFolder, CrawlRecord, DatasetSettings, LIST_NAME};
use super::options::CrawlOptions;
use super::session::{CrawlSession, Resumed};
use crate::tally::Tally;
use ream::{
    Actor, ConflictCode, CrawlJob, CrawlJobService, DatabaseUrl, JobChunkRepository, JobChunkingService,
    JobFilter, JobGate, JobId, NewCrawlJob, PageRequest, Policy, TaskId,
};
use ream_dataset::{IngestOptions, PartsReader, hex, ingest};
use ream_fetch::Fetcher;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
    let (options, folder, record, repository) = opened.map_err(|error| CrawlError::Io {
        action: "finish preparing",
        path: Path::new("the crawl").to_owned(),
        source: std::io::Error::other(error),
    })??;
    let task_id = incarnation()?;
    let jobs = CrawlJobService::new(repository.clone()).acting_as(Actor::from(&task_id));
    let service = JobChunkingService::new(repository.clone()).acting_as(Actor::from(&task_id));
    let (job, found) = find_or_create_job(&jobs, &folder, &record, options.policy).await?;
    check_gate(&job)?;
    jobs.start(job.id).await?;
    let resumed = if found { Some(go_on(&jobs, &service, job.id).await?) } else { None };
    let list = PartsReader::open(&folder.list_dir(), record.settings.chunk_size)?;
    let fetcher = Fetcher::new(options.fetch.clone())?;
    Ok(CrawlSession {
        options,
        folder,
        list,
        fetcher,
        service,
        task_id,
        job_id: job.id,
        resumed,
        rejected_rows: record.rejected,
        tally: Tally::default(),
    })
}

type Opened = (CrawlOptions, CrawlFolder, CrawlRecord, Arc<dyn JobChunkRepository>);

fn open(options: CrawlOptions, progress: impl FnMut(u64, u64)) -> Result<Opened, CrawlError> {
    // Looked at before anything is made, so that a mistyped name leaves no folder behind.
    let list = &options.list;
    let meta = std::fs::metadata(list).map_err(CrawlError::io("read the list", list))?;
    let folder = CrawlFolder::open(&options.out)?;
    let settings = DatasetSettings {
        format: options.format.to_string(),
        chunk_size: options.chunk_size,
        url_column: options.list_options.url_column.clone(),
        caption_column: options.list_options.caption_column.clone(),
    };
    let modified_ms = meta
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    let record = match folder.record()? {
        Some(record) => {
            check_same(&folder, &record, list, (meta.len(), modified_ms), &settings)?;
            record
        }
        None => {
            if folder.database().exists() {
                return Err(CrawlError::Damaged {
                    path: folder.root().to_owned(),
                    message: "it has a crawl's database, but not the record of its list".to_owned(),
                });
            }
            if let Err(error) = folder.check_no_output() {
                folder.give_up();
                return Err(error);
            }
            let how = IngestOptions { list: options.list_options.clone(), chunk_size: options.chunk_size };
            let ingested = match ingest(list, &folder.list_dir(), &how, progress) {
                Ok(ingested) => ingested,
                Err(error) => {
                    folder.give_up();
                    return Err(error.into());
                }
            };
            let record = CrawlRecord {
                list_sha256: ingested.sha256,
                list_path: std::path::absolute(list).unwrap_or_else(|_| list.clone()),
                list_bytes: meta.len(),
                list_modified_ms: modified_ms,
                accepted: ingested.accepted,
                rejected: ingested.rejected,
                settings,
            };
            folder.write_record(&record)?;
            record
        }
    };
    let repository = DatabaseUrl::Sqlite(folder.database()).open(true)?;
    Ok((options, folder, record, repository))
}

fn check_same(
    folder: &CrawlFolder,
    record: &CrawlRecord,
    list: &Path,
    (bytes, modified_ms): (u64, u64),
    settings: &DatasetSettings,
) -> Result<(), CrawlError> {
    let mut differences = record.settings.differences(settings);
    let untouched = record.list_bytes == bytes
        && record.list_modified_ms == modified_ms
        && std::path::absolute(list).is_ok_and(|path| path == record.list_path);
    if !untouched && sha256_of(list)? != record.list_sha256 {
        differences.push(format!(
            "its list was {} ({} bytes), and {} has other content ({bytes} bytes)",
            record.list_path.display(),
            record.list_bytes,
            list.display()
        ));
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(CrawlError::Differs { folder: folder.root().to_owned(), differences })
}

fn sha256_of(path: &Path) -> Result<String, CrawlError> {
    let mut file = File::open(path).map_err(CrawlError::io("read the list", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(CrawlError::io("read the list", path))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hex(&hash.finalize()))
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
    policy: Policy,
) -> Result<(CrawlJob, bool), CrawlError> {
    let mut page = PageRequest::largest();
    loop {
        let present = jobs.list_crawl_jobs(JobFilter::default(), page).await?;
        let ours = |job: &CrawlJob| job.image_list.as_deref() == Some(LIST_NAME);
        if let Some(job) = present.items.into_iter().find(ours) {
            check_images(folder, &job, record)?;
            return Ok((job, true));
        }
        match present.next {
            Some(next) => page = page.at(Some(next)),
            None => break,
        }
    }
    let name: String = folder.root().file_name().map_or_else(
        || "crawl".to_owned(),
        |name| name.to_string_lossy().chars().filter(|c| !c.is_control()).take(200).collect(),
    );
    let mut new = NewCrawlJob::named(if name.is_empty() { "crawl".to_owned() } else { name });
    new.max_images = Some(record.accepted);
    new.chunk_size = record.settings.chunk_size;
    new.policy = policy;
    new.image_list = Some(LIST_NAME.to_owned());
    Ok((jobs.create_crawl_job(new).await?, false))
}

/// The record and the database were written one after the other; only files moved by hand can disagree.
fn check_images(folder: &CrawlFolder, job: &CrawlJob, record: &CrawlRecord) -> Result<(), CrawlError> {
    if job.max_images == Some(record.accepted) && job.chunk_size == record.settings.chunk_size {
        return Ok(());
    }
    Err(CrawlError::Damaged {
        path: folder.database(),
        message: format!(
            "its job has {} images in chunks of {}, the list taken in has {} in chunks of {}",
            job.max_images.unwrap_or(0),
            job.chunk_size,
            record.accepted,
            record.settings.chunk_size
        ),
    })
}

/// A crawl that may not start chunks would wait without a word.
fn check_gate(job: &CrawlJob) -> Result<(), CrawlError> {
    let told = match job.gate {
        JobGate::Open => return Ok(()),
        JobGate::Paused => {
            format!("job {0} is paused; `ream jobs resume {0}` on its database lets it go on", job.id)
        }
        JobGate::Cancelled => {
            format!("job {} is cancelled, which is final; crawl into another folder", job.id)
        }
    };
    Err(ream::Error::conflict(ConflictCode::JobNotRunning, told).into())
}

/// From this attempt on, a chunk that was left processing goes to the end of the queue.
const SUSPECT_ATTEMPT: i64 = 3;

async fn go_on(
    jobs: &CrawlJobService,
    service: &JobChunkingService,
    job_id: JobId,
) -> Result<Resumed, CrawlError> {
    let mut resumed = Resumed::default();
    for chunk in service.get_processing_chunks(job_id).await?.to_vec().await? {
        service.update_chunk_status(chunk.id, "pending", None, None).await?;
        if chunk.attempt.get() >= SUSPECT_ATTEMPT {
            // It may be what kills the process: let all others be done before it is tried again.
            service.set_priority(chunk.id, 0).await?;
        }
        resumed.released_chunks += 1;
    }
    resumed.retried_chunks = jobs.retry(job_id).await?;
    resumed.completed_chunks = service.get_chunk_statistics(job_id).await?.completed.unsigned_abs();
    Ok(resumed)
}
