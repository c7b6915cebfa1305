//! `ream demo`: a whole crawl of a site of its own, nothing leaves this machine.

mod picture;
mod site;

use super::crawl::crawl;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, Paint, text};
use crate::signals::Signals;
use ream::{CrawlJobService, DatabaseUrl};
use ream_fetch::address::AddressPolicy;
use ream_worker::crawl::{CrawlOptions, CrawlSummary, OutputFormat, STATE_DIR};
use site::{IMAGES, Site};
use std::path::{Path, PathBuf};

/// Crawl a small image site that comes with this program
///
/// It serves 2,500 pictures on this machine, some broken on purpose, and crawls them in five chunks: the quickest way
/// to see what a dataset, a ledger and a check look like. Nothing leaves this machine.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ream demo
  ream demo --out /tmp/ream-demo --format webdataset
  ream demo --serve urls.csv --images 100000")]
pub(crate) struct DemoArgs {
    /// A folder that does not exist yet [default: ream-demo, or the first free ream-demo-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// `files` or `webdataset`
    #[arg(long, value_name = "FORMAT", default_value = "files")]
    pub(crate) format: OutputFormat,
    /// Crawl nothing: write the list of the site's pictures to this file, and serve them until Ctrl-C
    #[arg(long, value_name = "LIST", conflicts_with_all = ["out", "format"])]
    pub(crate) serve: Option<PathBuf>,
    /// With `--serve`, how many pictures
    #[arg(long, value_name = "N", requires = "serve", default_value_t = IMAGES, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) images: u64,
}

pub(crate) async fn run(args: DemoArgs, context: &Context<'_>) -> Result<Exit> {
    super::crawl::check_database(context)?;
    let out = context.out;
    if let Some(list) = &args.serve {
        return serve(list, args.images, out).await;
    }
    let folder = make_folder(args.out)?;
    let site = start(IMAGES).await?;
    let list = folder.join("list.csv");
    std::fs::write(&list, site.list()).map_err(|error| cannot_write(&list, &error))?;
    let shown = text::printable(&folder.display().to_string());
    out.note(format_args!("crawling {IMAGES} pictures from a site on this machine into `{shown}`"));
    let mut options = CrawlOptions::new(&list, &folder);
    options.format = args.format;
    options.fetch.addresses = AddressPolicy::public_only().allow(site.network());
    let summary = crawl(options, out).await?.summary;
    super::crawl::tell(&summary, &folder, out)?;
    if summary.stopped {
        return Err(Failure::interrupted());
    }
    let sound = verify(&folder, &summary, context).await?;
    out.hint(format_args!(
        "look around:\n  ream jobs show 1 --database sqlite:{shown}/{STATE_DIR}/ream.db\n  \
         ream activity --database sqlite:{shown}/{STATE_DIR}/ream.db"
    ));
    Ok(if sound && summary.is_complete() { Exit::Success } else { Exit::Incomplete })
}

async fn start(images: u64) -> Result<Site> {
    let cannot = |error| Failure::io(format!("cannot start the demo's image site on this machine: {error}"));
    Site::start(images).await.map_err(cannot)
}

/// The site alone, for crawls of somebody's own.
async fn serve(list: &Path, images: u64, out: &Output) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let site = start(images).await?;
    // Whole or not at all: somebody may wait for it.
    let unfinished = list.with_extension("unfinished");
    let written = std::fs::write(&unfinished, site.list()).and_then(|()| std::fs::rename(&unfinished, list));
    written.map_err(|error| cannot_write(list, &error))?;
    let shown = text::printable(&list.display().to_string());
    out.note(format_args!("serving {images} pictures, of which `{shown}` is the list, until Ctrl-C"));
    out.hint(format_args!("a crawl of them needs `--allow-net {}`", site.network()));
    signals.next().await;
    Ok(Exit::Success)
}

async fn verify(folder: &Path, summary: &CrawlSummary, context: &Context<'_>) -> Result<bool> {
    let url = DatabaseUrl::Sqlite(folder.join(STATE_DIR).join("ream.db"));
    let jobs = CrawlJobService::new(url.open(false).await?);
    let mut sound = true;
    for job in jobs.list_crawl_jobs(Default::default(), Default::default()).await?.items {
        sound &= jobs.verify(job.id).await?.is_sound();
    }
    if !context.out.is_json() {
        let verdict = if sound {
            let told =
                format!("sound: {} chunks cover {} images exactly", summary.total_chunks, summary.images);
            context.out.paint(Paint::Green, told)
        } else {
            context.out.paint(Paint::Red, "faults found; `ream verify` names them")
        };
        context.out.line(format_args!("check    {verdict}"))?;
    }
    Ok(sound)
}

/// Makes the folder asked for, or the first of the default names that is free.
fn make_folder(asked: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(folder) = asked {
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent).map_err(|error| cannot_write(parent, &error))?;
        }
        return match std::fs::create_dir(&folder) {
            Ok(()) => Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Failure::conflict("in_use", format!("`{}` exists already", folder.display()))
                    .hint("name another folder, or remove this one"))
            }
            Err(error) => Err(cannot_write(&folder, &error)),
        };
    }
    for n in 1..=1000 {
        let folder = PathBuf::from(if n == 1 { "ream-demo".to_owned() } else { format!("ream-demo-{n}") });
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot_write(&folder, &error)),
        }
    }
    Err(Failure::conflict("in_use", "`ream-demo` to `ream-demo-1000` exist already")
        .hint("`--out` names another folder"))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(format!("cannot write `{}`: {error}", path.display()))
}
