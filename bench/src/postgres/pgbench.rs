//! Running a script with pgbench, which is to PostgreSQL what a tight loop in C would be.

use super::cluster::{Cluster, Database};
use super::cpu;
use crate::Result;
use ream_system_tests::process::run;
use std::process::Command;

/// What pgbench did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ran {
    /// Without the time to connect.
    pub(crate) seconds: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) client_cpu_s: f64,
}

/// Runs the script `times` times on each of `clients` connections, prepared.
pub(crate) fn pgbench(database: &Database<'_>, script: &str, clients: u32, times: u64) -> Result<Ran> {
    let cluster: &Cluster = database.cluster();
    let folder = tempfile::Builder::new().prefix("ream-bench-").tempdir()?;
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script)?;
    let mut command = Command::new(cluster.program("pgbench"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").args(["-n", "-M", "prepared", "-j", "2"]);
    command.args(["-c", &clients.to_string(), "-t", &times.to_string(), "-f"]).arg(&file);
    command.args(["-h", "127.0.0.1", "-p", &cluster.port().to_string(), "-U", "postgres", database.name()]);
    let (server_before, client_before) = (cluster.cpu_s()?, cpu::waited_for_s()?);
    let output = run(&mut command)?;
    let (server_cpu_s, client_cpu_s) =
        (cluster.cpu_s()? - server_before, cpu::waited_for_s()? - client_before);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let done = u64::from(clients) * times;
    if !said.contains(&format!("number of transactions actually processed: {done}/{done}\n")) {
        return Err(
            format!("pgbench did not do all:\n{said}{}", String::from_utf8_lossy(&output.stderr)).into()
        );
    }
    let rate: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .ok_or_else(|| format!("pgbench did not tell its rate:\n{said}"))?;
    Ok(Ran { seconds: done as f64 / rate, server_cpu_s, client_cpu_s })
}
