//! `ream work`: a worker for whatever jobs there are.

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::{Output, text};
use crate::settings::{FetchFlags, FetchSettings, FetchTable, WorkFlags, WorkSettings};
use crate::signals::Signals;
use crate::values;
use indicatif::ProgressBar;
use ream::{Actor, CrawlJobStatus, Duties, JobChunkRepository, JobChunkingService, JobId, TaskId};
use ream_fetch::{FetchConfig, Fetcher};
use ream_image_jobs::storage::Access;
use ream_image_jobs::{DatasetFinisher, ScratchFolder};
use ream_worker::claim::{Worker, WorkerConfig, WorkerEnd};
use ream_worker::jobs::JobChunks;
use ream_worker::shutdown::Shutdown;
use ream_worker::tally::Tally;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::task::AbortOnDropHandle;

/// How often the line of progress is drawn anew.
const TICK: Duration = Duration::from_millis(500);
/// How long a claim may wait at the service: about as long as anything between here and there keeps a silent call.
const CLAIM_WAIT: Duration = Duration::from_secs(20);
/// As [`CLAIM_WAIT`], where the end of a job is to be noticed.
const CLAIM_WAIT_OF_JOB: Duration = Duration::from_secs(2);
/// Output that waits for a worker that ends is published by it, however short the wait was.
const LEFT_AT_THE_END: Duration = Duration::ZERO;
/// How long a worker that ends goes on with datasets.
const FINISHING: Duration = Duration::from_secs(60);

/// Work on the chunks of jobs that have a list
///
/// Takes chunks of the most urgent jobs, fetches their images, and puts them where each job says. Any number of workers share
/// one database. Credentials of stores come from the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
/// AWS_ENDPOINT_URL; GOOGLE_SERVICE_ACCOUNT; AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY. After Ctrl-C or SIGTERM
/// nothing new is taken, and chunks in flight may end; a second one ends at once.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ream work --database postgres://ream@db/ream
  ream work --name rack-7 --images-in-flight 256 --chunks-in-flight 16 --scratch /mnt/fast
  ream work --job 12 --allow-net 10.20.0.0/16
  ream work --exit-when-idle-s 60

Exit codes: 0 also after an orderly stop; 1 if the job of `--job` is not complete, or this machine cannot go on.")]
pub(crate) struct WorkArgs {
    /// What the worker is called in the activity log; the process is added [default: the host's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only chunks of this job; ends with it
    #[arg(long, value_name = "JOB", value_parser = values::job_id)]
    job: Option<JobId>,
    #[command(flatten)]
    work: WorkFlags,
    #[command(flatten)]
    fetching: FetchFlags,
}

pub(crate) async fn run(args: WorkArgs, cx: &Context<'_>) -> Result<Exit> {
    let mut signals = Signals::listen()?;
    let layers = &cx.settings.layers;
    let work = WorkSettings::load(layers, &args.work)?;
    let fetching = FetchSettings::load(layers, FetchTable::Work, &args.fetching)?;
    let task_id = incarnation(args.name.as_deref())?;
    let repository = cx.open().await?.chunks.repository().clone();
    let service = JobChunkingService::new(repository.clone()).acting_as(Actor::from(&task_id));
    let config = WorkerConfig {
        job_id: args.job,
        claim_wait: if args.job.is_some() { CLAIM_WAIT_OF_JOB } else { CLAIM_WAIT },
        drain: work.drain(),
        exit_when_idle: work.exit_when_idle(),
        ..WorkerConfig::new(task_id.clone(), fetching.chunks_in_flight.value)
    };
    let access = Access::of_this_process();
    let scratch = ScratchFolder::create(work.scratch().as_deref())?;
    let finisher = DatasetFinisher::new(service.clone(), access.clone(), scratch.path().to_owned());
    // The last look remembers nothing of those before.
    let last = DatasetFinisher::new(service.clone(), access.clone(), scratch.path().to_owned());
    let fetcher = Fetcher::new(fetch_config(&fetching));
    let fetcher = fetcher.map_err(|error| Failure::io(format!("cannot set up the HTTP client: {error}")))?;
    let chunks = JobChunks::new(repository.clone(), fetcher, access, scratch);
    let line = Line::new(cx.out, chunks.tally().clone());
    let duties = Duties::start(repository.clone());
    let finishing = AbortOnDropHandle::new(tokio::spawn(async move { finisher.run().await }));
    cx.out.note(format_args!("worker {} takes chunks", text::printable(task_id.as_str())));
    let (shutdown, stop) = Shutdown::new();
    let worker = Worker::new(service, Arc::new(chunks), config);
    let mut working = std::pin::pin!(worker.run(stop));
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = &mut working => break ended,
            () = signals.next() => {
                if stopping {
                    return Err(Failure::interrupted_with("ended at once; leases run out by themselves"));
                }
                stopping = true;
                shutdown.stop();
                line.say("stopping: chunks in flight may end, nothing new is taken (again to end at once)");
            }
            () = tokio::time::sleep(TICK) => line.draw(),
        }
    };
    line.clear();
    drop(finishing);
    let end = match ended {
        Ok(end) => {
            if !stopping {
                tokio::select! {
                    finished = finish(&repository, &last, args.job) => finished?,
                    () = signals.next() => line.say("datasets are left to whoever looks next"),
                }
            }
            end
        }
        Err(error) => return Err(error.into()),
    };
    duties.stop().await;
    match end {
        WorkerEnd::Stopped | WorkerEnd::Idle | WorkerEnd::JobEnded(CrawlJobStatus::Completed) => {
            Ok(Exit::Success)
        }
        WorkerEnd::JobEnded(status) => {
            cx.out.note(format_args!("the job is {status}"));
            Ok(Exit::Incomplete)
        }
        WorkerEnd::Blocked(why) => Err(Failure::io(why).hint("what was in flight was given back")),
    }
}

/// What would else wait for the next worker: ends are announced, and their datasets finished, of one job if there is one.
/// Those that take longer are left to whoever looks next.
async fn finish(
    repository: &Arc<dyn JobChunkRepository>,
    finisher: &DatasetFinisher,
    job: Option<JobId>,
) -> Result<()> {
    repository.announce_ends().await?;
    let finishing = async {
        match job {
            Some(job_id) => finisher.look_at(job_id, LEFT_AT_THE_END).await?,
            None => finisher.look(LEFT_AT_THE_END).await.map(|_| ())?,
        }
        Ok(())
    };
    tokio::time::timeout(FINISHING, finishing).await.unwrap_or(Ok(()))
}

/// The limits of each fetch. No image waits longer than a chunk with the default time-out lets it.
fn fetch_config(settings: &FetchSettings) -> FetchConfig {
    let share = Duration::from_secs(ream::PolicyFields::default().chunk_timeout_s.into()) / 4;
    let config = settings.fetch();
    FetchConfig { max_wait: config.max_wait.min(share), ..config }
}

/// A name that no worker had before: the machine's or the one that was given, the process and the moment.
fn incarnation(name: Option<&str>) -> Result<TaskId> {
    let host = || {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
        let name: String = name.trim().chars().filter(|c| !c.is_control()).take(64).collect();
        if name.is_empty() { "worker".to_owned() } else { name }
    };
    let name = name.map_or_else(host, str::to_owned);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let task_id = TaskId::new(format!("{name}-{}-{nanos:x}", std::process::id()));
    task_id.map_err(|error| Failure::from(error).rename_fields(|_| Some("--name".to_owned())))
}

/// A line of progress, where standard error is a terminal.
struct Line<'a> {
    out: &'a Output,
    spinner: ProgressBar,
    tally: Tally,
    started: Instant,
}

impl<'a> Line<'a> {
    fn new(out: &'a Output, tally: Tally) -> Self {
        let spinner = out.spinner("waiting for work".to_owned());
        Self { out, spinner, tally, started: Instant::now() }
    }

    fn draw(&self) {
        let tally = self.tally.snapshot();
        if tally.images() == 0 {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mut message = format!(
            "{} images, {:.0}/s, {:.1} MB/s",
            tally.images(),
            tally.images() as f64 / seconds,
            tally.bytes as f64 / 1e6 / seconds
        );
        for (class, count) in &tally.failed {
            message.push_str(&format!("  {class} {count}"));
        }
        self.spinner.set_message(message);
    }

    fn say(&self, words: &str) {
        self.spinner.suspend(|| self.out.note(words));
    }

    fn clear(&self) {
        self.spinner.finish_and_clear();
    }
}
