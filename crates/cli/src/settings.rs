//! Settings: flags over `REAM_*` variables over `ream.toml` over defaults. Each remembers where it came from.
//!
//! A setting is one line in [`KEYS`] and one field of the struct of its concern, which reads it with [`Layers::pick`].
//! Its variable follows from its key: `watch.interval_ms` is `REAM_WATCH_INTERVAL_MS`.

mod concerns;
mod crawl;
mod file;
mod images;
mod nearest;
mod policy;
mod server;
mod work;

pub(crate) use concerns::{
    ColorWhen, DatabaseSettings, JobFlags, JobSettings, LogFormat, OutputSettings, WatchSettings,
};
pub(crate) use crawl::{DatasetFlags, DatasetSettings, FetchFlags, FetchSettings, FetchTable};
pub(crate) use images::{ImageFlags, ImageSettings};
pub(crate) use policy::{PolicyFlags, PolicySettings};
pub(crate) use server::{ServeFlags, ServeSettings, ServerSettings};
pub(crate) use work::{WorkFlags, WorkSettings};

use crate::failure::{Failure, Result};
use file::{FileValues, read_file};
use nearest::nearest;
use ream::Error;
use std::num::{IntErrorKind, ParseIntError};
use std::path::PathBuf;
use std::str::FromStr;

/// A setting's name in `ream.toml`, and its flag.
pub(crate) struct Key {
    /// `table.key`, as in `ream.toml`.
    pub(crate) name: &'static str,
    /// The flag that overrides it.
    pub(crate) flag: &'static str,
}

const fn key(name: &'static str, flag: &'static str) -> Key {
    Key { name, flag }
}

/// Every setting there is; what else stands in `ream.toml` is an error.
pub(crate) const KEYS: &[Key] = &[
    key("database", "--database"),
    key("server", "--server"),
    key("token", ""),
    key("color", "--color"),
    key("log", "--quiet or --verbose"),
    key("log_format", "--log-format"),
    key("serve.listen", "--listen"),
    key("serve.storage", "--storage"),
    key("serve.tls_cert", "--tls-cert"),
    key("serve.tls_key", "--tls-key"),
    key("serve.max_connections", "--max-connections"),
    key("serve.rate_limit", "--rate-limit"),
    key("serve.drain_s", "--drain-s"),
    key("watch.interval_ms", "--interval-ms"),
    key("jobs.priority", "--priority"),
    key("jobs.chunk_size", "--chunk-size"),
    key("crawl.format", "--format"),
    key("crawl.img2dataset_layout", "--img2dataset-layout"),
    key("crawl.allow_net", "--allow-net"),
    key("crawl.images_in_flight", "--images-in-flight"),
    key("crawl.max_per_host", "--max-per-host"),
    key("crawl.host_rate", "--host-rate"),
    key("crawl.chunks_in_flight", "--chunks-in-flight"),
    key("crawl.timeout_s", "--timeout-s"),
    key("crawl.max_bytes", "--max-bytes"),
    key("crawl.user_agent", "--user-agent"),
    key("work.allow_net", "--allow-net"),
    key("work.images_in_flight", "--images-in-flight"),
    key("work.max_per_host", "--max-per-host"),
    key("work.host_rate", "--host-rate"),
    key("work.chunks_in_flight", "--chunks-in-flight"),
    key("work.timeout_s", "--timeout-s"),
    key("work.max_bytes", "--max-bytes"),
    key("work.user_agent", "--user-agent"),
    key("work.drain_s", "--drain-s"),
    key("work.exit_when_idle_s", "--exit-when-idle-s"),
    key("work.scratch", "--scratch"),
    key("images.resize_mode", "--resize-mode"),
    key("images.image_size", "--image-size"),
    key("images.only_if_bigger", "--only-if-bigger"),
    key("images.encode_format", "--encode-format"),
    key("images.encode_quality", "--encode-quality"),
    key("images.skip_reencode", "--skip-reencode"),
    key("images.min_image_size", "--min-image-size"),
    key("images.max_image_area", "--max-image-area"),
    key("images.max_aspect_ratio", "--max-aspect-ratio"),
    key("images.max_pixels", "--max-pixels"),
    key("images.max_side", "--max-side"),
    key("policy.heartbeat_interval_s", "--heartbeat-s"),
    key("policy.lease_duration_s", "--lease-s"),
    key("policy.chunk_timeout_s", "--chunk-timeout-s"),
    key("policy.job_deadline_s", "--deadline-s"),
    key("policy.max_retries", "--max-retries"),
    key("policy.backoff_initial_s", "--backoff-s"),
    key("policy.backoff_max_s", "--backoff-max-s"),
    key("policy.redispatch_after_s", "--redispatch-after-s"),
    key("policy.robots", "--robots"),
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The command line.
    Flag(&'static str),
    /// A variable.
    Env(String),
    /// A line of the settings file.
    File { path: PathBuf, line: usize },
    /// Nobody said anything.
    Default,
}

impl Source {
    /// The layer, in JSON.
    pub(crate) const fn layer(&self) -> &'static str {
        match self {
            Self::Flag(_) => "flag",
            Self::Env(_) => "env",
            Self::File { .. } => "file",
            Self::Default => "default",
        }
    }

    /// Flag, variable or line; `None` for a default.
    pub(crate) fn place(&self) -> Option<String> {
        match self {
            Self::Flag(flag) => Some((*flag).to_owned()),
            Self::Env(name) => Some(name.clone()),
            Self::File { path, line } => Some(format!("{}:{line}", path.display())),
            Self::Default => None,
        }
    }

    /// How a message calls the value of `key` that came from here.
    fn names(&self, key: &str) -> String {
        match self {
            Self::Flag(flag) => (*flag).to_owned(),
            Self::Env(name) => name.clone(),
            Self::File { path, line } => format!("{key} ({}:{line})", path.display()),
            Self::Default => format!("{key} (default)"),
        }
    }
}

/// A value, and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Setting<T> {
    /// What counts.
    pub(crate) value: T,
    /// Which layer said so.
    pub(crate) source: Source,
    key: &'static str,
}

impl<T> Setting<T> {
    /// What the user calls this setting.
    pub(crate) fn name(&self) -> String {
        self.source.names(self.key)
    }

    fn row(&self, shown: impl std::fmt::Display) -> Row {
        Row { key: self.key, value: shown.to_string(), source: self.source.clone() }
    }
}

/// One line of `ream config`.
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) source: Source,
}

/// The layers below the flags.
pub(crate) struct Layers {
    file: FileValues,
}

/// Reads a value from text; the error says what is allowed.
pub(crate) type Parse<T> = fn(&str) -> ream::Result<T>;

impl Layers {
    /// Reads the settings file: `path` or `REAM_CONFIG`, which must exist, else `ream.toml`, which may.
    ///
    /// # Errors
    /// Usage: the file cannot be read, is no TOML or has unknown keys.
    pub(crate) fn read(path: Option<PathBuf>) -> Result<Self> {
        let named =
            path.or_else(|| std::env::var_os(CONFIG_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from));
        let must_exist = named.is_some();
        let path = named.unwrap_or_else(|| "ream.toml".into());
        Ok(Self { file: read_file(path, must_exist)? })
    }

    /// The value that counts: the flag's, else the variable's, else the file's, else the default.
    ///
    /// # Errors
    /// Validation, naming the place: the text of that layer is no such value.
    pub(crate) fn pick<T>(
        &self,
        name: &'static str,
        flag: Option<T>,
        parse: Parse<T>,
        default: T,
    ) -> Result<Setting<T>> {
        let key = KEYS.iter().find(|key| key.name == name);
        debug_assert!(key.is_some(), "`{name}` is missing from KEYS");
        if let Some(value) = flag {
            let flag = key.map_or("a flag", |key| key.flag);
            return Ok(Setting { value, source: Source::Flag(flag), key: name });
        }
        let variable = variable(name);
        let (text, source) = match (std::env::var_os(&variable), self.file.get(name)) {
            // An empty variable is how many tools say "not set".
            (Some(text), _) if !text.is_empty() => {
                (text.to_string_lossy().into_owned(), Source::Env(variable))
            }
            (_, Some((text, line))) => {
                (text.to_owned(), Source::File { path: self.file.path().to_owned(), line })
            }
            _ => return Ok(Setting { value: default, source: Source::Default, key: name }),
        };
        let value = parse(&text).map_err(|error| {
            let called = source.names(name);
            Failure::from(error).rename_fields(|_| Some(called.clone()))
        })?;
        Ok(Setting { value, source, key: name })
    }
}

/// Variables that are probably meant as settings, but are none, each with the one that is nearest. Others that begin
/// with `REAM_` may belong to anybody: a cluster sets some for a service of that name.
pub(crate) fn mistyped_variables(
    present: impl IntoIterator<Item = std::ffi::OsString>,
) -> Vec<(String, String)> {
    let known: Vec<String> =
        KEYS.iter().map(|key| variable(key.name)).chain([CONFIG_VARIABLE.to_owned()]).collect();
    let bare = |name: &'_ String| name[PREFIX.len()..].to_owned();
    let known_bare: Vec<String> = known.iter().map(bare).collect();
    let mut mistyped: Vec<_> = present
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX) && !known.contains(name) && !is_of_a_cluster(name))
        .filter_map(|name| {
            let near = nearest(&name[PREFIX.len()..], known_bare.iter().map(String::as_str))?;
            Some((name, format!("{PREFIX}{near}")))
        })
        .collect();
    mistyped.sort();
    mistyped
}

/// What Kubernetes tells every container of a service whose name begins with `ream`.
fn is_of_a_cluster(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    let words = format!("_{rest}_");
    words.contains("_SERVICE_HOST_") || words.contains("_SERVICE_PORT_") || words.contains("_PORT_")
}

/// Where the settings file is.
const CONFIG_VARIABLE: &str = "REAM_CONFIG";

const PREFIX: &str = "REAM_";

/// The variable of a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// Reads a whole number; `allowed` says which.
pub(crate) fn number<T: FromStr>(text: &str, allowed: &str) -> ream::Result<T> {
    text.parse().map_err(|_| Error::invalid("number", format!("{text:?}"), allowed))
}

/// Reads a whole number of whatever size its setting has.
pub(crate) fn whole<T: FromStr<Err = ParseIntError>>(text: &str) -> ream::Result<T> {
    text.parse().map_err(|error: ParseIntError| {
        let too_large = *error.kind() == IntErrorKind::PosOverflow;
        let allowed = if too_large { "a smaller whole number" } else { "a whole number" };
        Error::invalid("number", format!("{text:?}"), allowed)
    })
}

/// Reads a switch.
pub(crate) fn yes_or_no(text: &str) -> ream::Result<bool> {
    text.parse().map_err(|_| Error::invalid("word", format!("{text:?}"), "true or false"))
}

/// The settings that every command has.
pub(crate) struct Settings {
    /// For what a command's own flags decide.
    pub(crate) layers: Layers,
    /// Where state lives.
    pub(crate) database: DatabaseSettings,
    /// Which server is asked instead.
    pub(crate) server: ServerSettings,
    /// What is shown.
    pub(crate) output: OutputSettings,
}

impl Settings {
    /// Every setting with its source, in the order of [`KEYS`].
    ///
    /// # Errors
    /// Validation: a variable or a line of the file has a bad value. Every command asks, so that a bad value is told
    /// at once, not by the first command that happens to need it.
    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        let layers = &self.layers;
        let mut rows = self.database.rows();
        rows.extend(self.server.rows());
        rows.extend(self.output.rows());
        let serve = ServeSettings::load(layers, &ServeFlags::default())?;
        serve.config()?;
        rows.extend(serve.rows());
        rows.extend(WatchSettings::load(layers, None)?.rows());
        rows.extend(JobSettings::load(layers, &JobFlags::default())?.rows());
        rows.extend(DatasetSettings::load(layers, &DatasetFlags::default())?.rows());
        for table in [FetchTable::Crawl, FetchTable::Work] {
            rows.extend(FetchSettings::load(layers, table, &FetchFlags::default())?.rows());
        }
        rows.extend(WorkSettings::load(layers, &WorkFlags::default())?.rows());
        let images = ImageSettings::load(layers, &ImageFlags::default())?;
        images.transform()?;
        rows.extend(images.rows());
        let policy = PolicySettings::load(layers, &PolicyFlags::default(), ream::PolicyFields::default())?;
        policy.policy()?;
        rows.extend(policy.rows());
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_and_every_row_a_key() {
        let layers = Layers { file: FileValues::default() };
        let settings = Settings {
            database: DatabaseSettings::load(&layers, None).unwrap(),
            server: ServerSettings::load(&layers, None).unwrap(),
            output: OutputSettings::load(&layers, None, None, None).unwrap(),
            layers,
        };
        let rows: Vec<_> = settings.rows().unwrap().iter().map(|row| row.key).collect();
        let keys: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        assert_eq!(rows, keys);
    }

    #[test]
    fn a_variable_that_is_nearly_a_settings_is_noticed_and_a_strangers_is_not() {
        let present = [
            "REAM_DATABASE",
            "REAM_CONFIG",
            "REAM_DATABSE",
            "REAM_MAX_BYTES",
            "REAM_SERVICE_HOST",
            "REAM_PORT_80_TCP",
            "REAM_SERVER_SERVICE_HOST",
            "REAM_SERVER_PORT",
            "REAM_FULL",
            "DATABASE",
        ];
        let near = |name: &str, meant: &str| (name.to_owned(), meant.to_owned());
        assert_eq!(
            mistyped_variables(present.map(Into::into)),
            [near("REAM_DATABSE", "REAM_DATABASE"), near("REAM_MAX_BYTES", "REAM_WORK_MAX_BYTES")]
        );
    }

    #[test]
    fn a_variable_is_named_after_its_key() {
        assert_eq!(variable("watch.interval_ms"), "REAM_WATCH_INTERVAL_MS");
    }
}
