//! Times the service beside a bare loop on SQLite that writes the same rows, in one run on one machine.

mod bare;
mod claim;
mod crawl;
mod create;
mod ingest;
mod machine;
mod peers;
mod postgres;
mod progress;
mod report;
mod scenarios;
mod service;

use clap::{Parser, Subcommand, ValueEnum};
use report::{Figure, Report, say};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Times Ream beside a bare loop on SQLite that writes the same rows. Data goes to stdout, talk to stderr.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Subcommands>,
    /// What to time
    #[arg(value_enum, default_value = "all")]
    scenario: Scenario,
    /// `create` with the 11,700,000 chunks of 5.85 billion images, `ingest` with 10,000,000 rows, once
    #[arg(long)]
    full: bool,
    /// Chunks of the (larger) database [default: create 1,000,000, claim 20,000, progress 2,000,000]
    #[arg(long)]
    chunks: Option<u64>,
    /// Rounds [default: 5, with --full 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Folder for the databases, on a disk [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// What to run as a child process
    #[arg(long, hide = true)]
    part: Option<Part>,
}

/// What takes arguments of its own.
#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Whole crawls, beside img2dataset and a bare loop
    Crawl(crawl::Args),
    /// The service on PostgreSQL, beside what one would write by hand
    Postgres(postgres::Args),
    /// The HTTP service, a server process on PostgreSQL
    Service(service::Args),
    /// A worker that claims a chunk, says so, and holds it
    #[command(hide = true)]
    HoldChunk(service::HoldChunk),
    /// Other task queues at the same work
    Peers(peers::Args),
    /// The bare loop: fetches every URL of a list and saves what comes
    #[command(hide = true)]
    BareFetch(crawl::BareFetch),
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Scenario {
    /// Creating a job's chunks
    Create,
    /// Claiming and completing chunks
    Claim,
    /// Reading how far a job has come
    Progress,
    /// Taking a list in
    Ingest,
    /// All of them
    All,
}

/// What runs in a process of its own, so that its peak of memory is its own.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    CreateService,
    CreateBare,
    Claim,
    Progress,
    Ingest,
}

impl Args {
    fn chunks(&self, default: u64) -> u64 {
        self.chunks.unwrap_or(default)
    }

    fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.full { 1 } else { 5 })
    }

    fn temp_dir(&self) -> Result<tempfile::TempDir> {
        let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        Ok(tempfile::Builder::new().prefix("ream-bench-").tempdir_in(dir)?)
    }

    /// Runs a part in a process of its own, with these arguments, and takes its answer.
    fn run_part<T: DeserializeOwned>(&self, part: Part, chunks: u64) -> Result<T> {
        let name = part.to_possible_value().ok_or("a part without a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--part", name.get_name(), "--chunks", &chunks.to_string()]);
        command.args(["--runs", &self.runs().to_string()]);
        if let Some(dir) = &self.dir {
            command.arg("--dir").arg(dir);
        }
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(format!("the process for {} failed: {}", name.get_name(), output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    match &args.command {
        Some(Subcommands::Crawl(crawl)) => return crawl.run(),
        Some(Subcommands::Postgres(postgres)) => return postgres.run(),
        Some(Subcommands::Service(service)) => return service.run(),
        Some(Subcommands::HoldChunk(hold)) => return hold.run(),
        Some(Subcommands::Peers(peers)) => return peers.run(),
        Some(Subcommands::BareFetch(fetch)) => return fetch.run(),
        None => {}
    }
    match args.part {
        Some(Part::CreateService) => answer(&create::service(args)?),
        Some(Part::CreateBare) => answer(&create::bare(args)?),
        Some(Part::Claim) => answer(&claim::run(args)?),
        Some(Part::Progress) => answer(&progress::run(args)?),
        Some(Part::Ingest) => answer(&ingest::part(args)?),
        None => {
            let mut figures = Vec::new();
            let wanted = |scenario| args.scenario == Scenario::All || args.scenario == scenario;
            if wanted(Scenario::Create) {
                figures.extend(create::run(args)?);
            }
            if wanted(Scenario::Claim) {
                figures.extend(args.run_part::<Vec<Figure>>(Part::Claim, args.chunks(claim::CHUNKS))?);
            }
            if wanted(Scenario::Progress) {
                figures.extend(args.run_part::<Vec<Figure>>(Part::Progress, args.chunks(progress::CHUNKS))?);
            }
            if wanted(Scenario::Ingest) {
                figures.extend(ingest::run(args)?);
            }
            Report::new(figures).print(args.json)
        }
    }
}

/// A part's answer to the process that started it.
fn answer(value: &impl Serialize) -> Result<()> {
    report::put(&serde_json::to_string(value)?);
    Ok(())
}
