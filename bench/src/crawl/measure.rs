//! One command, run to its end and measured with all that it starts.

use super::tree::{Tree, children_cpu_s};
use crate::Result;
use ream_system_tests::process::run;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Memory is weighed at every so manyth look.
const WEIGH_EVERY: u32 = 2;

/// What a command may use at most; more than that ends it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bounds {
    pub(super) time: Option<Duration>,
    pub(super) memory_mib: Option<f64>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Ended {
    ByItself(ExitStatus),
    /// The bound of time was reached.
    TimeUp,
    /// The bound of memory was reached.
    TooMuchMemory,
}

/// What a command used, together with all processes that it started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// Seconds since 1970.
    pub(super) started_at_s: f64,
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_mib: f64,
    pub(super) ended: Ended,
}

/// Runs a command. No other child of this process may end meanwhile.
pub(super) fn measure(command: &mut Command, bounds: Bounds) -> Result<Measured> {
    let cpu_before_s = children_cpu_s()?;
    let started_at_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64();
    let started = Instant::now();
    let mut child = command.spawn()?;
    let (gone, mut tree) = (AtomicBool::new(false), Tree::below(child.id()));
    let (status, wall_s, reached) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| watch(&mut tree, &gone, started, bounds));
        let (status, wall_s) = wait(&mut child, started);
        gone.store(true, Ordering::Relaxed);
        (status, wall_s, watch.join())
    });
    let waited_for_s = children_cpu_s()? - cpu_before_s;
    let ended = match reached.map_err(|_| "the watch over a command broke")? {
        Some(ended) => ended,
        None => Ended::ByItself(status?),
    };
    // Both are lower bounds: one leaves out what nobody waited for, the other what came after the last look.
    let cpu_s = waited_for_s.max(tree.cpu_s());
    Ok(Measured { started_at_s, wall_s, cpu_s, peak_mib: tree.peak_mib(), ended })
}

fn wait(child: &mut Child, started: Instant) -> (std::io::Result<ExitStatus>, f64) {
    let status = child.wait();
    (status, started.elapsed().as_secs_f64())
}

/// Looks again and again until the command is gone; ends it, with all below it, at its bounds.
fn watch(tree: &mut Tree, gone: &AtomicBool, started: Instant, bounds: Bounds) -> Option<Ended> {
    let mut reached = None;
    for look in 0_u32.. {
        if gone.load(Ordering::Relaxed) {
            break;
        }
        tree.look(look.is_multiple_of(WEIGH_EVERY));
        if bounds.time.is_some_and(|most| started.elapsed() > most) {
            reached = Some(Ended::TimeUp);
        } else if bounds.memory_mib.is_some_and(|most| tree.peak_mib() > most) {
            reached = Some(Ended::TooMuchMemory);
        }
        if reached.is_some() {
            let pids = tree.alive().iter().map(u32::to_string);
            // Some may be gone already; those that are left are seen at the next look.
            let _ = run(Command::new("kill").args(["-s", "KILL"]).args(pids));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_grandchildren_is_counted() {
        // Two processes below the first, each busy for a while.
        let busy = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let both = format!("sh -c '{busy}' & sh -c '{busy}' & wait");
        let used = measure(Command::new("sh").args(["-c", &both]), Bounds::default()).unwrap();
        assert!(matches!(used.ended, Ended::ByItself(status) if status.success()));
        // The first process only waits: less than the smallest unit of time.
        assert!(used.cpu_s > 0.05, "{used:?}");
        assert!(used.peak_mib > 0.0);
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_below_it() {
        let bounds = Bounds { time: Some(Duration::from_millis(50)), memory_mib: None };
        let used = measure(Command::new("sh").args(["-c", "sleep 600 & sleep 600"]), bounds).unwrap();
        assert_eq!(used.ended, Ended::TimeUp);
    }
}
