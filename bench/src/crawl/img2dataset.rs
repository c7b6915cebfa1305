//! img2dataset from the Python index, in an environment of its own.

use crate::Result;
use crate::report::say;
use ream_system_tests::paths::target_and_profile;
use ream_system_tests::process::run;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Grows with the requirements: an environment of another number is another one.
const ENVIRONMENT: &str = "img2dataset-1";

/// One of its libraries would ask the Python index for a newer release otherwise.
pub(super) const NO_UPDATE: (&str, &str) = ("NO_ALBUMENTATIONS_UPDATE", "1");

/// An environment with img2dataset and Pillow.
#[derive(Debug, Clone)]
pub(super) struct Environment(PathBuf);

impl Environment {
    /// Made on first use, in the target folder. Imported once, so that the first round does not pay for the disk.
    pub(super) fn ready() -> Result<Self> {
        let folder = target_and_profile()?.0.join("bench").join(ENVIRONMENT);
        let ready = folder.join("ready");
        let environment = Self(folder);
        if !ready.exists() {
            say("installing img2dataset (once)");
            std::fs::create_dir_all(&environment.0)?;
            run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment.0))?;
            let mut pip = Command::new(environment.python());
            pip.args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(source("requirements.txt"));
            run(&mut pip)?;
            std::fs::write(ready, "")?;
        }
        run(Command::new(environment.python())
            .env(NO_UPDATE.0, NO_UPDATE.1)
            .args(["-c", "import img2dataset"]))?;
        Ok(environment)
    }

    fn python(&self) -> PathBuf {
        self.0.join("bin/python")
    }

    /// The command as its users call it.
    pub(super) fn command(&self) -> PathBuf {
        self.0.join("bin/img2dataset")
    }

    /// Versions that its figures depend on.
    pub(super) fn versions(&self) -> Result<String> {
        let code = "import sys, importlib.metadata as m\n\
             n = ['img2dataset', 'opencv-python-headless', 'albumentations', 'numpy', 'pyarrow']\n\
             print('Python', sys.version.split()[0], *(f'{x} {m.version(x)}' for x in n), sep=', ')";
        let output = run(Command::new(self.python()).args(["-c", code]))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Makes images of 168 megapixels out of two files.
    pub(super) fn make_huge_images(&self, photo: &Path, drawing: &Path, folder: &Path) -> Result<()> {
        let mut command = Command::new(self.python());
        command.arg("-B").arg(source("huge_images.py")).args([photo, drawing, folder]);
        run(&mut command)?;
        Ok(())
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("img2dataset").join(name)
}
