//! What a process and all that it started use, from `/proc`.

use crate::Result;
use std::collections::BTreeMap;

/// `/proc` counts processor time in hundredths of a second on every platform with this bench's tools (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// Processes that were seen below a root, and the most memory that they had together.
#[derive(Debug)]
pub(super) struct Tree {
    root: u32,
    /// By process id and start, since ids come again; with the processor time last seen.
    seen: BTreeMap<(u32, u64), u64>,
    alive: Vec<u32>,
    summed_peak_kib: u64,
    root_peak_kib: u64,
}

impl Tree {
    pub(super) fn below(root: u32) -> Self {
        Self { root, seen: BTreeMap::new(), alive: Vec::new(), summed_peak_kib: 0, root_peak_kib: 0 }
    }

    /// Takes a look at all of them; `weigh` takes their memory, too, which costs more.
    pub(super) fn look(&mut self, weigh: bool) {
        let all = processes();
        self.alive.clear();
        let mut grows = true;
        while grows {
            grows = false;
            for (pid, stat) in &all {
                let known = self.alive.contains(pid);
                let belongs = *pid == self.root
                    || self.alive.contains(&stat.parent)
                    || self.seen.contains_key(&(*pid, stat.started));
                if belongs && !known {
                    self.alive.push(*pid);
                    self.seen.insert((*pid, stat.started), stat.own_ticks);
                    grows = true;
                }
            }
        }
        if weigh {
            let summed = self.alive.iter().filter_map(|pid| kib(*pid, "smaps_rollup", "Pss:")).sum();
            self.summed_peak_kib = self.summed_peak_kib.max(summed);
            let root = kib(self.root, "status", "VmHWM:").unwrap_or(0);
            self.root_peak_kib = self.root_peak_kib.max(root);
        }
    }

    /// Processes of the last look.
    pub(super) fn alive(&self) -> &[u32] {
        &self.alive
    }

    /// The most memory so far, in MiB. Of a single process the kernel keeps it exactly (`VmHWM`); of several it is the
    /// largest sum that was seen, with shared pages shared out (PSS).
    pub(super) fn peak_mib(&self) -> f64 {
        let kib = if self.seen.len() > 1 { self.summed_peak_kib } else { self.root_peak_kib };
        kib as f64 / 1024.0
    }

    /// Processor time of all that was seen, in seconds: a lower bound, since a process works on after the last look.
    pub(super) fn cpu_s(&self) -> f64 {
        self.seen.values().sum::<u64>() as f64 / TICKS_PER_S
    }
}

/// Processor time of all children that this process has waited for, and of theirs, in seconds.
pub(super) fn children_cpu_s() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let stat = Stat::parse(&text).ok_or("/proc/self/stat is not what proc(5) says")?;
    Ok(stat.children_ticks as f64 / TICKS_PER_S)
}

/// What this bench needs of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_ticks: u64,
    children_ticks: u64,
    started: u64,
}

impl Stat {
    /// Fields are counted after the name, which may hold anything, brackets and blanks included.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            own_ticks: number(11)? + number(12)?,
            children_ticks: number(13)? + number(14)?,
            started: number(19)?,
        })
    }
}

fn processes() -> Vec<(u32, Stat)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, Stat::parse(&text)?))
    })
    .collect()
}

/// A line such as `Pss:  1234 kB` of a file of a process.
fn kib(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let line = "42 (a (b) c) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 8 0 5555 1 2 3";
        let stat = Stat { parent: 7, own_ticks: 33, children_ticks: 77, started: 5555 };
        assert_eq!(Stat::parse(line), Some(stat));
    }
}
