//! Figures: several samples each, shown by their median, with a target where there is one.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place of this program that prints")]

use crate::Result;
use crate::machine::Machine;
use serde::{Deserialize, Serialize};

/// Talk, which is no data.
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

/// Data.
pub(crate) fn put(line: &str) {
    println!("{line}");
}

/// What a figure counts in.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    ChunksPerSecond,
    RowsPerSecond,
    MebibytesPerSecond,
    ImagesPerSecond,
    ImagesPerCpuSecond,
    CpuSecondsPerThousandImages,
    Images,
    Percent,
    Seconds,
    Milliseconds,
    MicrosecondsPerChunk,
    Mebibytes,
    /// One rate divided by another.
    Ratio,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::ChunksPerSecond => format!("{} chunks/s", thousands(value)),
            Self::RowsPerSecond => format!("{} rows/s", thousands(value)),
            Self::MebibytesPerSecond => format!("{} MiB/s", thousands(value)),
            Self::ImagesPerSecond => format!("{} images/s", thousands(value)),
            Self::ImagesPerCpuSecond => format!("{} images/CPU s", thousands(value)),
            Self::CpuSecondsPerThousandImages => format!("{value:.2} CPU s/1,000"),
            Self::Images => format!("{} images", thousands(value)),
            Self::Percent => format!("{value:.1} %"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Milliseconds => format!("{value:.3} ms"),
            Self::MicrosecondsPerChunk => format!("{value:.0} µs/chunk"),
            Self::Mebibytes => format!("{} MiB", thousands(value)),
            Self::Ratio => format!("{value:.2} x"),
        }
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// Where the median should lie.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One measured thing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figure {
    name: String,
    unit: Unit,
    samples: Vec<f64>,
    target: Option<Target>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, unit: Unit, samples: Vec<f64>) -> Self {
        Self { name: name.into(), unit, samples, target: None }
    }

    pub(crate) fn at_least(mut self, least: f64) -> Self {
        self.target = Some(Target::AtLeast(least));
        self
    }

    pub(crate) fn at_most(mut self, most: f64) -> Self {
        self.target = Some(Target::AtMost(most));
        self
    }

    /// Each of `over` divided by its partner in `under`.
    pub(crate) fn ratio(name: impl Into<String>, over: &[f64], under: &[f64]) -> Self {
        let ratios = over.iter().zip(under).map(|(over, under)| over / under).collect();
        Self::new(name, Unit::Ratio, ratios)
    }

    /// Whether there is anything to show.
    pub(crate) fn has_samples(&self) -> bool {
        !self.samples.is_empty()
    }

    fn is_met(&self) -> Option<bool> {
        let median = quantile(&self.samples, 0.5);
        self.target.map(|target| match target {
            Target::AtLeast(least) => median >= least,
            Target::AtMost(most) => median <= most,
        })
    }

    fn cells(&self) -> [String; 5] {
        let range = match self.samples.len() {
            0 | 1 => String::new(),
            _ => format!(
                "{} to {}",
                self.unit.show(quantile(&self.samples, 0.0)),
                self.unit.show(quantile(&self.samples, 1.0))
            ),
        };
        let target = match self.target {
            None => String::new(),
            Some(Target::AtLeast(least)) => format!("at least {}", self.unit.show(least)),
            Some(Target::AtMost(most)) => format!("at most {}", self.unit.show(most)),
        };
        let verdict = match self.is_met() {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        [self.name.clone(), self.unit.show(quantile(&self.samples, 0.5)), range, target, verdict.to_owned()]
    }
}

/// The sample below which this share of all lies: 0 the least, 0.5 the median, 1 the greatest.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // The share is between 0 and 1, so the product is an index.
    let index = (share * (sorted.len().saturating_sub(1)) as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    /// What else the figures depend on: versions, settings.
    facts: Vec<String>,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(figures: Vec<Figure>) -> Self {
        Self { machine: Machine::look(), facts: Vec::new(), figures }
    }

    /// The same with lines that are printed below the machine.
    pub(crate) fn with_facts(mut self, facts: Vec<String>) -> Self {
        self.facts = facts;
        self
    }

    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            put(&serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        let m = &self.machine;
        put(&format!("machine  {}, {} cores, {} MiB, Linux {}", m.cpu, m.cores, m.memory_mib, m.kernel));
        put(&format!("load     {}", m.load));
        put(&format!("SQLite   {}: {}", m.sqlite, m.pragmas));
        for fact in &self.facts {
            put(fact);
        }
        put("");
        let head = ["figure", "median", "min to max", "target", ""].map(str::to_owned);
        let rows: Vec<[String; 5]> =
            std::iter::once(head).chain(self.figures.iter().map(Figure::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        for row in &rows {
            let [name, median, range, target, verdict] = row;
            let [w0, w1, w2, w3, _] = widths;
            let line = format!("{name:w0$}  {median:>w1$}  {range:>w2$}  {target:>w3$}  {verdict}");
            put(line.trim_end());
        }
        let missed = self.figures.iter().filter(|figure| figure.is_met() == Some(false)).count();
        if missed > 0 {
            say(&format!("{missed} targets were missed"));
        }
        Ok(())
    }
}
