//! How a worker works and ends.

use super::{Layers, Row, Setting, whole};
use crate::failure::Result;
use crate::values::flag;
use std::path::PathBuf;
use std::time::Duration;

/// How a worker works and ends, as far as the command line says it.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct WorkFlags {
    /// How long chunks in flight may go on after Ctrl-C or SIGTERM, in seconds [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>), allow_negative_numbers = true)]
    pub(crate) drain_s: Option<u32>,
    /// End when there was nothing to do for so many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = flag(whole::<u32>), allow_negative_numbers = true)]
    pub(crate) exit_when_idle_s: Option<u32>,
    /// A folder for unfinished output, on a disk with room for it [default: the system's for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
}

/// How a worker works and ends.
pub(crate) struct WorkSettings {
    /// Seconds, default 30.
    drain_s: Setting<u32>,
    /// Seconds, default never.
    exit_when_idle_s: Setting<Option<u32>>,
    /// Default the system's.
    scratch: Setting<Option<PathBuf>>,
}

impl WorkSettings {
    pub(crate) fn load(layers: &Layers, flags: &WorkFlags) -> Result<Self> {
        Ok(Self {
            drain_s: layers.pick("work.drain_s", flags.drain_s, whole, 30)?,
            exit_when_idle_s: layers.pick(
                "work.exit_when_idle_s",
                flags.exit_when_idle_s.map(Some),
                |text| whole(text).map(Some),
                None,
            )?,
            scratch: layers.pick(
                "work.scratch",
                flags.scratch.clone().map(Some),
                |text| Ok(Some(text.into())),
                None,
            )?,
        })
    }

    pub(crate) fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_s.value.into())
    }

    pub(crate) fn exit_when_idle(&self) -> Option<Duration> {
        self.exit_when_idle_s.value.map(|s| Duration::from_secs(s.into()))
    }

    pub(crate) fn scratch(&self) -> Option<PathBuf> {
        self.scratch.value.clone()
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let idle = self.exit_when_idle_s.value.map_or_else(|| "never".to_owned(), |s| s.to_string());
        let scratch = self
            .scratch
            .value
            .as_ref()
            .map_or_else(|| "the system's".to_owned(), |path| path.display().to_string());
        vec![self.drain_s.row(self.drain_s.value), self.exit_when_idle_s.row(idle), self.scratch.row(scratch)]
    }
}
