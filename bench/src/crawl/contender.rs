//! Who crawls: one program with its settings, run as a process of its own.

use super::img2dataset::NO_UPDATE;
use super::measure::{Bounds, Ended, Measured, measure};
use super::pictures::List;
use crate::Result;
use ream_system_tests::process::tethered;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything of the list is on loopback.
const NETWORK: &str = "127.0.0.0/8";

#[derive(Debug, Clone, Copy, PartialEq)]
enum Tool {
    Ream,
    Bare,
    Img2dataset { processes: usize },
}

/// A program with its settings.
#[derive(Debug, Clone)]
pub(super) struct Contender {
    pub(super) name: String,
    tool: Tool,
    program: PathBuf,
    args: Vec<String>,
}

/// What one run came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) used: Measured,
    /// Images that are in the output.
    pub(super) stored: u64,
}

impl Contender {
    /// `ream crawl` into tars, with these further arguments.
    pub(super) fn ream(name: &str, binary: &Path, args: &[&str]) -> Self {
        let own = ["--format", "webdataset", "--allow-net", NETWORK];
        Self::new(name, Tool::Ream, binary.to_owned(), &[&own, args].concat())
    }

    /// The bare loop of this program.
    pub(super) fn bare(name: &str) -> Result<Self> {
        Ok(Self::new(name, Tool::Bare, std::env::current_exe()?, &[]))
    }

    /// img2dataset into tars, without what Ream does not do by default: EXIF fields.
    pub(super) fn img2dataset(command: &Path, processes: usize, args: &[&str]) -> Self {
        let own = ["--input_format", "txt", "--output_format", "webdataset", "--extract_exif", "False"];
        let name = format!("img2dataset, {processes} process{}", if processes == 1 { "" } else { "es" });
        let tool = Tool::Img2dataset { processes };
        let mut made = Self::new(&name, tool, command.to_owned(), &[&own, args].concat());
        made.args.extend(["--processes_count".into(), processes.to_string()]);
        made.args.extend(["--thread_count", "64"].map(str::to_owned));
        made
    }

    fn new(name: &str, tool: Tool, program: PathBuf, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { name: name.to_owned(), tool, program, args }
    }

    pub(super) fn is_img2dataset(&self) -> bool {
        matches!(self.tool, Tool::Img2dataset { .. })
    }

    /// The command line, for people.
    pub(super) fn told(&self) -> String {
        let program = self.program.file_name().unwrap_or_default().to_string_lossy();
        let list = List { path: "LIST".into(), images: 0 };
        let command = self.command_line(&list, Path::new("DIR"));
        let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
        let args: Vec<_> = args.iter().skip_while(|arg| !arg.ends_with(&*program)).skip(1).cloned().collect();
        let args = args.join(" ").replace("--number_sample_per_shard 1 ", "--number_sample_per_shard N ");
        format!("{}: {program} {args}", self.name)
    }

    /// Crawls a list; what comes of it lies in a folder of its own until it is counted.
    pub(super) fn run(&self, list: &List, scratch: &Path, bounds: Bounds) -> Result<Run> {
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(scratch)?;
        let (out, said) = (folder.path().join("out"), folder.path().join("said"));
        let mut command = self.command_line(list, &out);
        command.current_dir(folder.path());
        command.stdout(File::create(folder.path().join("data"))?).stderr(File::create(&said)?);
        let used = measure(&mut command, bounds)?;
        if let Ended::ByItself(status) = used.ended
            && !status.success()
        {
            let said = std::fs::read_to_string(said).unwrap_or_default();
            let start = said.len().saturating_sub(4_000);
            let end = said.get(start..).unwrap_or(&said);
            return Err(format!("{} ended with {status}; it said:\n{end}", self.name).into());
        }
        Ok(Run { used, stored: self.stored(&out, folder.path()).unwrap_or(0) })
    }

    fn command_line(&self, list: &List, out: &Path) -> Command {
        let mut command = tethered(&self.program);
        match self.tool {
            Tool::Ream => command.arg("crawl").arg(&list.path).arg("--out").arg(out).arg("--quiet"),
            Tool::Bare => command.arg("bare-fetch").arg(&list.path).arg(out),
            Tool::Img2dataset { processes } => {
                // As few shards as keep all processes busy: each shard starts slowly and ends slowly.
                let per_shard = list.images.div_ceil(processes).clamp(1, 10_000);
                command.env(NO_UPDATE.0, NO_UPDATE.1);
                command.arg("--url_list").arg(&list.path).arg("--output_folder").arg(out);
                command.args(["--number_sample_per_shard", &per_shard.to_string()])
            }
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REAM_") {
                command.env_remove(name);
            }
        }
        command.args(&self.args);
        command
    }

    fn stored(&self, out: &Path, folder: &Path) -> Result<u64> {
        match self.tool {
            Tool::Ream => number(&out.join("dataset.json"), "images_ok"),
            Tool::Bare => Ok(std::fs::read_to_string(folder.join("data"))?.trim().parse()?),
            Tool::Img2dataset { .. } => {
                let mut sum = 0;
                for entry in std::fs::read_dir(out)? {
                    let path = entry?.path();
                    if path.to_string_lossy().ends_with("_stats.json") {
                        sum += number(&path, "successes")?;
                    }
                }
                Ok(sum)
            }
        }
    }
}

/// A number of a JSON document.
fn number(path: &Path, name: &str) -> Result<u64> {
    let document: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    document[name].as_u64().ok_or_else(|| format!("{} has no number `{name}`", path.display()).into())
}
