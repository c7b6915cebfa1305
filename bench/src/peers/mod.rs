//! The same work done by other task queues: a batch of pre-loaded tasks is fetched and completed, again and again, by
//! eight workers whose handlers do nothing. All on the same settings of PostgreSQL; Celery on Redis.

mod contender;
mod install;
mod redis;

use crate::postgres::cluster::Cluster;
use crate::report::{Figure, Report, Unit, say};
use crate::{Result, machine};
use clap::ValueEnum;
use contender::{Contender, contenders};
use install::Installed;
use std::path::PathBuf;
use tokio::runtime::Runtime;

/// Arguments of `peers`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which peers; several times for several [default: all]
    #[arg(long = "peer", value_enum, value_name = "NAME")]
    peers: Vec<Peer>,
    /// Tasks that are loaded before each round
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(80..))]
    tasks: u64,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Folder for the servers' data, on a disk, open to the user `postgres` [default: the system's temporary folder]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// On PostgreSQL, for Node.js
    GraphileWorker,
    /// On PostgreSQL, for Node.js
    PgBoss,
    /// On PostgreSQL, for Python
    Procrastinate,
    /// On PostgreSQL, for Rust
    Apalis,
    /// On Redis, for Python
    Celery,
}

impl Args {
    /// Times what is asked for, and prints it.
    pub(crate) fn run(&self) -> Result<()> {
        let before = machine::load();
        let wanted: Vec<Peer> = Peer::value_variants()
            .iter()
            .copied()
            .filter(|peer| self.peers.is_empty() || self.peers.contains(peer))
            .collect();
        let installed: Vec<Installed> = wanted
            .into_iter()
            .filter_map(|peer| {
                Installed::ready(peer)
                    .map_err(|error| say(&format!("error: {peer:?} is left out: {error}")))
                    .ok()
            })
            .collect();
        let cluster = Cluster::start(self.dir.as_deref(), &[])?;
        let runtime = Runtime::new()?;
        let mut facts = vec![format!("before   load {before}")];
        facts.extend(cluster.facts()?);
        facts.push(format!(
            "tasks    {}, each a chunk by its ids; {} workers",
            self.tasks,
            contender::WORKERS
        ));
        facts.extend(installed.iter().map(|peer| format!("peer     {}", peer.versions)));
        let mut all: Vec<(Contender, Vec<f64>)> =
            contenders(installed).into_iter().map(|contender| (contender, Vec::new())).collect();
        facts.extend(all.iter().map(|(contender, _)| format!("setting  {}", contender.told())));
        for run in 1..=self.runs {
            // Who fails once is left out from there on.
            all.retain_mut(|(contender, rates)| {
                say(&format!("peers: {}, round {run} of {}", contender.name, self.runs));
                match contender.rate(&cluster, &runtime, self.tasks) {
                    Ok(rate) => {
                        rates.push(rate);
                        true
                    }
                    Err(error) => {
                        say(&format!("error: {} is left out: {error}", contender.name));
                        false
                    }
                }
            });
        }
        Report::new(figures(&all)).with_facts(facts).print(self.json)
    }
}

/// All rates, then what Ream makes of the same batch divided by each peer's.
fn figures(all: &[(Contender, Vec<f64>)]) -> Vec<Figure> {
    let rates = all
        .iter()
        .map(|(contender, rates)| Figure::new(&contender.name, Unit::ChunksPerSecond, rates.clone()));
    let own = |batch: u64| all.iter().find(|(contender, _)| contender.is_own() && contender.batch == batch);
    let ratios = all.iter().filter(|(contender, _)| !contender.is_own()).filter_map(|(contender, rates)| {
        let (own, own_rates) = own(contender.batch)?;
        Some(Figure::ratio(format!("{} / {}", own.name, contender.name), own_rates, rates))
    });
    rates.chain(ratios).collect()
}
