//! `ream jobs create` and `ream jobs start`.

use super::listed::Listed;
use crate::commands::crawl::ListFlags;
use crate::context::{Context, Session};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::text;
use crate::settings::{
    DatasetFlags, DatasetSettings, ImageFlags, ImageSettings, JobFlags, JobSettings, PolicyFlags,
    PolicySettings,
};
use crate::values;
use clap::{Args, ValueEnum};
use ream::{CrawlJob, Executor, JobId, NewCrawlJob, Priority};
use ream_dataset::ListOptions;
use std::path::PathBuf;

/// Create a job, and the database where it is missing
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream jobs create --name photos --images 2500 --start
  ream jobs create --name pets --list pets.parquet --out s3://datasets/pets --format webdataset --start
  ream jobs create --name pets --list pets.parquet --out pets --start --server http://ream.example:8080
  ream jobs create --name laion --images 5850000000 --priority 7 --executor celery
  ream jobs create --name slow-sites --images 9000 --lease-s 60 --heartbeat-s 20 --max-retries 10

JSON: the job.")]
pub(crate) struct CreateArgs {
    /// A name for people; need not be unique
    #[arg(long)]
    name: String,
    /// How many images, numbered from 0; with `--list` its rows
    #[arg(long, value_name = "N", value_parser = values::images, allow_negative_numbers = true,
        required_unless_present = "list", conflicts_with = "list")]
    images: Option<u64>,
    /// A list of images for Ream's own workers, as `ream crawl` takes it: a file, a folder, or a file at s3://…, gs://…
    /// or az://…
    #[arg(long, value_name = "LIST", requires = "out")]
    list: Option<PathBuf>,
    /// Where `ream work` puts the images of the list: a folder that all workers have, s3://BUCKET/PREFIX, gs://… or az://…;
    /// with a server a name below its storage
    #[arg(long, value_name = "DATASET", requires = "list")]
    out: Option<String>,
    /// 0 to 10, higher is more urgent [default: 5]
    #[arg(long, value_name = "PRIORITY", value_parser = values::priority, allow_negative_numbers = true)]
    priority: Option<Priority>,
    /// Images per chunk [default: 500]
    #[arg(long, value_name = "S", value_parser = values::chunk_size, allow_negative_numbers = true)]
    chunk_size: Option<u64>,
    /// Who processes the chunks [default: external; with --list Ream's own workers]
    #[arg(long, value_enum)]
    executor: Option<ExecutorArg>,
    /// Create the chunks at once, so that workers can take them
    #[arg(long)]
    start: bool,
    #[command(flatten)]
    columns: ListFlags,
    #[command(flatten)]
    dataset: DatasetFlags,
    #[command(flatten)]
    images_made: ImageFlags,
    #[command(flatten)]
    policy: PolicyFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ExecutorArg {
    /// Programs that call the service
    External,
    /// Celery workers, through a broker
    Celery,
}

pub(super) async fn run(args: CreateArgs, cx: &Context<'_>) -> Result<Exit> {
    let flags = JobFlags { priority: args.priority, chunk_size: args.chunk_size };
    let settings = JobSettings::load(&cx.settings.layers, &flags)?;
    let policy =
        PolicySettings::load(&cx.settings.layers, &args.policy, ream::PolicyFields::default())?.policy()?;
    let mut new = NewCrawlJob::named(&args.name);
    new.max_images = args.images;
    new.priority = settings.priority.value;
    new.chunk_size = settings.chunk_size.value;
    new.executor = args.executor.map(|executor| match executor {
        ExecutorArg::External => Executor::External,
        ExecutorArg::Celery => Executor::Celery,
    });
    new.policy = policy;
    // Before the database is made: a slip of the hand should not leave one behind.
    let named = |failure: Failure| {
        failure.rename_fields(|field| match field {
            "name" => Some("--name".to_owned()),
            "dataset" => Some("--out".to_owned()),
            "max_images" => Some("--images".to_owned()),
            "chunk_size" => Some(settings.chunk_size.name()),
            _ => None,
        })
    };
    let listed = match (&args.list, &args.out) {
        (Some(list), Some(out)) => {
            let layers = &cx.settings.layers;
            let dataset = DatasetSettings::load(layers, &args.dataset)?;
            let images = ImageSettings::load(layers, &args.images_made)?;
            let columns = args.columns.options();
            Some(Listed::new(list.clone(), out.clone(), columns, &mut new, &dataset, &images)?)
        }
        _ if args.dataset != DatasetFlags::default()
            || args.images_made != ImageFlags::default()
            || args.columns.options() != ListOptions::default() =>
        {
            return Err(Failure::usage(
                "columns, formats and image settings have no effect without `--list`",
            ));
        }
        _ => None,
    };
    new.validate().map_err(|error| named(error.into()))?;
    let session = cx.create().await?;
    let created = match listed {
        Some(listed) => listed.create(new, &session, cx).await,
        None => session.jobs.create_crawl_job(new).await.map_err(Failure::from),
    };
    let mut job = created.map_err(named)?;
    let images = job.max_images.unwrap_or_default();
    if args.start {
        job = start_job(&job, &session, cx).await?;
    }
    if cx.out.is_json() {
        cx.out.document(&job)?;
        return Ok(Exit::Success);
    }
    let images = text::count(images, "image");
    let name = text::printable(&job.name);
    let with_chunks = if args.start { format!(", {}", chunks_told(&job)) } else { String::new() };
    cx.out.line(format_args!("job {} `{name}` created: {images}{}", job.id, with_chunks))?;
    if !args.start {
        cx.out.hint(format_args!("`ream jobs start {}` creates its chunks", job.id));
    }
    Ok(Exit::Success)
}

pub(super) async fn start(job_id: JobId, cx: &Context<'_>) -> Result<Exit> {
    let session = cx.open().await?;
    let before = session.jobs.get_crawl_job(job_id).await?;
    let job = start_job(&before, &session, cx).await?;
    if cx.out.is_json() {
        cx.out.document(&job)?;
    } else if before.counters.total_chunks > 0 {
        cx.out.line(format_args!("job {job_id} was started before: {}", chunks_told(&job)))?;
    } else {
        cx.out.line(format_args!("job {job_id} started: {}", chunks_told(&job)))?;
    }
    Ok(Exit::Success)
}

async fn start_job(job: &CrawlJob, session: &Session, cx: &Context<'_>) -> Result<CrawlJob> {
    let spinner = cx.out.spinner(format!("creating the chunks of job {}", job.id));
    let started = session.jobs.start(job.id).await;
    spinner.finish_and_clear();
    started?;
    Ok(session.jobs.get_crawl_job(job.id).await?)
}

fn chunks_told(job: &CrawlJob) -> String {
    text::count(job.counters.total_chunks, "chunk")
}
