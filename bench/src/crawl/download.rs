//! Bytes kept as they come, into tars.

use super::Plan;
use super::contender::Contender;
use super::rounds::{Side, best_img2dataset, interleaved, side};
use super::stage::{IMPOLITE, PLAIN, Stage};
use crate::Result;
use crate::report::{Figure, Unit};
use crate::scenarios::Findings;

const WHAT: &str = "download";
const POLITE: &str = "ream, 8 per host";
const ROBOTS: &str = "ream, robots.txt respected";
const BARE: &str = "bare loop";

const CPU_AT_MOST_S: f64 = 0.5;
const OF_BARE_AT_LEAST: f64 = 0.6;

/// What img2dataset calls keeping the bytes; it checks nothing then.
pub(super) const KEEP: [&str; 2] = ["--disable_all_reencoding", "True"];

pub(super) fn run(stage: &Stage, plan: &Plan) -> Result<Findings> {
    let list = stage.list(plan.download_images)?;
    let mut contenders = vec![
        Contender::ream(PLAIN, &stage.plain, &IMPOLITE),
        Contender::ream(POLITE, &stage.plain, &["--robots", "ignore"]),
        Contender::ream(ROBOTS, &stage.plain, &["--robots", "respect", "--max-per-host", "64"]),
    ];
    contenders.extend(stage.bare(BARE)?);
    contenders.extend(stage.img2datasets(&KEEP));
    let sides = interleaved(WHAT, contenders, &list, plan.rounds, stage.scratch())?;
    let mut figures = Vec::new();
    for side in &sides {
        let mut cpu = side.figure(WHAT, "", Unit::CpuSecondsPerThousandImages, side.cpu_s_per_thousand());
        if side.contender.name == PLAIN {
            cpu = cpu.at_most(CPU_AT_MOST_S);
        }
        figures.extend([
            cpu,
            side.figure(WHAT, "", Unit::ImagesPerSecond, side.images_per_s()),
            side.figure(WHAT, "stored", Unit::Images, side.stored()),
            side.figure(WHAT, "peak memory", Unit::Mebibytes, side.peak_mib()),
        ]);
    }
    let ream = side(&sides, PLAIN).ok_or("ream did not run")?;
    let bare = side(&sides, BARE);
    let of_bare = |of: fn(&Side) -> Vec<f64>| bare.map(of).unwrap_or_default();
    let ratio =
        |name: &str, over: &[f64], under: &[f64]| Figure::ratio(format!("{WHAT}: {name}"), over, under);
    figures.extend([
        ratio("images/s, ream / bare loop", &ream.images_per_s(), &of_bare(Side::images_per_s))
            .at_least(OF_BARE_AT_LEAST),
        ratio("images/s, ream / best img2dataset", &ream.images_per_s(), &best_rate(&sides)),
        ratio("CPU, best img2dataset / ream", &best_cpu(&sides), &ream.cpu_s_per_thousand()),
        ratio("CPU, ream / bare loop", &ream.cpu_s_per_thousand(), &of_bare(Side::cpu_s_per_thousand)),
    ]);
    Ok(super::found(figures, &sides))
}

fn best_rate(sides: &[Side]) -> Vec<f64> {
    best_img2dataset(sides, Side::images_per_s, f64::max)
}

fn best_cpu(sides: &[Side]) -> Vec<f64> {
    best_img2dataset(sides, Side::cpu_s_per_thousand, f64::min)
}
