//! One host that sends a byte a second among fast ones: what it costs the others.

use super::contender::{Contender, Run};
use super::download::KEEP;
use super::measure::{Bounds, Ended};
use super::pictures::List;
use super::stage::{IMPOLITE, PLAIN, Stage};
use super::{Plan, drip_server};
use crate::Result;
use crate::report::{Figure, Unit, say};
use crate::scenarios::Findings;
use ream_system_tests::site::Site;
use std::time::Duration;

const OTHERS_FALL_AT_MOST_PERCENT: f64 = 10.0;
/// One in so many images drips.
const DRIPS_EVERY: usize = 20;
/// img2dataset waits for ever.
const THEIR_TIME_LIMIT: Duration = Duration::from_secs(120);

/// Two lists of the same fast images, one with drips among them.
struct Lists {
    plain: List,
    dripping: List,
    fast_images: usize,
}

pub(super) fn run(stage: &Stage, plan: &Plan) -> Result<Findings> {
    // A server of its own: only a log tells when the fast images were done.
    let site = Site::start_with_log(&stage.web_root)?;
    let dripping_host = drip_server::start()?;
    let mut findings = Findings::default();
    for &(images, rounds) in &plan.drip_images {
        let what = format!("drip, {images}");
        let lists = Lists::write(stage, &site, &dripping_host, images)?;
        let contender = Contender::ream(PLAIN, &stage.plain, &IMPOLITE);
        let mut seen = Seen::default();
        for round in 1..=rounds {
            say(&format!("{what}: round {round} of {rounds}"));
            let one = |list| one_run(&contender, list, &site, stage, Bounds::default());
            seen.add(one(&lists.plain)?, one(&lists.dripping)?, lists.fast_images)?;
        }
        findings.figures.extend(seen.figures(&what));
        findings.facts.push(contender.told());
    }
    let theirs = stage.img2dataset(2, &KEEP).filter(|_| plan.full);
    if let (Some(contender), Some((images, _))) = (theirs, plan.drip_images.first()) {
        findings.add(how_far(&contender, stage, &site, &dripping_host, *images)?);
    }
    Ok(findings)
}

/// How far a contender comes that may wait for drips for ever.
fn how_far(
    contender: &Contender,
    stage: &Stage,
    site: &Site,
    dripping_host: &str,
    images: usize,
) -> Result<Findings> {
    let what = format!("drip, {images}");
    let lists = Lists::write(stage, site, dripping_host, images)?;
    let bounds = Bounds { time: Some(THEIR_TIME_LIMIT), memory_mib: None };
    let (run, done) = one_run(contender, &lists.dripping, site, stage, bounds)?;
    let end = if run.used.ended == Ended::TimeUp { "ended by the bench" } else { "by itself" };
    let name = |of: &str| format!("{what}: {}, {of}", contender.name);
    Ok(Findings {
        figures: vec![
            Figure::new(name(&format!("time ({end})")), Unit::Seconds, vec![run.used.wall_s]),
            Figure::new(
                name(&format!("of {} fast images fetched by then", lists.fast_images)),
                Unit::Images,
                vec![done.count as f64],
            ),
            Figure::new(name("images stored by then"), Unit::Images, vec![run.stored as f64]),
        ],
        facts: vec![contender.told()],
    })
}

/// What the fast host saw.
#[derive(Debug, Clone, Copy)]
struct FastDone {
    /// Images that it sent.
    count: usize,
    /// From the crawl's start until the last of them was sent.
    after_s: f64,
}

fn one_run(
    contender: &Contender,
    list: &List,
    site: &Site,
    stage: &Stage,
    bounds: Bounds,
) -> Result<(Run, FastDone)> {
    site.forget()?;
    let run = contender.run(list, stage.scratch(), bounds)?;
    let sent: Vec<_> = site.answers()?.into_iter().filter(|answer| answer.status == 200).collect();
    let last_s = sent.iter().map(|answer| answer.at_s).fold(run.used.started_at_s, f64::max);
    Ok((run, FastDone { count: sent.len(), after_s: last_s - run.used.started_at_s }))
}

/// Both crawls of each round.
#[derive(Default)]
struct Seen {
    plain_rate: Vec<f64>,
    dripping_rate: Vec<f64>,
    fall_percent: Vec<f64>,
    plain_total_s: Vec<f64>,
    dripping_total_s: Vec<f64>,
}

impl Seen {
    fn add(&mut self, plain: (Run, FastDone), dripping: (Run, FastDone), fast_images: usize) -> Result<()> {
        for (run, done) in [&plain, &dripping] {
            if done.count < fast_images || run.stored < fast_images as u64 {
                let got = format!("{} were sent and {} stored", done.count, run.stored);
                return Err(format!("of {fast_images} fast images {got}").into());
            }
        }
        let rate = |done: FastDone| fast_images as f64 / done.after_s;
        let (without, with) = (rate(plain.1), rate(dripping.1));
        self.plain_rate.push(without);
        self.dripping_rate.push(with);
        self.fall_percent.push((1.0 - with / without) * 100.0);
        self.plain_total_s.push(plain.0.used.wall_s);
        self.dripping_total_s.push(dripping.0.used.wall_s);
        Ok(())
    }

    fn figures(self, what: &str) -> Vec<Figure> {
        let name = |of: &str| format!("{what}: ream, {of}");
        vec![
            Figure::new(name("fast images alone"), Unit::ImagesPerSecond, self.plain_rate),
            Figure::new(name("fast images among drips"), Unit::ImagesPerSecond, self.dripping_rate),
            Figure::new(name("fall"), Unit::Percent, self.fall_percent).at_most(OTHERS_FALL_AT_MOST_PERCENT),
            Figure::new(name("whole crawl alone"), Unit::Seconds, self.plain_total_s),
            Figure::new(name("whole crawl with drips"), Unit::Seconds, self.dripping_total_s),
        ]
    }
}

impl Lists {
    fn write(stage: &Stage, site: &Site, dripping_host: &str, images: usize) -> Result<Self> {
        let path = |name: &str| stage.scratch().join(format!("{name}-{images}.txt"));
        let plain = stage.pictures.list(&site.base_url(), images - images / DRIPS_EVERY, path("fast"))?;
        let mut text = String::new();
        for (number, line) in std::fs::read_to_string(&plain.path)?.lines().enumerate() {
            text.push_str(&format!("{line}\n"));
            if number % (DRIPS_EVERY - 1) == DRIPS_EVERY / 2 {
                text.push_str(&format!("{dripping_host}/{number}.jpg\n"));
            }
        }
        let dripping = List { path: path("dripping"), images: text.lines().count() };
        std::fs::write(&dripping.path, text)?;
        Ok(Self { fast_images: plain.images, plain, dripping })
    }
}
