//! The service on PostgreSQL, beside what one would write by hand, on a cluster of its own that makes commits durable.

mod backlog;
mod bare;
mod claim;
pub(crate) mod cluster;
pub(crate) mod cpu;
mod create;
mod explain;
mod pgbench;
mod progress;
pub(crate) mod scene;
mod snapshot;
mod statements;
pub(crate) mod work;
mod workers;

use crate::Result;
use crate::report::Report;
use crate::scenarios;
use clap::ValueEnum;
use scene::{Scene, Wishes};
use std::path::PathBuf;

/// Arguments of `postgres`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to time; several times for several [default: all]
    #[arg(long = "scenario", value_enum, value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// `progress` with the 11,700,000 chunks of 5.85 billion images
    #[arg(long)]
    full: bool,
    /// Rounds [default: 5; create and progress 3, snapshot 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// How long a side should take where it takes as long as one likes
    #[arg(long, default_value_t = 12.0)]
    seconds: f64,
    /// At most so many chunks in every scenario, to try the bench itself
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..))]
    chunks: Option<u64>,
    /// Folder for the cluster, on a disk, open to the user `postgres` [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Also tell what each statement of `claim` and `claim_one` costs the server; the counting costs a little
    #[arg(long)]
    statements: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Only create chunks in the database of this URL, as a child process
    #[arg(long, hide = true, value_name = "URL")]
    create_in: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scenario {
    /// Creating 2,000,000 chunks
    Create,
    /// Claiming and completing in tens
    Claim,
    /// Claiming and completing one by one
    ClaimOne,
    /// 32 workers on one job and on 32
    Workers,
    /// Claims with a long queue and with a short one
    Backlog,
    /// Work under an old snapshot
    Snapshot,
    /// Reading how far a large job has come
    Progress,
}

impl Args {
    /// Times what is asked for, and prints it.
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(url) = &self.create_in {
            let chunks = self.chunks.ok_or("how many chunks?")?;
            return crate::answer(&create::child(url, chunks)?);
        }
        let scene = Scene::set(&Wishes {
            dir: self.dir.as_deref(),
            full: self.full,
            statements: self.statements,
            seconds: self.seconds,
            runs: self.runs,
            at_most: self.chunks,
        })?;
        let mut facts = scene.facts()?;
        let findings = scenarios::each(&self.scenarios, |scenario| match scenario {
            Scenario::Create => create::run(&scene),
            Scenario::Claim => claim::run(&scene, 10),
            Scenario::ClaimOne => claim::run(&scene, 1),
            Scenario::Workers => workers::run(&scene),
            Scenario::Backlog => backlog::run(&scene),
            Scenario::Snapshot => snapshot::run(&scene),
            Scenario::Progress => progress::run(&scene),
        })?;
        facts.extend(findings.facts);
        Report::new(findings.figures).with_facts(facts).print(self.json)
    }
}
