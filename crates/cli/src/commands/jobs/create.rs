//! `ream jobs create` and `ream jobs start`.

use crate::commands::crawl::{ListFlags, local_list};
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
use ream_dataset::{IngestOptions, ListOptions};
use ream_image_jobs::intake::take_in;
use ream_image_jobs::list::LIST_DIR;
use ream_image_jobs::{ImageRecipe, Storage};
use std::path::PathBuf;

/// Create a job, and the database where it is missing
#[derive(Args)]
#[command(after_help = "\
Examples:
  ream jobs create --name photos --images 2500 --start
  ream jobs create --name pets --list pets.parquet --out s3://datasets/pets --format webdataset --start
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
    /// Where `ream work` puts the images of the list: a folder that all workers have, s3://BUCKET/PREFIX, gs://… or az://…
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
    let listed = Listed::of(&args, &mut new, settings.chunk_size.value, cx)?;
    // Before the database is made: a slip of the hand should not leave one behind.
    let named = |error| {
        Failure::from(error).rename_fields(|field| match field {
            "name" => Some("--name".to_owned()),
            "dataset" => Some("--out".to_owned()),
            "max_images" => Some("--images".to_owned()),
            "chunk_size" => Some(settings.chunk_size.name()),
            _ => None,
        })
    };
    new.validate().map_err(named)?;
    let session = cx.create().await?;
    if let Some(listed) = listed {
        listed.take_in(&mut new, cx).await?;
    }
    let images = new.max_images.unwrap_or_default();
    let mut job = session.jobs.create_crawl_job(new).await.map_err(named)?;
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

/// A list that becomes a job's images.
struct Listed {
    list: PathBuf,
    dataset: Storage,
    options: IngestOptions,
}

impl Listed {
    /// Notes in the new job where its images go and what is made of them.
    fn of(
        args: &CreateArgs,
        new: &mut NewCrawlJob,
        chunk_size: u64,
        cx: &Context<'_>,
    ) -> Result<Option<Self>> {
        let (Some(list), Some(out)) = (&args.list, &args.out) else {
            let idle = args.dataset != DatasetFlags::default()
                || args.images_made != ImageFlags::default()
                || args.columns.options() != ListOptions::default();
            return match idle {
                true => {
                    Err(Failure::usage("columns, formats and image settings have no effect without `--list`"))
                }
                false => Ok(None),
            };
        };
        let layers = &cx.settings.layers;
        let dataset = DatasetSettings::load(layers, &args.dataset)?;
        let transform = ImageSettings::load(layers, &args.images_made)?.transform()?;
        let recipe = ImageRecipe::new(dataset.format.value, dataset.layout(), &transform);
        let storage = Storage::parse("--out", out)?;
        new.dataset = Some(storage.to_string());
        new.recipe = Some(recipe.to_json());
        let options = IngestOptions { list: args.columns.options(), chunk_size };
        Ok(Some(Self { list: list.clone(), dataset: storage, options }))
    }

    /// Takes the list in. Whoever is stopped after that, or before the job is there, can give the same command again.
    async fn take_in(self, new: &mut NewCrawlJob, cx: &Context<'_>) -> Result<()> {
        let list = local_list(&self.list, cx.out).await?;
        let bar = cx.out.bytes_bar(format!("reading {}", text::printable(&self.list.display().to_string())));
        let reading = bar.clone();
        let taken = take_in(list.path(), &self.dataset, self.options, move |read, total| {
            reading.set_length(total);
            reading.set_position(read);
        });
        let taken = taken.await;
        bar.finish_and_clear();
        let taken = taken?;
        if taken.rejected > 0 {
            cx.out.warning(format_args!(
                "{} of the list rejected: `rejects.jsonl` below `{}` says which and why",
                text::count(taken.rejected, "row"),
                text::printable(&self.dataset.place_of(LIST_DIR))
            ));
        }
        new.max_images = Some(taken.accepted);
        new.image_list = Some(self.dataset.place_of(LIST_DIR));
        Ok(())
    }
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
