//! Database, output, watching and new jobs: one struct per concern.

use super::{Layers, Row, Setting, number};
use crate::failure::{Failure, Result};
use ream::{CHUNK_SIZE, DatabaseUrl, Error, Priority, plan};
use std::str::FromStr;

/// Where state lives.
pub(crate) struct DatabaseSettings {
    /// Default `sqlite:ream.db`.
    pub(crate) url: Setting<DatabaseUrl>,
}

impl DatabaseSettings {
    /// The flag comes as text: parsed here, a URL with a password is not repeated by the command line's parser.
    pub(crate) fn load(layers: &Layers, flag: Option<&str>) -> Result<Self> {
        let parsed = flag
            .map(DatabaseUrl::from_str)
            .transpose()
            .map_err(|error| Failure::from(error).rename_fields(|_| Some("--database".to_owned())))?;
        let url = layers.pick("database", parsed, DatabaseUrl::from_str, DatabaseUrl::default())?;
        Ok(Self { url })
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![self.url.row(&self.url.value)]
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorWhen {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        }
    }
}

impl FromStr for ColorWhen {
    type Err = Error;

    fn from_str(text: &str) -> ream::Result<Self> {
        [Self::Auto, Self::Always, Self::Never]
            .into_iter()
            .find(|when| when.as_str() == text)
            .ok_or_else(|| Error::invalid("color", format!("{text:?}"), "auto, always or never"))
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON document per line, for machines.
    Json,
}

impl LogFormat {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(text: &str) -> ream::Result<Self> {
        [Self::Text, Self::Json]
            .into_iter()
            .find(|format| format.as_str() == text)
            .ok_or_else(|| Error::invalid("log_format", format!("{text:?}"), "text or json"))
    }
}

/// What is shown.
pub(crate) struct OutputSettings {
    /// Default `auto`.
    pub(crate) color: Setting<ColorWhen>,
    /// What is logged to standard error, as a filter of `tracing`. Default `warn`.
    pub(crate) log: Setting<String>,
    /// Default `text`.
    pub(crate) log_format: Setting<LogFormat>,
}

impl OutputSettings {
    pub(crate) fn load(
        layers: &Layers,
        color: Option<ColorWhen>,
        log: Option<&str>,
        log_format: Option<LogFormat>,
    ) -> Result<Self> {
        fn filter(text: &str) -> ream::Result<String> {
            match text.parse::<tracing_subscriber::EnvFilter>() {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => Err(Error::invalid(
                    "log",
                    format!("{text:?}"),
                    "error, warn, info, debug, trace, or a filter such as `info,ream_store=debug`",
                )),
            }
        }
        Ok(Self {
            color: layers.pick("color", color, ColorWhen::from_str, ColorWhen::Auto)?,
            log: layers.pick("log", log.map(str::to_owned), filter, "warn".to_owned())?,
            log_format: layers.pick("log_format", log_format, LogFormat::from_str, LogFormat::Text)?,
        })
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![
            self.color.row(self.color.value.as_str()),
            self.log.row(&self.log.value),
            self.log_format.row(self.log_format.value.as_str()),
        ]
    }
}

/// How `ream watch` looks.
pub(crate) struct WatchSettings {
    /// Milliseconds between two looks at the database, 10 to 3,600,000. Default 1,000.
    pub(crate) interval_ms: Setting<u64>,
}

impl WatchSettings {
    pub(crate) fn load(layers: &Layers, flag: Option<u64>) -> Result<Self> {
        Ok(Self { interval_ms: layers.pick("watch.interval_ms", flag, Self::parse_interval_ms, 1000)? })
    }

    pub(crate) fn parse_interval_ms(text: &str) -> ream::Result<u64> {
        const ALLOWED: &str = "10 to 3600000";
        match number(text, ALLOWED)? {
            interval_ms @ 10..=3_600_000 => Ok(interval_ms),
            _ => Err(Error::invalid("interval_ms", text, ALLOWED)),
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![self.interval_ms.row(self.interval_ms.value)]
    }
}

/// What `ream jobs create` takes on the command line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobFlags {
    pub(crate) priority: Option<Priority>,
    pub(crate) chunk_size: Option<u64>,
}

/// What new jobs get.
pub(crate) struct JobSettings {
    /// 0 to 10. Default 5.
    pub(crate) priority: Setting<Priority>,
    /// Images per chunk. Default 500.
    pub(crate) chunk_size: Setting<u64>,
}

impl JobSettings {
    pub(crate) fn load(layers: &Layers, flags: &JobFlags) -> Result<Self> {
        Ok(Self {
            priority: layers.pick(
                "jobs.priority",
                flags.priority,
                Self::parse_priority,
                Priority::DEFAULT,
            )?,
            chunk_size: layers.pick(
                "jobs.chunk_size",
                flags.chunk_size,
                Self::parse_chunk_size,
                CHUNK_SIZE,
            )?,
        })
    }

    pub(crate) fn parse_priority(text: &str) -> ream::Result<Priority> {
        Priority::new(number(text, &format!("0 to {}", Priority::MAX))?)
    }

    pub(crate) fn parse_chunk_size(text: &str) -> ream::Result<u64> {
        plan::check_chunk_size(number(text, &format!("1 to {}", plan::MAX_CHUNK_SIZE))?)
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![self.priority.row(self.priority.value), self.chunk_size.row(self.chunk_size.value)]
    }
}
