//! The server that is asked instead of a database, and what a server of our own is told.

use super::{Layers, Row, Setting, Source, number, whole};
use crate::failure::{Failure, Result};
use ream::Error;
use ream_client::{AccessToken, ClientOptions, ServerUrls};
use ream_image_jobs::Storage;
use ream_server::{Limits, ServerConfig, TlsFiles};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Which server to ask, where it is one.
pub(crate) struct ServerSettings {
    /// Default none: the database is asked.
    pub(crate) urls: Setting<Option<ServerUrls>>,
    /// Never a flag: what stands on a command line is seen by everybody on the machine.
    token: Setting<Option<AccessToken>>,
}

impl ServerSettings {
    /// The flag comes as text, as that of the database.
    pub(crate) fn load(layers: &Layers, flag: Option<&str>) -> Result<Self> {
        let parsed = flag
            .map(ServerUrls::from_str)
            .transpose()
            .map_err(|error| Failure::from(error).rename_fields(|_| Some("--server".to_owned())))?;
        Ok(Self {
            urls: layers.pick("server", parsed.map(Some), |text| text.parse().map(Some), None)?,
            token: layers.pick("token", None, |text| AccessToken::new(text).map(Some), None)?,
        })
    }

    /// How the server is asked; `None`: the database is.
    pub(crate) fn client(&self) -> Option<ClientOptions> {
        let mut options = ClientOptions::new(self.urls.value.clone()?);
        options.token.clone_from(&self.token.value);
        Some(options)
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let urls = self.urls.value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
        let token = if self.token.value.is_some() { "set" } else { "none" };
        vec![self.urls.row(urls), self.token.row(token)]
    }
}

impl Source {
    /// Which of two settings was said with more emphasis.
    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Env(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// A place for datasets.
fn storage(text: &str) -> ream::Result<Storage> {
    Storage::parse("storage", text).map(Storage::canonical)
}

/// What `ream serve` takes on the command line.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct ServeFlags {
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Where datasets lie: a folder that workers see too, or s3://BUCKET/PREFIX, gs://…, az://…
    #[arg(long, value_name = "PLACE", value_parser = crate::values::flag(storage))]
    pub(crate) storage: Option<Storage>,
    /// The certificate for TLS, in PEM, with those that lead to a root
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Connections at once [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// Requests a second of one token, or of one address where there are none [default: 10000]
    #[arg(long, value_name = "N")]
    pub(crate) rate_limit: Option<u32>,
    /// Seconds that requests in flight have to end in, once the server is told to stop [default: 30]
    #[arg(long, value_name = "S")]
    pub(crate) drain_s: Option<u64>,
}

/// How a server of our own is run.
pub(crate) struct ServeSettings {
    listen: Setting<SocketAddr>,
    storage: Setting<Option<Storage>>,
    tls_cert: Setting<Option<PathBuf>>,
    tls_key: Setting<Option<PathBuf>>,
    max_connections: Setting<usize>,
    rate_limit: Setting<u32>,
    drain_s: Setting<u64>,
}

impl ServeSettings {
    pub(crate) fn load(layers: &Layers, flags: &ServeFlags) -> Result<Self> {
        fn path(text: &str) -> ream::Result<Option<PathBuf>> {
            Ok(Some(text.into()))
        }
        fn at_least_one<T: FromStr<Err = std::num::ParseIntError> + PartialOrd + From<u8>>(
            text: &str,
        ) -> ream::Result<T> {
            let number = whole::<T>(text)?;
            if number < T::from(1) {
                return Err(Error::invalid("number", text, "a whole number from 1 on"));
            }
            Ok(number)
        }
        let defaults = Limits::default();
        let listen = SocketAddr::from(([127, 0, 0, 1], 8080));
        Ok(Self {
            listen: layers.pick(
                "serve.listen",
                flags.listen,
                |text| number(text, "ADDR:PORT, such as 127.0.0.1:8080"),
                listen,
            )?,
            storage: layers.pick(
                "serve.storage",
                flags.storage.clone().map(Some),
                |text| storage(text).map(Some),
                None,
            )?,
            tls_cert: layers.pick("serve.tls_cert", flags.tls_cert.clone().map(Some), path, None)?,
            tls_key: layers.pick("serve.tls_key", flags.tls_key.clone().map(Some), path, None)?,
            max_connections: layers.pick(
                "serve.max_connections",
                flags.max_connections,
                |text| at_least_one::<u32>(text).map(|number| number as usize),
                defaults.max_connections,
            )?,
            rate_limit: layers.pick(
                "serve.rate_limit",
                flags.rate_limit,
                at_least_one,
                defaults.requests_per_s,
            )?,
            drain_s: layers.pick("serve.drain_s", flags.drain_s, whole, defaults.drain_timeout.as_secs())?,
        })
    }

    /// # Errors
    /// Usage: a certificate without its key, or the other way round; a number out of its range.
    pub(crate) fn config(&self) -> Result<ServerConfig> {
        let mut config = ServerConfig::new(self.listen.value);
        config.tls = match (&self.tls_cert.value, &self.tls_key.value) {
            (Some(certificate), Some(key)) => {
                Some(TlsFiles { certificate: certificate.clone(), key: key.clone() })
            }
            (None, None) => None,
            _ => {
                return Err(Failure::usage(
                    "TLS takes both a certificate and its key: --tls-cert and --tls-key",
                ));
            }
        };
        for (setting, number) in [
            (self.max_connections.name(), self.max_connections.value as u64),
            (self.rate_limit.name(), self.rate_limit.value.into()),
        ] {
            if number == 0 {
                return Err(Failure::usage(format!("`{setting}` is 0, allowed is a whole number from 1 on")));
            }
        }
        config.storage.clone_from(&self.storage.value);
        config.limits.max_connections = self.max_connections.value;
        config.limits.requests_per_s = self.rate_limit.value;
        config.limits.drain_timeout = Duration::from_secs(self.drain_s.value);
        Ok(config)
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let file = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string())
        };
        vec![
            self.listen.row(self.listen.value),
            self.storage
                .row(self.storage.value.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)),
            self.tls_cert.row(file(&self.tls_cert.value)),
            self.tls_key.row(file(&self.tls_key.value)),
            self.max_connections.row(self.max_connections.value),
            self.rate_limit.row(self.rate_limit.value),
            self.drain_s.row(self.drain_s.value),
        ]
    }
}
