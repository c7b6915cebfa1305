//! The independent checker: Python, in an environment of its own.

use crate::process::output;
use crate::real_list::RealList;
use ream_test_servers::{Fault, Result, python_environment};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the checker and the loaders are written for. img2dataset 1.47 wants pandas below 3 and webdataset below 0.3.
const PACKAGES: &[&str] = &[
    "fsspec==2026.9.0",
    "numpy==2.4.6",
    "pandas==2.3.3",
    "pillow==13.0.0",
    "pyarrow==22.0.0",
    "webdataset==0.2.111",
];
/// Without what it depends on: only its code for reading datasets is used.
const ALONE: &str = "img2dataset==1.47.0";
/// Grows with the packages: an environment of another number is another one.
const ENVIRONMENT: &str = "python-environment-2";

/// How images were to be transformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transform {
    /// The resize mode by name.
    pub mode: &'static str,
    /// The image size in pixels.
    pub size: u32,
    /// The format by its extension: `jpg`, `png` or `webp`.
    pub encode: &'static str,
}

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Check {
    args: Vec<std::ffi::OsString>,
}

impl Check {
    /// A whole dataset that a crawl of `list` left.
    pub fn of(list: &RealList, dataset: &Path, format: &str) -> Self {
        let mut check = Self { args: Vec::new() };
        check.push(["--list".into(), list.path.clone().into_os_string()]);
        check.push(["--dataset".into(), dataset.into()]);
        check.push(["--format".into(), format.into()]);
        check.push(["--served".into(), list.served.clone().into_os_string()]);
        check.push(["--expected".into(), list.expected.clone().into_os_string()]);
        check
    }

    /// A dataset whose crawl has not ended.
    #[must_use]
    pub fn partial(mut self) -> Self {
        self.push(["--partial".into()]);
        self
    }

    /// Images were transformed.
    #[must_use]
    pub fn transform(mut self, transform: Transform) -> Self {
        self.push(["--resize-mode".into(), transform.mode.into()]);
        self.push(["--image-size".into(), transform.size.to_string().into()]);
        self.push(["--encode".into(), transform.encode.into()]);
        self
    }

    /// These columns of the list were kept.
    #[must_use]
    pub fn keep_cols(mut self, columns: &str) -> Self {
        self.push(["--keep-cols".into(), columns.into()]);
        self
    }

    /// The dataset has img2dataset's layout.
    #[must_use]
    pub fn img2dataset(mut self) -> Self {
        self.push(["--img2dataset-layout".into()]);
        self
    }

    /// The state lies in another database: its job and chunks are in this JSON file.
    #[must_use]
    pub fn state(mut self, path: &Path) -> Self {
        self.push(["--state".into(), path.into()]);
        self
    }

    /// No image may have taken longer.
    #[must_use]
    pub fn max_fetch_ms(mut self, ms: u64) -> Self {
        self.push(["--max-fetch-ms".into(), ms.to_string().into()]);
        self
    }

    /// Checks; gives the summary.
    ///
    /// # Errors
    /// Every fault that was found, named; or the checker cannot be run.
    pub fn run(&self) -> Result<String> {
        judge(script("check_dataset.py")?.args(&self.args))
    }

    /// Has the checker break copies of this dataset, which must be whole, and find what it broke.
    ///
    /// # Errors
    /// Damage that went unnoticed; or the checker cannot be run.
    pub fn self_test(&self) -> Result<String> {
        judge(script("self_test.py")?.args(&self.args))
    }

    /// Loads the dataset as its users do, and compares what they get with the ledgers.
    ///
    /// # Errors
    /// What could not be loaded, or is not what the ledgers say; or Python cannot be run.
    pub fn load(&self) -> Result<String> {
        judge(script("loaders.py")?.args(&self.args))
    }

    fn push<const N: usize>(&mut self, args: [std::ffi::OsString; N]) {
        self.args.extend(args);
    }
}

/// Checks a dataset of images kept as they came; `partial` where the crawl has not ended. Gives the summary.
///
/// # Errors
/// As [`Check::run`].
pub fn check(list: &RealList, dataset: &Path, format: &str, partial: bool) -> Result<String> {
    let check = Check::of(list, dataset, format);
    if partial { check.partial().run() } else { check.run() }
}

/// Has the checker break datasets of its own and find what it broke.
///
/// # Errors
/// As [`Check::self_test`].
pub fn self_test() -> Result<String> {
    judge(&mut script("self_test.py")?)
}

fn judge(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(Fault::new(format!("the checker says:\n{said}{}", String::from_utf8_lossy(&output.stderr))))
}

fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(python()?);
    // -B: nothing is written beside the sources.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("checker").join(name));
    Ok(command)
}

/// Python with what the checker needs, made on first use.
///
/// # Errors
/// The environment cannot be made.
pub fn python() -> Result<PathBuf> {
    python_environment(ENVIRONMENT, PACKAGES, &[ALONE])
}
