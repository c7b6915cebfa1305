//! `ream crawl`: from a list to a dataset in one folder; the same command again goes on.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, Paint, fields, text};
use crate::settings::{
    CrawlFlags, CrawlSettings, JobFlags, JobSettings, PolicyFlags, PolicySettings, Source,
};
use crate::signals::Signals;
use indicatif::ProgressBar;
use ream::ErrorClass;
use ream_worker::crawl::{
    CrawlError, CrawlOptions, CrawlSession, CrawlSummary, ListOptions, STATE_DIR, prepare,
};
use ream_worker::shutdown::Shutdown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often the progress bar looks.
const TICK: Duration = Duration::from_millis(200);

/// Crawl a list of image URLs into a folder
///
/// The folder holds everything, the state included: the same command again goes on where the last one ended, however
/// it ended. Only public addresses are fetched, unless `--allow-net` names others.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ream crawl urls.txt --out photos/
  ream crawl pets.csv --out pets/ --url-col link --caption-col title --format webdataset
  ream crawl intranet.txt --out intranet/ --allow-net 10.20.0.0/16")]
pub(crate) struct CrawlArgs {
    /// The list: .txt with a URL per line, or .csv with a heading
    #[arg(value_name = "LIST")]
    pub(crate) list: PathBuf,
    /// The dataset's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The csv column with the URL
    #[arg(long, value_name = "NAME", default_value = "url")]
    pub(crate) url_col: String,
    /// The csv column with the caption [default: `caption` where there is one]
    #[arg(long, value_name = "NAME")]
    pub(crate) caption_col: Option<String>,
    /// Images per chunk [default: 500]
    #[arg(long, value_name = "IMAGES", value_parser = crate::values::chunk_size)]
    pub(crate) chunk_size: Option<u64>,
    /// End with exit code 1 if a single image failed
    #[arg(long)]
    pub(crate) fail_on_image_errors: bool,
    #[command(flatten)]
    pub(crate) fetching: CrawlFlags,
}

pub(crate) async fn run(args: CrawlArgs, context: &Context<'_>) -> Result<Exit> {
    check_database(context)?;
    let layers = &context.settings.layers;
    let settings = CrawlSettings::load(layers, &args.fetching)?;
    let jobs = JobSettings::load(layers, &JobFlags { priority: None, chunk_size: args.chunk_size })?;
    let mut options = CrawlOptions::new(&args.list, &args.out);
    options.list_options = ListOptions { url_column: args.url_col, caption_column: args.caption_col };
    options.format = settings.format.value;
    options.chunk_size = jobs.chunk_size.value;
    options.images_in_flight = settings.images_in_flight.value;
    options.chunks_in_flight = settings.chunks_in_flight.value;
    options.policy =
        PolicySettings::load(layers, &PolicyFlags::default(), CrawlOptions::default_policy())?.policy()?;
    options.fetch = settings.fetch();
    let summary = crawl(options, context.out).await?;
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
            Err(Failure::interrupted_with(told).hint("the same command goes on from here"))
        }
        _ => Ok(Exit::Incomplete),
    }
}

/// A crawl keeps its database beside its output. A variable may name another for other commands; a flag is a mistake.
pub(super) fn check_database(context: &Context<'_>) -> Result<()> {
    match context.settings.database.url.source {
        Source::Flag(_) => Err(Failure::usage("a crawl keeps its own database, in the folder of its output")
            .hint("leave `--database` out")),
        _ => Ok(()),
    }
}

/// Prepares and runs a crawl with a progress bar, until it has ended. The first signal asks for an orderly end, the
/// second ends at once: leases then run out by themselves.
pub(crate) async fn crawl(options: CrawlOptions, out: &Output) -> Result<CrawlSummary> {
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
            summary = &mut running => return Ok(summary?),
            () = signals.next() => {
                if stopping {
                    return Err(Failure::interrupted());
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
    if session.rejected_rows() > 0 {
        let rejects = session.root().join(STATE_DIR).join("list/rejects.jsonl");
        out.warning(format_args!(
            "{} of the list rejected: `{}` says which and why",
            text::count(session.rejected_rows(), "row"),
            text::printable(&rejects.display().to_string())
        ));
    }
    if let Some(found) = session.resumed() {
        out.note(format_args!(
            "going on: {} done before, {} put back, {} tried again",
            text::count(found.completed_chunks, "chunk"),
            found.released_chunks,
            found.retried_chunks
        ));
    }
}

/// The bar over a crawl's chunks.
struct Display<'a> {
    session: &'a CrawlSession,
    out: &'a Output,
    bar: ProgressBar,
    started: Instant,
}

impl<'a> Display<'a> {
    async fn new(session: &'a CrawlSession, out: &'a Output) -> Result<Self> {
        let progress = session.progress().await?;
        let bar = out.bar(progress.total_chunks.unsigned_abs());
        bar.set_position(progress.completed_chunks.unsigned_abs());
        Ok(Self { session, out, bar, started: Instant::now() })
    }

    fn say(&self, words: &str) {
        self.bar.suspend(|| self.out.note(words));
    }

    /// A look that fails shows nothing new; what is wrong is told where the work is done.
    async fn refresh(&mut self) {
        let Ok(progress) = self.session.progress().await else { return };
        let tally = self.session.tally().snapshot();
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mut message = format!(
            "{} images, {:.0}/s, {:.1} MB/s",
            tally.images(),
            tally.images() as f64 / seconds,
            tally.bytes as f64 / 1e6 / seconds
        );
        if let Some(eta) = progress.eta {
            message.push_str(&format!(", {} left", text::duration(eta.ms_since(progress.timestamp))));
        }
        for (class, count) in &tally.failed {
            message.push_str(&format!("  {class} {count}"));
        }
        self.bar.set_position(progress.completed_chunks.unsigned_abs());
        self.bar.set_message(message);
    }
}

pub(crate) fn tell(summary: &CrawlSummary, folder: &Path, out: &Output) -> Result<()> {
    if out.is_json() {
        return out.document(summary);
    }
    let status = out.paint(if summary.is_complete() { Paint::Green } else { Paint::Yellow }, summary.status);
    let mut lines = vec![
        ("status", status),
        ("chunks", format!("{} of {} completed", summary.completed_chunks, summary.total_chunks)),
        ("images", format!("{} of {} stored", summary.images_ok, summary.images)),
        ("bytes", text::bytes(u128::from(summary.bytes))),
    ];
    if !summary.images_failed.is_empty() {
        let classes: Vec<String> =
            summary.images_failed.iter().map(|(class, count)| format!("{count:>6} {class}")).collect();
        lines.push(("failed", format!("{}\n{}", summary.images_failed_total(), classes.join("\n"))));
    }
    if summary.unpublished_chunks > 0 {
        let told = text::count(summary.unpublished_chunks, "completed chunk");
        lines.push(("unpublished", format!("the output of {told} is lost or cannot be moved, see above")));
    }
    for failure in &summary.failures {
        lines.push(("failed chunk", format!("{}: {}", failure.chunk_index, text::printable(&failure.error))));
    }
    lines.push(("dataset", text::printable(&folder.display().to_string())));
    fields(out, &lines)?;
    if summary.images_failed_total() > 0 {
        if summary.images_ok == 0 {
            out.warning("not a single image could be stored");
        }
        out.hint("the ledgers (`*.ledger.parquet`) tell the reason for each image that failed; in this folder they are not tried again");
        if summary.images_failed.contains_key(&ErrorClass::BlockedAddress) {
            out.hint("addresses outside the public internet are fetched only with `--allow-net`, into a new folder");
        }
    }
    if summary.failed_chunks > 0 && !summary.stopped {
        out.hint("the same command tries failed chunks again");
    }
    Ok(())
}

impl From<CrawlError> for Failure {
    fn from(error: CrawlError) -> Self {
        let told = error.to_string();
        match error {
            CrawlError::Service(error) => Self::from(error),
            CrawlError::ForeignOutput { .. } => {
                Self::conflict("foreign_output", told).hint("`--out` a new folder")
            }
            CrawlError::InUse { .. } => Self::conflict("in_use", told).hint("wait for it, or stop it first"),
            CrawlError::Differs { .. } => Self::conflict("other_crawl", told)
                .hint("`--out` another folder, or ask with the list and settings it was begun with"),
            CrawlError::Images(error) if error.is_bad_input() && told.contains("no column") => {
                Self::usage(told).hint("`--url-col` and `--caption-col` name the columns")
            }
            CrawlError::Images(error) if error.is_bad_input() => Self::usage(told),
            CrawlError::Io { action: "read the list", .. } => Self::usage(told),
            _ => Self::io(told),
        }
    }
}
