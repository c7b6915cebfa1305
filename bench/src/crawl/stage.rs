//! What all scenarios share: images, the web server, the programs.

use super::Args;
use super::contender::Contender;
use super::img2dataset::Environment;
use super::pictures::{List, Pictures};
use crate::report::say;
use crate::{Result, machine};
use ream_system_tests::paths::{target_and_profile, workspace};
use ream_system_tests::process::run;
use ream_system_tests::ream;
use ream_system_tests::site::{Pace, Site};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The name of the plain build in every scenario.
pub(super) const PLAIN: &str = "ream";
/// The name of the build with libjpeg-turbo.
pub(super) const TURBO: &str = "ream, turbo";
/// As many at a time as the others: politeness to the one host is not what is measured.
pub(super) const IMPOLITE: [&str; 4] = ["--robots", "ignore", "--max-per-host", "64"];

/// The scene of all scenarios.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) pictures: Pictures,
    pub(super) environment: Environment,
    pub(super) plain: PathBuf,
    pub(super) turbo: Option<PathBuf>,
    pub(super) web_root: PathBuf,
    only_ream: bool,
    load_before: String,
    scratch: TempDir,
}

impl Stage {
    /// Builds, installs and collects whatever is missing.
    pub(super) fn set(args: &Args, most_images: usize) -> Result<Self> {
        let folder = target_and_profile()?.0.join("bench");
        std::fs::create_dir_all(&folder)?;
        let scratch = tempfile::Builder::new().prefix("scratch-").tempdir_in(&folder)?;
        let web_root = scratch.path().join("web");
        std::fs::create_dir(&web_root)?;
        say("collecting images and programs (the first time takes a while)");
        let pictures = Pictures::collect(&web_root, most_images)?;
        let plain = args.ream.clone().map_or_else(|| Ok(ream::binary()?.to_owned()), Result::Ok)?;
        let turbo = match &args.ream_turbo {
            Some(binary) => Some(binary.clone()),
            None if args.no_turbo => None,
            None => Some(build_turbo()?),
        };
        Ok(Self {
            site: Site::start(&web_root, Pace::default())?,
            pictures,
            environment: Environment::ready()?,
            plain,
            turbo,
            web_root,
            only_ream: args.only_ream,
            load_before: machine::load(),
            scratch,
        })
    }

    pub(super) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Images of all kinds.
    pub(super) fn list(&self, images: usize) -> Result<List> {
        self.pictures.list(&self.site.base_url(), images, self.scratch().join(format!("all-{images}.txt")))
    }

    /// Images that every contender can decode.
    pub(super) fn decodable_list(&self, images: usize) -> Result<List> {
        let path = self.scratch().join(format!("decodable-{images}.txt"));
        self.pictures.decodable_list(&self.site.base_url(), images, path)
    }

    /// Both builds of Ream, as far as they are there.
    pub(super) fn reams(&self, args: &[&str]) -> Vec<Contender> {
        let mut builds = vec![Contender::ream(PLAIN, &self.plain, args)];
        builds.extend(self.turbo.iter().map(|binary| Contender::ream(TURBO, binary, args)));
        builds
    }

    /// img2dataset with one process and with one for each of two cores.
    pub(super) fn img2datasets(&self, args: &[&str]) -> Vec<Contender> {
        [1, 2].into_iter().filter_map(|processes| self.img2dataset(processes, args)).collect()
    }

    /// img2dataset, unless it is left out.
    pub(super) fn img2dataset(&self, processes: usize, args: &[&str]) -> Option<Contender> {
        (!self.only_ream).then(|| Contender::img2dataset(&self.environment.command(), processes, args))
    }

    /// The bare loop, unless it is left out.
    pub(super) fn bare(&self, name: &str) -> Result<Option<Contender>> {
        if self.only_ream { Ok(None) } else { Contender::bare(name).map(Some) }
    }

    /// What the figures depend on.
    pub(super) fn facts(&self) -> Result<Vec<String>> {
        let version = |program: &Path, arg: &str| -> Result<String> {
            let output = run(Command::new(program).arg(arg))?;
            let said = [output.stdout, output.stderr].concat();
            Ok(String::from_utf8_lossy(&said).lines().next().unwrap_or_default().to_owned())
        };
        let mut facts = vec![
            format!("before   load {}", self.load_before),
            format!("images   {}", self.pictures.told()),
            format!("decoded  {} of them: without svg", self.pictures.decodable()),
            format!("ream     {}", version(&self.plain, "--version")?),
            format!("server   {}, one process", version(Path::new("nginx"), "-v")?),
            format!("beside   {}", self.environment.versions()?),
        ];
        if self.turbo.is_none() {
            facts.push("turbo    not measured".to_owned());
        }
        Ok(facts)
    }
}

/// The build with libjpeg-turbo, in a target folder of its own, beside the plain one.
fn build_turbo() -> Result<PathBuf> {
    let (target, profile) = target_and_profile()?;
    let target = target.join("bench-turbo");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--package", "ream-cli", "--bin", "ream"]);
    cargo.args(["--features", "turbo", "--profile", &profile, "--target-dir"]).arg(&target);
    run(&mut cargo)?;
    Ok(target.join(if profile == "dev" { "debug" } else { &profile }).join("ream"))
}
