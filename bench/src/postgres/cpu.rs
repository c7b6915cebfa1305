//! Processor time, from `/proc`.

use crate::Result;

/// `/proc` counts processor time in hundredths of a second on every platform with this bench's tools (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// What this bench needs of `/proc/PID/stat`.
struct Stat {
    parent: u32,
    own: u64,
    /// Of children that have ended.
    children: u64,
}

impl Stat {
    /// Fields are counted after the name, which may hold anything, brackets and blanks included.
    fn of(pid: &str) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            children: number(13)? + number(14)?,
        })
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_S
}

/// This process's own, without that of children.
pub(crate) fn own_s() -> Result<f64> {
    Ok(seconds(Stat::of("self").ok_or("/proc/self/stat is not what proc(5) says")?.own))
}

/// That of the children that this process has waited for.
pub(crate) fn waited_for_s() -> Result<f64> {
    Ok(seconds(Stat::of("self").ok_or("/proc/self/stat is not what proc(5) says")?.children))
}

/// That of a process and of its children, alive or ended.
pub(crate) fn family_s(parent: u32) -> Result<f64> {
    let root = Stat::of(&parent.to_string()).ok_or_else(|| format!("process {parent} is gone"))?;
    let mut ticks = root.own + root.children;
    for entry in std::fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else { continue };
        // It may have ended in this very moment.
        if let Some(stat) = Stat::of(pid).filter(|stat| stat.parent == parent) {
            ticks += stat.own + stat.children;
        }
    }
    Ok(seconds(ticks))
}
