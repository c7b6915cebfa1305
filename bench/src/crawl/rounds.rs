//! Contenders in turn, round after round, and what their runs come to.

use super::contender::{Contender, Run};
use super::measure::Bounds;
use super::pictures::List;
use crate::Result;
use crate::report::{Figure, Unit, say};
use std::path::Path;

/// A contender and its runs, one of each round.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) contender: Contender,
    pub(super) runs: Vec<Run>,
}

/// Runs A B C, A B C and so on, so that whatever else the machine does hits all of them.
pub(super) fn interleaved(
    what: &str,
    contenders: Vec<Contender>,
    list: &List,
    rounds: u32,
    scratch: &Path,
) -> Result<Vec<Side>> {
    let mut sides: Vec<Side> =
        contenders.into_iter().map(|contender| Side { contender, runs: Vec::new() }).collect();
    for round in 1..=rounds {
        for side in &mut sides {
            let name = &side.contender.name;
            let run = side.contender.run(list, scratch, Bounds::default())?;
            say(&format!(
                "{what}: round {round} of {rounds}, {name}: {} of {} images in {:.2} s, {:.2} CPU s, {:.0} MiB",
                run.stored, list.images, run.used.wall_s, run.used.cpu_s, run.used.peak_mib
            ));
            side.runs.push(run);
        }
    }
    Ok(sides)
}

impl Side {
    fn each(&self, of: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(of).collect()
    }

    pub(super) fn wall_s(&self) -> Vec<f64> {
        self.each(|run| run.used.wall_s)
    }

    pub(super) fn peak_mib(&self) -> Vec<f64> {
        self.each(|run| run.used.peak_mib)
    }

    pub(super) fn stored(&self) -> Vec<f64> {
        self.each(|run| run.stored as f64)
    }

    pub(super) fn images_per_s(&self) -> Vec<f64> {
        self.each(|run| run.stored as f64 / run.used.wall_s)
    }

    pub(super) fn images_per_cpu_s(&self) -> Vec<f64> {
        self.each(|run| run.stored as f64 / run.used.cpu_s)
    }

    /// CPU seconds per thousand images.
    pub(super) fn cpu_s_per_thousand(&self) -> Vec<f64> {
        self.each(|run| run.used.cpu_s * 1000.0 / run.stored as f64)
    }

    /// A figure of this side.
    pub(super) fn figure(&self, what: &str, of: &str, unit: Unit, samples: Vec<f64>) -> Figure {
        let of = if of.is_empty() { String::new() } else { format!(", {of}") };
        Figure::new(format!("{what}: {}{of}", self.contender.name), unit, samples)
    }
}

/// The side of this name.
pub(super) fn side<'a>(sides: &'a [Side], name: &str) -> Option<&'a Side> {
    sides.iter().find(|side| side.contender.name == name)
}

/// The best that img2dataset did in each round, whatever its settings were.
pub(super) fn best_img2dataset(
    sides: &[Side],
    of: fn(&Side) -> Vec<f64>,
    better: fn(f64, f64) -> f64,
) -> Vec<f64> {
    let theirs = sides.iter().filter(|side| side.contender.is_img2dataset()).map(of);
    theirs
        .reduce(|best, next| best.iter().zip(&next).map(|(best, next)| better(*best, *next)).collect())
        .unwrap_or_default()
}
