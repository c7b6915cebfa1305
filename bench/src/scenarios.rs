//! The scenarios of one bench: those that are asked for, one after the other.

use crate::Result;
use crate::report::{Figure, say};
use clap::ValueEnum;
use std::fmt::Debug;

/// Figures, and what they depend on.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) figures: Vec<Figure>,
    pub(crate) facts: Vec<String>,
}

impl Findings {
    /// Takes more in; what several depend on is told once.
    pub(crate) fn add(&mut self, more: Self) {
        self.figures.extend(more.figures);
        for fact in more.facts {
            if !self.facts.contains(&fact) {
                self.facts.push(fact);
            }
        }
    }
}

/// Runs those of `asked`, or all where none is.
pub(crate) fn each<S: ValueEnum + PartialEq + Debug>(
    asked: &[S],
    run: impl Fn(&S) -> Result<Findings>,
) -> Result<Findings> {
    let mut findings = Findings::default();
    for scenario in S::value_variants() {
        if !asked.is_empty() && !asked.contains(scenario) {
            continue;
        }
        match run(scenario) {
            Ok(found) => findings.add(found),
            // The other scenarios' figures took long and are worth printing.
            Err(error) => say(&format!("error: {scenario:?} gave no figures: {error}")),
        }
    }
    if findings.figures.is_empty() {
        return Err("no scenario gave figures".into());
    }
    Ok(findings)
}
