//! A fresh process on one chunk: what starting and ending cost.

use super::Plan;
use super::center_crop::{IMG2DATASET_ARGS, ream_args};
use super::contender::Contender;
use super::download::KEEP;
use super::rounds::{Side, best_img2dataset, interleaved};
use super::stage::{IMPOLITE, Stage};
use crate::Result;
use crate::report::{Figure, Unit};
use crate::scenarios::Findings;

const AT_LEAST: f64 = 4.0;

pub(super) fn run(stage: &Stage, plan: &Plan) -> Result<Findings> {
    let list = stage.decodable_list(plan.chunk_images)?;
    let mut kept = vec![Contender::ream("ream", &stage.plain, &IMPOLITE)];
    kept.extend(stage.img2datasets(&KEEP));
    let mut cropped = stage.reams(&ream_args());
    cropped.extend(stage.img2datasets(&IMG2DATASET_ARGS));
    let mut findings = Findings::default();
    for (what, contenders) in [("one chunk, download", kept), ("one chunk, center_crop", cropped)] {
        let sides = interleaved(what, contenders, &list, plan.chunk_rounds, stage.scratch())?;
        let best = best_img2dataset(&sides, Side::wall_s, f64::min);
        let mut figures: Vec<_> =
            sides.iter().map(|side| side.figure(what, "", Unit::Seconds, side.wall_s())).collect();
        for side in sides.iter().filter(|side| !side.contender.is_img2dataset()) {
            let name = format!("{what}: speed, {} / best img2dataset", side.contender.name);
            figures.push(Figure::ratio(name, &best, &side.wall_s()).at_least(AT_LEAST));
        }
        findings.add(super::found(figures, &sides));
    }
    Ok(findings)
}
