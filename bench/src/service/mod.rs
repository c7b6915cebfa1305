//! The HTTP service: a server process on PostgreSQL, with its clients in this process, all on loopback.

mod claims;
mod crawl;
mod dead_worker;
mod idle;
mod served;
mod watchers;

pub(crate) use dead_worker::HoldChunk;

use crate::Result;
use crate::postgres::scene::{Scene, Wishes};
use crate::report::Report;
use crate::scenarios;
use clap::ValueEnum;
use std::path::PathBuf;

/// Arguments of `service`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to time; several times for several [default: all]
    #[arg(long = "scenario", value_enum, value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// Five rounds of everything, where three of some and one of the others are usual
    #[arg(long)]
    full: bool,
    /// Rounds
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// How long a side should take where it takes as long as one likes; how long workers are idle and watchers watch
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// At most so many chunks in every scenario, to try the bench itself
    #[arg(long, value_parser = clap::value_parser!(u64).range(1_000..))]
    chunks: Option<u64>,
    /// The server's program [default: builds it]
    #[arg(long, value_name = "FILE")]
    ream: Option<PathBuf>,
    /// Folder for the cluster, on a disk, open to the user `postgres` [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scenario {
    /// 16 clients that claim and complete in tens, beside the library on the same database
    Claims,
    /// The same one by one
    ClaimsOne,
    /// 1,000 workers that wait for a chunk
    Idle,
    /// 1,000 watchers of one job, and 500 that never read
    Watchers,
    /// A worker that is killed with its lease
    DeadWorker,
    /// A whole crawl by two workers, beside `ream crawl`
    Crawl,
}

/// What all scenarios share.
#[derive(Debug)]
struct Stage {
    scene: Scene,
    ream: PathBuf,
}

impl Stage {
    /// Rounds, where a scenario usually has so many.
    fn runs(&self, usual: u32) -> u32 {
        self.scene.runs(if self.scene.full { 5 } else { usual })
    }
}

impl Args {
    /// Times what is asked for, and prints it.
    pub(crate) fn run(&self) -> Result<()> {
        let ream = self
            .ream
            .clone()
            .map_or_else(|| Ok(ream_system_tests::ream::binary()?.to_owned()), Result::Ok)?;
        let wishes = Wishes {
            dir: self.dir.as_deref(),
            full: self.full,
            seconds: self.seconds,
            runs: self.runs,
            at_most: self.chunks,
            ..Wishes::default()
        };
        let stage = Stage { scene: Scene::set(&wishes)?, ream };
        let mut facts = stage.scene.facts()?;
        let findings = scenarios::each(&self.scenarios, |scenario| match scenario {
            Scenario::Claims => claims::run(&stage, &claims::IN_TENS),
            Scenario::ClaimsOne => claims::run(&stage, &claims::ONE_BY_ONE),
            Scenario::Idle => idle::run(&stage),
            Scenario::Watchers => watchers::run(&stage),
            Scenario::DeadWorker => dead_worker::run(&stage),
            Scenario::Crawl => crawl::run(&stage),
        })?;
        facts.extend(findings.facts);
        Report::new(findings.figures).with_facts(facts).print(self.json)
    }
}
