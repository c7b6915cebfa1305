//! Who is timed, at which settings, and how.

use super::Peer;
use super::install::Installed;
use super::redis::Redis;
use crate::Result;
use crate::postgres::cluster::Cluster;
use crate::postgres::scene::new_job;
use crate::postgres::work::{self, Work};
use ream::JobChunkRepository;
use ream_system_tests::process::{run, tethered};
use serde::Deserialize;
use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// Workers, or tasks at a time.
pub(super) const WORKERS: u64 = 8;
const BATCHES: [u64; 2] = [1, 10];

/// What keeps the tasks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Keeper {
    Postgres,
    Redis { always: bool },
}

/// A queue at some settings.
#[derive(Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) batch: u64,
    /// None: the service itself, in this process.
    command: Option<Vec<OsString>>,
    keeper: Keeper,
    /// Processes that share the workers.
    processes: u64,
    how: &'static str,
}

/// What a process tells: its first task, and when it found that all was done, in seconds since 1970.
#[derive(Debug, Deserialize)]
struct Told {
    first: f64,
    last: f64,
}

/// The service, and every peer that is there.
pub(super) fn contenders(installed: Vec<Installed>) -> Vec<Contender> {
    let own = BATCHES.map(|batch| Contender {
        name: format!("ream, batch {batch}"),
        batch,
        command: None,
        keeper: Keeper::Postgres,
        processes: 1,
        how: "8 tasks and connections on one service: claim, complete_many",
    });
    own.into_iter().chain(installed.into_iter().flat_map(of_peer)).collect()
}

fn of_peer(Installed { peer, command, .. }: Installed) -> Vec<Contender> {
    let of = |name: &str, batch, processes, keeper, how| Contender {
        name: name.to_owned(),
        batch,
        command: Some(command.clone()),
        keeper,
        processes,
        how,
    };
    match peer {
        Peer::GraphileWorker => vec![
            of("graphile-worker, batch 1", 1, 1, Keeper::Postgres, "concurrentJobs 8, pool of 10"),
            of(
                "graphile-worker, batch 10",
                10,
                1,
                Keeper::Postgres,
                "the same, localQueue of 80, completeJobBatchDelay 0",
            ),
        ],
        Peer::PgBoss => BATCHES
            .map(|batch| {
                let how = "8 loops of fetch and complete, pool of 8, supervise and schedule off";
                of(&format!("pg-boss, batch {batch}"), batch, 1, Keeper::Postgres, how)
            })
            .into(),
        Peer::Procrastinate => [1, 2]
            .map(|processes| {
                let how = "concurrency 8 over all processes, wait off, listen_notify off; it has no batches";
                let name = format!("procrastinate, {processes} process(es)");
                of(&name, 1, processes, Keeper::Postgres, how)
            })
            .into(),
        Peer::Apalis => BATCHES
            .map(|batch| {
                let how = "8 workers in one process, pool of 10, lock_tasks off";
                of(&format!("apalis, batch {batch}"), batch, 1, Keeper::Postgres, how)
            })
            .into(),
        Peer::Celery => [true, false]
            .into_iter()
            .flat_map(|always| {
                let how = if always {
                    "appendonly yes, appendfsync always"
                } else {
                    "Redis as it comes: not durable"
                };
                BATCHES.map(move |batch| (always, batch, how))
            })
            .map(|(always, batch, how)| {
                let durable = if always { "each write flushed" } else { "not durable" };
                let name = format!("celery, prefetch {batch}, {durable}");
                of(&name, batch, 1, Keeper::Redis { always }, how)
            })
            .collect(),
    }
}

impl Contender {
    pub(super) fn is_own(&self) -> bool {
        self.command.is_none()
    }

    /// Its settings.
    pub(super) fn told(&self) -> String {
        format!("{}: {}", self.name, self.how)
    }

    /// Loads so many tasks into a new database and answers how many a second are done, from the first to the last.
    pub(super) fn rate(&self, cluster: &Cluster, runtime: &Runtime, tasks: u64) -> Result<f64> {
        let tasks = tasks / WORKERS * WORKERS;
        let Some(command) = &self.command else { return self.own_rate(cluster, runtime, tasks) };
        let seconds = match self.keeper {
            Keeper::Postgres => {
                let database = cluster.empty()?;
                let url = ("DATABASE_URL", database.url());
                run(&mut self.process(command, "load", tasks, &url))?;
                // Nobody's plans are to suffer from statistics of an empty table.
                database.sql("VACUUM (ANALYZE)")?;
                self.seconds(command, tasks, &url)?
            }
            Keeper::Redis { always } => {
                let redis = Redis::start(always)?;
                let url = ("REDIS_URL", redis.url());
                run(&mut self.process(command, "load", tasks, &url))?;
                self.seconds(command, tasks, &url)?
            }
        };
        Ok(tasks as f64 / seconds)
    }

    fn process(&self, command: &[OsString], act: &str, tasks: u64, url: &(&str, String)) -> Command {
        let mut process = tethered(&command[0]);
        process
            .args(&command[1..])
            .arg(act)
            .args([tasks, WORKERS / self.processes, self.batch].map(|n| n.to_string()));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
            process.env_remove(name);
        }
        // Celery names its module of tasks.
        if let Some(folder) = command.last().and_then(|script| std::path::Path::new(script).parent()) {
            process.current_dir(folder);
        }
        process.env(url.0, &url.1).env("PYTHONDONTWRITEBYTECODE", "1");
        process
    }

    fn seconds(&self, command: &[OsString], tasks: u64, url: &(&str, String)) -> Result<f64> {
        let mut children = Vec::new();
        for _ in 0..self.processes {
            children.push(self.process(command, "work", tasks, url).stdout(Stdio::piped()).spawn()?);
        }
        let (mut first, mut last) = (f64::INFINITY, f64::NEG_INFINITY);
        for child in children {
            let output = child.wait_with_output()?;
            if !output.status.success() {
                return Err(format!("a process ended with {}", output.status).into());
            }
            let told: Told = serde_json::from_slice(&output.stdout)?;
            (first, last) = (first.min(told.first), last.max(told.last));
        }
        Ok(last - first)
    }

    fn own_rate(&self, cluster: &Cluster, runtime: &Runtime, tasks: u64) -> Result<f64> {
        let database = cluster.empty()?;
        let workers = u32::try_from(WORKERS)?;
        let repository: Arc<dyn JobChunkRepository> = work::open(runtime, &database.url(), workers as usize)?;
        runtime.block_on(new_job(repository.clone(), tasks))?;
        database.sql("VACUUM (ANALYZE)")?;
        let batch = u32::try_from(self.batch)?;
        let work = Work { tasks: workers, batch, share: tasks / WORKERS, jobs: Vec::new() };
        Ok(work.run(runtime, std::slice::from_ref(&repository), &Arc::default())?.rate())
    }
}
