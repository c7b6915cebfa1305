//! Every image decoded, resized to a square and encoded again.

use super::Plan;
use super::rounds::{Side, best_img2dataset, interleaved};
use super::stage::{IMPOLITE, PLAIN, Stage};
use crate::Result;
use crate::report::{Figure, Unit};
use crate::scenarios::Findings;

const WHAT: &str = "center_crop";
const PLAIN_AT_LEAST: f64 = 1.6;
const TURBO_AT_LEAST: f64 = 2.2;

/// 256 × 256 pixels as JPEG, as Ream is told.
pub(super) fn ream_args() -> Vec<&'static str> {
    let crop = ["--resize-mode", "center_crop", "--image-size", "256"];
    let encode = ["--encode-format", "jpg", "--encode-quality", "95"];
    [&IMPOLITE[..], &crop, &encode].concat()
}

/// The same as img2dataset is told.
pub(super) const IMG2DATASET_ARGS: [&str; 8] = [
    "--resize_mode",
    "center_crop",
    "--image_size",
    "256",
    "--encode_format",
    "jpg",
    "--encode_quality",
    "95",
];

pub(super) fn run(stage: &Stage, plan: &Plan) -> Result<Findings> {
    let images = stage.pictures.decodable().min(plan.crop_images);
    let list = stage.decodable_list(images)?;
    let mut contenders = stage.reams(&ream_args());
    contenders.extend(stage.img2datasets(&IMG2DATASET_ARGS));
    let sides = interleaved(WHAT, contenders, &list, plan.crop_rounds, stage.scratch())?;
    let best = best_img2dataset(&sides, Side::images_per_cpu_s, f64::max);
    let best_rate = best_img2dataset(&sides, Side::images_per_s, f64::max);
    let mut figures = Vec::new();
    for side in &sides {
        figures.extend([
            side.figure(WHAT, "", Unit::ImagesPerCpuSecond, side.images_per_cpu_s()),
            side.figure(WHAT, "", Unit::ImagesPerSecond, side.images_per_s()),
            side.figure(WHAT, "stored", Unit::Images, side.stored()),
            side.figure(WHAT, "peak memory", Unit::Mebibytes, side.peak_mib()),
        ]);
    }
    for side in sides.iter().filter(|side| !side.contender.is_img2dataset()) {
        let name = &side.contender.name;
        let least = if name == PLAIN { PLAIN_AT_LEAST } else { TURBO_AT_LEAST };
        let per_cpu = format!("{WHAT}: images per CPU second, {name} / best img2dataset");
        let per_s = format!("{WHAT}: images/s, {name} / best img2dataset");
        figures.push(Figure::ratio(per_cpu, &side.images_per_cpu_s(), &best).at_least(least));
        figures.push(Figure::ratio(per_s, &side.images_per_s(), &best_rate));
    }
    Ok(super::found(figures, &sides))
}
