//! How `ream crawl` fetches.

use super::{Layers, Row, Setting, number};
use crate::failure::Result;
use ream::Error;
use ream_fetch::FetchConfig;
use ream_fetch::address::{AddressPolicy, IpNet};
use ream_worker::crawl::OutputFormat;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// How a crawl fetches, as far as the command line says it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Fetching")]
pub(crate) struct CrawlFlags {
    /// `files` (a folder per chunk) or `webdataset` (a tar per chunk) [default: files]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<OutputFormat>,
    /// A network that may be fetched from although it is not public; several with commas
    #[arg(long, value_name = "CIDR", value_parser = NetList::from_str)]
    pub(crate) allow_net: Option<NetList>,
    /// Images fetched at the same time, 1 to 4096 [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = images_in_flight)]
    pub(crate) images_in_flight: Option<usize>,
    /// Chunks worked on at the same time, 1 to 64 [default: 4]
    #[arg(long, value_name = "COUNT", value_parser = chunks_in_flight)]
    pub(crate) chunks_in_flight: Option<u32>,
    /// The longest time for one attempt at one image, in seconds, 1 to 3600 [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = timeout_s)]
    pub(crate) timeout_s: Option<u64>,
    /// The largest file, in bytes, 1 to 201326592 (192 MiB) [default: 20971520]
    #[arg(long, value_name = "BYTES", value_parser = max_bytes)]
    pub(crate) max_bytes: Option<u64>,
    /// What the crawler calls itself; should name a page that explains it
    #[arg(long, value_name = "TEXT", value_parser = user_agent)]
    pub(crate) user_agent: Option<String>,
}

/// Networks, separated by commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NetList(pub(crate) Vec<IpNet>);

impl FromStr for NetList {
    type Err = Error;

    fn from_str(text: &str) -> ream::Result<Self> {
        let nets = text.split(',').map(str::trim).filter(|net| !net.is_empty()).map(|net| {
            // A single address is the network of itself.
            net.parse().or_else(|_| net.parse().map(IpAddr::into)).map_err(|_| {
                Error::invalid(
                    "allow_net",
                    format!("{net:?}"),
                    "networks such as `10.20.0.0/16` or `fd00::/8`",
                )
            })
        });
        nets.collect::<ream::Result<_>>().map(Self)
    }
}

impl std::fmt::Display for NetList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let nets: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&nets.join(","))
    }
}

fn within(field: &str, text: &str, most: u64) -> ream::Result<u64> {
    let allowed = format!("1 to {most}");
    match number(text, &allowed)? {
        value if (1..=most).contains(&value) => Ok(value),
        value => Err(Error::invalid(field, value, allowed)),
    }
}

fn images_in_flight(text: &str) -> ream::Result<usize> {
    within("images_in_flight", text, 4096).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

fn chunks_in_flight(text: &str) -> ream::Result<u32> {
    within("chunks_in_flight", text, 64).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn user_agent(text: &str) -> ream::Result<String> {
    FetchConfig::check_user_agent(text).map(|()| text.to_owned())
}

fn timeout_s(text: &str) -> ream::Result<u64> {
    within("timeout_s", text, 3600)
}

fn max_bytes(text: &str) -> ream::Result<u64> {
    within("max_bytes", text, FetchConfig::default().memory_budget)
}

/// How a crawl fetches.
pub(crate) struct CrawlSettings {
    /// Default `files`.
    pub(crate) format: Setting<OutputFormat>,
    /// Default none: public addresses only.
    pub(crate) allow_net: Setting<NetList>,
    /// Default 64.
    pub(crate) images_in_flight: Setting<usize>,
    /// Default 4.
    pub(crate) chunks_in_flight: Setting<u32>,
    /// Seconds, default 60.
    pub(crate) timeout_s: Setting<u64>,
    /// Default 20 MiB.
    pub(crate) max_bytes: Setting<u64>,
    /// Default name and version of this program.
    pub(crate) user_agent: Setting<String>,
}

impl CrawlSettings {
    pub(crate) fn load(layers: &Layers, flags: &CrawlFlags) -> Result<Self> {
        let d = FetchConfig::default();
        let f = flags.clone();
        Ok(Self {
            format: layers.pick("crawl.format", f.format, OutputFormat::from_str, OutputFormat::default())?,
            allow_net: layers.pick("crawl.allow_net", f.allow_net, NetList::from_str, NetList::default())?,
            images_in_flight: layers.pick(
                "crawl.images_in_flight",
                f.images_in_flight,
                images_in_flight,
                64,
            )?,
            chunks_in_flight: layers.pick(
                "crawl.chunks_in_flight",
                f.chunks_in_flight,
                chunks_in_flight,
                4,
            )?,
            timeout_s: layers.pick("crawl.timeout_s", f.timeout_s, timeout_s, d.total_timeout.as_secs())?,
            max_bytes: layers.pick("crawl.max_bytes", f.max_bytes, max_bytes, d.max_bytes)?,
            user_agent: layers.pick("crawl.user_agent", f.user_agent, user_agent, d.user_agent)?,
        })
    }

    /// The limits of each fetch.
    pub(crate) fn fetch(&self) -> FetchConfig {
        let public = AddressPolicy::public_only();
        FetchConfig {
            addresses: self.allow_net.value.0.iter().fold(public, |policy, net| policy.allow(*net)),
            total_timeout: Duration::from_secs(self.timeout_s.value),
            max_bytes: self.max_bytes.value,
            user_agent: self.user_agent.value.clone(),
            ..FetchConfig::default()
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![
            self.format.row(self.format.value),
            self.allow_net.row(&self.allow_net.value),
            self.images_in_flight.row(self.images_in_flight.value),
            self.chunks_in_flight.row(self.chunks_in_flight.value),
            self.timeout_s.row(self.timeout_s.value),
            self.max_bytes.row(self.max_bytes.value),
            self.user_agent.row(&self.user_agent.value),
        ]
    }
}
