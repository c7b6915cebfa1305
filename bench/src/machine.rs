//! What the figures were taken on, from `/proc`.

use crate::{Result, bare};
use serde::Serialize;

/// The machine and the SQLite in this program.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Processes that wanted to run over the last minute when the figures were printed.
    pub(crate) load: String,
    pub(crate) sqlite: &'static str,
    pub(crate) pragmas: &'static str,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let first_line = |path| read(path).lines().next().unwrap_or("unknown").to_owned();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib("/proc/meminfo", "MemTotal").unwrap_or(0) / 1024,
            kernel: first_line("/proc/sys/kernel/osrelease"),
            load: first_line("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned(),
            sqlite: rusqlite::version(),
            pragmas: bare::PRAGMAS,
        }
    }
}

/// The most memory that this process ever had resident, in MiB.
pub(crate) fn peak_memory_mib() -> Result<f64> {
    let kib = kib("/proc/self/status", "VmHWM").ok_or("/proc/self/status does not tell VmHWM")?;
    Ok(kib as f64 / 1024.0)
}

/// The memory that a process has resident, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let kib = kib(&format!("/proc/{pid}/status"), "VmRSS")
        .ok_or_else(|| format!("process {pid} is gone, or /proc does not tell VmRSS"))?;
    Ok(kib as f64 / 1024.0)
}

/// The files and connections that a process has open.
pub(crate) fn open_files(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Processes that wanted to run over the last minute.
pub(crate) fn load() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned()
}

/// What processes can still have, in MiB.
pub(crate) fn available_mib() -> u64 {
    kib("/proc/meminfo", "MemAvailable").unwrap_or(0) / 1024
}

/// An empty text where there is no `/proc`: the figures are worth printing all the same.
fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = read(path);
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|n| n.trim() == name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn kib(path: &str, name: &str) -> Option<u64> {
    field(path, name)?.split(' ').next()?.parse().ok()
}
