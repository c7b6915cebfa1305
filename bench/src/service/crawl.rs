//! A whole crawl through a server and its workers, beside `ream crawl` of the same list.

use super::Stage;
use super::served::Served;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use ream_system_tests::real_list::{Pictures, Size};
use ream_system_tests::site::{Pace, Site};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Of the images a second that one process does.
const OF_CRAWL_AT_LEAST: f64 = 0.85;
const IMAGES: usize = 60_000;
/// Workers, which share what the site is asked for at a time.
const WORKERS: usize = 2;
const AT_A_TIME: usize = 64;
/// How often it is looked whether the job has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const TOKEN: &str = "REAM_TOKEN";

/// The site, its list, and room for datasets.
struct Images {
    site: Site,
    list: PathBuf,
    folder: TempDir,
}

impl Images {
    /// Tiny files, so that what surrounds an image counts most.
    fn collect() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let web_root = folder.path().join("web");
        let pictures = Pictures::collect(Size::Tiny, &web_root)?;
        let site = Site::start(&web_root, Pace::default())?;
        let real = pictures.list(&site.base_url(), folder.path())?;
        let text = std::fs::read_to_string(&real.path)?;
        let is_picture = |line: &&str| line.starts_with(&site.base_url()) && line.ends_with(".png");
        let urls: Vec<&str> = text.split([',', '\n', '\t']).filter(is_picture).collect();
        if urls.is_empty() {
            return Err("the list of pictures has none".into());
        }
        let list = folder.path().join("bench.txt");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&list)?);
        for n in 0..IMAGES {
            writeln!(file, "{}?{n}", urls[n % urls.len()])?;
        }
        file.flush()?;
        Ok(Self { site, list, folder })
    }

    fn place(&self, name: &str, round: u32) -> PathBuf {
        self.folder.path().join(format!("{name}-{round}"))
    }
}

pub(super) fn run(stage: &Stage) -> Result<Findings> {
    let images = Images::collect()?;
    let (mut alone, mut served, mut loads) = (Vec::new(), Vec::new(), Vec::new());
    let runs = stage.runs(3);
    for round in 1..=runs {
        say(&format!("crawl: round {round} of {runs}"));
        alone.push(IMAGES as f64 / crawl(stage, &images, &images.place("alone", round))?);
        served.push(IMAGES as f64 / serve(stage, &images, &images.place("served", round))?);
        loads.push(machine::load());
    }
    let ratio = Figure::ratio("crawl: images/s, server and workers / ream crawl", &served, &alone);
    let figures = vec![
        Figure::new("crawl: ream crawl", Unit::ImagesPerSecond, alone),
        Figure::new(format!("crawl: a server and {WORKERS} workers"), Unit::ImagesPerSecond, served),
        ratio.at_least(OF_CRAWL_AT_LEAST),
    ];
    let fact = format!(
        "crawl        {IMAGES} small images of {}, from the command to the end of the job, list and all; load after each round: {}",
        images.site.base_url(),
        loads.join(", ")
    );
    Ok(Findings { figures, facts: vec![fact] })
}

/// Seconds of `ream crawl`.
fn crawl(stage: &Stage, images: &Images, out: &Path) -> Result<f64> {
    let begun = Instant::now();
    let mut crawl = Command::new(&stage.ream);
    crawl.arg("crawl").arg(&images.list).arg("--out").arg(out);
    crawl.args(["--format", "webdataset", "--robots", "ignore", "--allow-net", "127.0.0.0/8", "--quiet"]);
    succeed(crawl.args(["--max-per-host", &AT_A_TIME.to_string()]))?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Seconds from the creation of the job to its end, with workers that wait for it.
fn serve(stage: &Stage, images: &Images, storage: &Path) -> Result<f64> {
    let storage = storage.display().to_string();
    let served = Served::start_with(stage, stage.scene.with_schema()?, &["--storage", &storage])?;
    let _workers = (0..WORKERS).map(|_| Worker::start(stage, &served)).collect::<Result<Vec<_>>>()?;
    let begun = Instant::now();
    let mut create = Command::new(&stage.ream);
    create.args(["jobs", "create", "--name", "bench", "--out", "bench", "--format", "webdataset", "--start"]);
    create.args(["--robots", "ignore", "--quiet", "--server", &served.url, "--list"]).arg(&images.list);
    succeed(create.env(TOKEN, &served.operator))?;
    let client = served.client(&served.operator)?;
    let jobs = ream::CrawlJobService::new(client);
    let job = stage.scene.runtime.block_on(jobs.list_crawl_jobs(Default::default(), Default::default()))?;
    let job_id = job.items.first().ok_or("the job is not there")?.id;
    while !stage.scene.runtime.block_on(jobs.get_crawl_job(job_id))?.is_done() {
        std::thread::sleep(LOOK_INTERVAL);
    }
    Ok(begun.elapsed().as_secs_f64())
}

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// A worker process; killed when dropped.
struct Worker(Child);

impl Worker {
    fn start(stage: &Stage, served: &Served<'_>) -> Result<Self> {
        let mut work = Command::new(&stage.ream);
        work.args(["work", "--server", &served.url, "--allow-net", "127.0.0.0/8", "--quiet"]);
        work.args(["--max-per-host", &(AT_A_TIME / WORKERS).to_string()]).env(TOKEN, &served.worker);
        Ok(Self(work.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
