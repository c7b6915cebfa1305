//! The most memory that whole crawls take: short ones, ten times longer ones, and ones with huge images.

use super::Plan;
use super::center_crop::{IMG2DATASET_ARGS, ream_args};
use super::contender::{Contender, Run};
use super::download::KEEP;
use super::measure::{Bounds, Ended};
use super::pictures::List;
use super::stage::{IMPOLITE, PLAIN, Stage, TURBO};
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use crate::{Result, machine};
use std::time::Duration;

const AT_MOST_MIB: f64 = 300.0;
/// More than this share of what is free, and the machine would begin to end processes by itself.
const SHARE_OF_FREE: f64 = 0.8;
/// Nobody needs as long; who does hangs.
const TIME_LIMIT: Duration = Duration::from_secs(3 * 3600);
/// Every how manyth image is a huge one.
const HUGE_EVERY: usize = 50;
const HUGE_NAMES: [&str; 4] = ["baseline.jpg", "progressive.jpg", "rgba.png", "rgb.png"];
/// Above 168 megapixels.
const HUGE_ALLOWED: [&str; 2] = ["--max-pixels", "200000000"];

pub(super) fn run(stage: &Stage, plan: &Plan) -> Result<Findings> {
    let mut findings = Findings::default();
    for &images in &plan.memory_images {
        let list = stage.list(images)?;
        let mut contenders = vec![Contender::ream(PLAIN, &stage.plain, &IMPOLITE)];
        contenders.extend(stage.img2dataset(2, &KEEP));
        weigh(stage, &format!("memory, download {images}"), contenders, &list, &mut findings)?;
        let list = stage.decodable_list(images)?;
        let mut contenders = stage.reams(&ream_args());
        contenders.extend(stage.img2dataset(2, &IMG2DATASET_ARGS));
        weigh(stage, &format!("memory, center_crop {images}"), contenders, &list, &mut findings)?;
    }
    if let Some(images) = plan.huge_list_images {
        let list = list_with_huge_images(stage, images)?;
        let what = format!("memory, {} of {images} with 168 megapixels", images / HUGE_EVERY);
        weigh(stage, &what, huge_contenders(stage), &list, &mut findings)?;
    }
    Ok(findings)
}

fn huge_contenders(stage: &Stage) -> Vec<Contender> {
    let allowed = [&ream_args()[..], &HUGE_ALLOWED].concat();
    let kept = [&IMPOLITE[..], &HUGE_ALLOWED].concat();
    let mut contenders = vec![
        Contender::ream("ream, download, huge allowed", &stage.plain, &kept),
        Contender::ream("ream, center_crop", &stage.plain, &ream_args()),
        Contender::ream("ream, center_crop, huge allowed", &stage.plain, &allowed),
    ];
    if let Some(turbo) = &stage.turbo {
        contenders.push(Contender::ream(&format!("{TURBO}, center_crop, huge allowed"), turbo, &allowed));
    }
    contenders.extend(stage.img2datasets(&IMG2DATASET_ARGS));
    contenders
}

/// One run each: the most memory of a whole crawl hardly depends on chance.
fn weigh(
    stage: &Stage,
    what: &str,
    contenders: impl IntoIterator<Item = Contender>,
    list: &List,
    findings: &mut Findings,
) -> Result<()> {
    for contender in contenders {
        let memory_mib = machine::available_mib() as f64 * SHARE_OF_FREE;
        let bounds = Bounds { time: Some(TIME_LIMIT), memory_mib: Some(memory_mib) };
        let run = contender.run(list, stage.scratch(), bounds)?;
        let end = ended(&run);
        say(&format!(
            "{what}: {}: {:.0} MiB, {} images in {:.2} s{end}",
            contender.name, run.used.peak_mib, run.stored, run.used.wall_s
        ));
        let peak = Figure::new(
            format!("{what}: {}, peak{end}", contender.name),
            Unit::Mebibytes,
            vec![run.used.peak_mib],
        );
        let is_theirs = contender.is_img2dataset();
        findings.figures.push(if is_theirs { peak } else { peak.at_most(AT_MOST_MIB) });
        let stored = format!("{what}: {}, stored{end}", contender.name);
        findings.figures.push(Figure::new(stored, Unit::Images, vec![run.stored as f64]));
        findings.facts.push(contender.told());
    }
    Ok(())
}

fn ended(run: &Run) -> &'static str {
    match run.used.ended {
        Ended::ByItself(_) => "",
        Ended::TimeUp => " (ended after three hours)",
        Ended::TooMuchMemory => " (ended by the bench at 80 % of the free memory)",
    }
}

/// Huge images among ordinary ones.
fn list_with_huge_images(stage: &Stage, images: usize) -> Result<List> {
    say("making images of 168 megapixels");
    let folder = stage.web_root.join("huge");
    std::fs::create_dir_all(&folder)?;
    let (photo, drawing) =
        stage.pictures.photo_and_drawing().ok_or("no photo or no drawing to make huge images of")?;
    stage.environment.make_huge_images(
        &stage.web_root.join(photo),
        &stage.web_root.join(drawing),
        &folder,
    )?;
    let ordinary = stage.decodable_list(images)?;
    let text = std::fs::read_to_string(&ordinary.path)?;
    let base_url = stage.site.base_url();
    let url = |(number, line): (usize, &str)| {
        if number % HUGE_EVERY != HUGE_EVERY / 2 {
            return format!("{line}\n");
        }
        let nth = number / HUGE_EVERY;
        format!("{base_url}/huge/{}?{nth}\n", HUGE_NAMES[nth % HUGE_NAMES.len()])
    };
    let path = stage.scratch().join("huge.txt");
    std::fs::write(&path, text.lines().enumerate().map(url).collect::<String>())?;
    Ok(List { path, images: ordinary.images })
}
