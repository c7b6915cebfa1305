//! `ream crawl`: from a list to a dataset in one folder; the same command again goes on.

mod collapse;
mod display;
mod report;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, text};
use crate::settings::{
    DatasetFlags, DatasetSettings, FetchFlags, FetchSettings, FetchTable, ImageFlags, ImageSettings,
    JobFlags, JobSettings, PolicyFlags, PolicySettings, Source,
};
use crate::signals::Signals;
use display::{Display, TICK};
use ream::{DatabaseUrl, RobotsPolicy};
use ream_image_jobs::intake::{LocalList, fetch_list};
use ream_worker::crawl::{
    CrawlError, CrawlOptions, CrawlSession, CrawlSummary, KeepColumns, ListOptions, STATE_DIR, prepare,
};
use ream_worker::shutdown::Shutdown;
pub(crate) use report::tell;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// Entries of the list's folder that are named when they are left out.
const NAMED_ENTRIES: usize = 5;

/// Crawl a list of image URLs into a folder
///
/// The same command again goes on where the last one ended, however it ended: the folder holds everything, the state
/// included. With `--database postgres://…` the state is there, and several processes can share one list. Only public
/// addresses are fetched, unless `--allow-net` names others.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ream crawl urls.txt --out photos/
  ream crawl pets.parquet --out pets/ --url-col link --caption-col title --keep-cols license
  ream crawl urls.csv --out small/ --format webdataset --resize-mode center_crop --image-size 256
  ream crawl intranet.jsonl.gz --out intranet/ --allow-net 10.20.0.0/16")]
pub(crate) struct CrawlArgs {
    /// The list: .txt, .csv, .tsv, .jsonl (also .gz and .zst) or .parquet, also at s3://…, gs://… or az://…; or a folder of
    /// such files
    #[arg(value_name = "LIST")]
    pub(crate) list: PathBuf,
    /// The dataset's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) columns: ListFlags,
    /// Whether sites may refuse: respect or ignore robots.txt and X-Robots-Tag [default: respect]
    #[arg(long, value_name = "POLICY", value_parser = crate::values::flag(RobotsPolicy::from_str))]
    pub(crate) robots: Option<RobotsPolicy>,
    /// Images per chunk [default: 500]
    #[arg(long, value_name = "IMAGES", value_parser = crate::values::chunk_size, allow_negative_numbers = true)]
    pub(crate) chunk_size: Option<u64>,
    /// End with exit code 1 if a single image failed
    #[arg(long)]
    pub(crate) fail_on_image_errors: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetFlags,
    #[command(flatten)]
    pub(crate) fetching: FetchFlags,
    #[command(flatten)]
    pub(crate) images: ImageFlags,
}

/// Which columns of a list to use.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ListFlags {
    /// The column with the URL
    #[arg(long, value_name = "NAME", default_value = "url")]
    pub(crate) url_col: String,
    /// The column with the caption [default: `caption` where there is one]
    #[arg(long, value_name = "NAME")]
    pub(crate) caption_col: Option<String>,
    /// Columns that go through to the output as they are, with commas; `all` for every other column
    #[arg(long, value_name = "NAMES", value_parser = KeepColumns::from_str)]
    pub(crate) keep_cols: Option<KeepColumns>,
    /// The column with the SHA-256 that the file must have, in hexadecimal
    #[arg(long, value_name = "NAME")]
    pub(crate) sha256_col: Option<String>,
}

impl ListFlags {
    pub(crate) fn options(&self) -> ListOptions {
        ListOptions {
            url_column: self.url_col.clone(),
            caption_column: self.caption_col.clone(),
            keep_columns: self.keep_cols.clone().unwrap_or_default(),
            sha256_column: self.sha256_col.clone(),
        }
    }
}

pub(crate) async fn run(mut args: CrawlArgs, context: &Context<'_>) -> Result<Exit> {
    let list = local_list(&args.list, context.out).await?;
    args.list = list.path().to_owned();
    let options = options(&args, context)?;
    let Crawled { summary, paused } = crawl(options, context.out).await?;
    tell(&summary, &args.out, context.out)?;
    let failed_images = args.fail_on_image_errors && summary.images_failed_total() > 0;
    match summary.status {
        _ if summary.is_complete() && failed_images => Ok(Exit::Incomplete),
        _ if summary.is_complete() => Ok(Exit::Success),
        _ if summary.stopped => {
            let told = format!(
                "interrupted; {} of {} chunks are completed and saved, images of the others will be fetched again",
                summary.completed_chunks, summary.total_chunks
            );
            Err(match paused {
                Some(paused) => Failure::interrupted_with(format!("{told}; {paused}"))
                    .hint("once it is resumed, the same command goes on from here"),
                None => Failure::interrupted_with(told).hint("the same command goes on from here"),
            })
        }
        _ => Ok(Exit::Incomplete),
    }
}

fn options(args: &CrawlArgs, context: &Context<'_>) -> Result<CrawlOptions> {
    let layers = &context.settings.layers;
    let dataset = DatasetSettings::load(layers, &args.dataset)?;
    let settings = FetchSettings::load(layers, FetchTable::Crawl, &args.fetching)?;
    let jobs = JobSettings::load(layers, &JobFlags { priority: None, chunk_size: args.chunk_size })?;
    let policy = PolicyFlags { robots: args.robots, ..PolicyFlags::default() };
    let mut options = CrawlOptions::new(&args.list, &args.out);
    options.list_options = args.columns.options();
    options.database = shared_database(context)?;
    options.format = dataset.format.value;
    options.layout = dataset.layout();
    options.chunk_size = jobs.chunk_size.value;
    options.chunks_in_flight = settings.chunks_in_flight.value;
    options.policy = PolicySettings::load(layers, &policy, CrawlOptions::default_policy())?.policy()?;
    options.fetch = settings.fetch();
    options.transform = ImageSettings::load(layers, &args.images)?.transform()?;
    Ok(options)
}

/// The list itself, or a copy of the one at a URL.
pub(crate) async fn local_list(list: &Path, out: &Output) -> Result<LocalList> {
    let spinner = out.spinner(format!("fetching {}", text::printable(&list.display().to_string())));
    // A name that is no UTF-8 is no URL.
    let fetched = match list.to_str() {
        Some(list) => fetch_list(list).await,
        None => Ok(LocalList::from(list.to_owned())),
    };
    spinner.finish_and_clear();
    Ok(fetched?)
}

/// A database that several processes share. Without one a crawl keeps its own beside its output; a variable may name
/// such a file for other commands, a flag is a mistake.
fn shared_database(context: &Context<'_>) -> Result<Option<DatabaseUrl>> {
    let url = &context.settings.database.url;
    match &url.value {
        DatabaseUrl::Postgres(_) => Ok(Some(url.value.clone())),
        DatabaseUrl::Sqlite(_) => check_database(context).map(|()| None),
    }
}

/// A flag that names a SQLite file, where each crawl has one of its own.
pub(super) fn check_database(context: &Context<'_>) -> Result<()> {
    match context.settings.database.url.source {
        Source::Flag(_) => Err(Failure::usage("a crawl keeps its own database, in the folder of its output")
            .hint("leave `--database` out, or name one that several processes share: postgres://…")),
        _ => Ok(()),
    }
}

/// How a crawl ended.
pub(crate) struct Crawled {
    pub(crate) summary: CrawlSummary,
    /// What it waits for, if its job is paused.
    paused: Option<String>,
}

/// Prepares and runs a crawl with a progress bar, until it has ended. The first signal asks for an orderly end, the
/// second ends at once: leases then run out by themselves.
pub(crate) async fn crawl(options: CrawlOptions, out: &Output) -> Result<Crawled> {
    let mut signals = Signals::listen()?;
    let session = tokio::select! {
        session = take_in(options, out) => session?,
        // Nothing is lost: what is not taken in whole does not count.
        () = signals.next() => return Err(Failure::interrupted()),
    };
    greet(&session, out);
    let (shutdown, stop) = Shutdown::new();
    let mut display = Display::new(&session, out).await?;
    let mut running = std::pin::pin!(session.run(stop));
    let mut stopping = false;
    loop {
        tokio::select! {
            summary = &mut running => {
                return Ok(Crawled { summary: summary?, paused: session.paused().await.unwrap_or_default() });
            }
            () = signals.next() => {
                if stopping {
                    let told = "ended at once; completed chunks are saved, images of the others will be fetched again";
                    return Err(Failure::interrupted_with(told));
                }
                stopping = true;
                shutdown.stop();
                display.say("stopping: chunks in work are given back (again to end at once)");
            }
            () = tokio::time::sleep(TICK) => display.refresh().await,
        }
    }
}

async fn take_in(options: CrawlOptions, out: &Output) -> Result<CrawlSession> {
    let bar = out.bytes_bar(format!("reading {}", text::printable(&options.list.display().to_string())));
    let reading = bar.clone();
    let session = prepare(options, move |read, total| {
        reading.set_length(total);
        reading.set_position(read);
    });
    let session = session.await;
    bar.finish_and_clear();
    Ok(session?)
}

fn greet(session: &CrawlSession, out: &Output) {
    let passed_over = session.passed_over();
    if !passed_over.is_empty() {
        let named: Vec<String> = passed_over
            .iter()
            .take(NAMED_ENTRIES)
            .map(|name| format!("`{}`", text::printable(name)))
            .collect();
        let more = passed_over.len().saturating_sub(NAMED_ENTRIES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.warning(format_args!("not lists, and left out: {}{more}", named.join(", ")));
    }
    if session.rejected_rows() > 0 {
        let rejects = session.root().join(STATE_DIR).join("list/rejects.jsonl");
        out.warning(format_args!(
            "{} of the list rejected: `{}` says which and why",
            text::count(session.rejected_rows(), "row"),
            text::printable(&rejects.display().to_string())
        ));
    }
    if let DatabaseUrl::Postgres(_) = session.database() {
        let database = text::printable(&session.database().to_string());
        out.note(format_args!("state: {database}, job {}", session.job_id()));
    }
    if let Some(found) = session.resumed().filter(|found| found.left_chunks == 0) {
        let chunks = text::count(found.completed_chunks, "chunk");
        out.note(format_args!("nothing left to do: {chunks} done before"));
    } else if let Some(found) = session.resumed() {
        out.note(format_args!(
            "going on: {} done before, {} put back, {} tried again",
            text::count(found.completed_chunks, "chunk"),
            found.released_chunks,
            found.retried_chunks
        ));
    }
}

impl From<CrawlError> for Failure {
    fn from(error: CrawlError) -> Self {
        let told = error.to_string();
        match error {
            CrawlError::Service(error) => Self::from(error),
            CrawlError::Jobs(error) => Self::from(error),
            CrawlError::ForeignOutput { .. } => {
                Self::conflict("foreign_output", told).hint("`--out` a new folder")
            }
            CrawlError::FolderGone { .. } => Self::io(told).hint("crawl the list into another folder"),
            CrawlError::LostJob { .. } => Self::conflict("lost_job", told),
            CrawlError::Blocked { .. } => Self::io(told)
                .hint("finished chunks are saved; once that is mended, the same command goes on from there"),
            CrawlError::NotAFolder { .. } => Self::usage(told).hint("`--out` names the dataset's folder"),
            CrawlError::SameFolder { .. } => Self::usage(told).hint("`--out` another folder"),
            CrawlError::InUse { .. } => Self::conflict("in_use", told).hint("wait for it, or stop it first"),
            CrawlError::Differs { .. } => Self::conflict("other_crawl", told)
                .hint("`--out` another folder, or ask with the list and settings it was begun with"),
            CrawlError::Images(error) if error.is_bad_input() && told.contains("no column") => {
                Self::usage(told)
                    .hint("`--url-col`, `--caption-col`, `--keep-cols` and `--sha256-col` name the columns")
            }
            CrawlError::Images(error) if error.is_bad_input() => Self::usage(told),
            CrawlError::Io { action: "read the list", .. } => Self::usage(told),
            _ => Self::io(told),
        }
    }
}

impl From<ream_image_jobs::Error> for Failure {
    fn from(error: ream_image_jobs::Error) -> Self {
        use ream_image_jobs::Error;
        let told = error.to_string();
        match error {
            Error::Jobs(error) => Self::from(error),
            Error::Images(error) => Self::from(CrawlError::Images(error)),
            Error::HasList { .. } => Self::conflict("other_list", told).hint("`--out` another dataset"),
            Error::HasOutput { .. } => Self::conflict("foreign_output", told).hint("`--out` another dataset"),
            Error::OfAnotherJob { .. } => Self::conflict("other_job", told).hint("`--out` another dataset"),
            Error::WithinDataset { .. } => {
                Self::conflict("within_dataset", told).hint("`--out` another dataset")
            }
            Error::SamePlace { .. } => Self::usage(told).hint("`--out` another folder"),
            Error::Store { .. } => Self::unreachable(told),
            _ => Self::io(told),
        }
    }
}
