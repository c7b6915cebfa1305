//! Whole crawls: `ream` beside img2dataset and a bare loop, each a process of its own, against one web server on
//! loopback.

mod bare_fetch;
mod center_crop;
mod contender;
mod download;
mod drip;
mod drip_server;
mod img2dataset;
mod measure;
mod memory;
mod one_chunk;
mod pictures;
mod plan;
mod rounds;
mod stage;
mod tree;

use crate::Result;
use crate::report::{Figure, Report};
use crate::scenarios::{self, Findings};
pub(crate) use bare_fetch::BareFetch;
use clap::ValueEnum;
use plan::Plan;
use rounds::Side;
use stage::Stage;
use std::path::PathBuf;

/// Arguments of `crawl`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to time; several times for several [default: all]
    #[arg(long = "scenario", value_enum, value_name = "NAME")]
    scenarios: Vec<Scenario>,
    /// 5,000 images, 50,000 where memory is measured, and huge ones; takes more than an hour
    #[arg(long)]
    full: bool,
    /// Rounds [default: 2, with --full 5; fewer where a round takes long]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// At most so many images in every scenario, to try the bench itself
    #[arg(long, value_parser = clap::value_parser!(u32).range(40..))]
    images: Option<u32>,
    /// This binary instead of one that is built
    #[arg(long, value_name = "PATH")]
    ream: Option<PathBuf>,
    /// This binary with the feature `turbo` instead of one that is built
    #[arg(long, value_name = "PATH")]
    ream_turbo: Option<PathBuf>,
    /// Leave the feature `turbo` out
    #[arg(long)]
    no_turbo: bool,
    /// Leave img2dataset and the bare loop out, and all ratios with them
    #[arg(long)]
    only_ream: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Scenario {
    /// Bytes kept as they come
    Download,
    /// Every image decoded, resized and encoded
    CenterCrop,
    /// A fresh process on 500 images
    OneChunk,
    /// Peak memory, with long lists and huge images
    Memory,
    /// One host that sends a byte a second
    Drip,
}

/// Figures, and the settings that they were taken with.
fn found(figures: Vec<Figure>, sides: &[Side]) -> Findings {
    Findings { figures, facts: sides.iter().map(|side| side.contender.told()).collect() }
}

impl Args {
    /// Times what is asked for, and prints it.
    pub(crate) fn run(&self) -> Result<()> {
        let plan = Plan::new(self);
        let stage = Stage::set(self, plan.different_images())?;
        let mut findings = scenarios::each(&self.scenarios, |scenario| match scenario {
            Scenario::Download => download::run(&stage, &plan),
            Scenario::CenterCrop => center_crop::run(&stage, &plan),
            Scenario::OneChunk => one_chunk::run(&stage, &plan),
            Scenario::Memory => memory::run(&stage, &plan),
            Scenario::Drip => drip::run(&stage, &plan),
        })?;
        // What was left out has no samples.
        findings.figures.retain(Figure::has_samples);
        let mut facts = stage.facts()?;
        facts.extend(findings.facts.iter().map(|setting| format!("setting  {setting}")));
        Report::new(findings.figures).with_facts(facts).print(self.json)
    }
}
