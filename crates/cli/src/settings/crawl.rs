//! How `ream crawl` and `ream work` fetch, and what a dataset's files are.

use super::{Layers, Row, Setting, number, yes_or_no};
use crate::failure::Result;
use crate::values::flag;
use ream::Error;
use ream_fetch::FetchConfig;
use ream_fetch::address::{AddressPolicy, IpNet};
use ream_worker::crawl::{CrawlOptions, Layout, OutputFormat};
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

/// What a dataset's files are, as far as the command line says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Dataset")]
pub(crate) struct DatasetFlags {
    /// `files` (a folder per chunk), `webdataset` (a tar per chunk) or `parquet` [default: files]
    #[arg(long, value_name = "FORMAT", value_parser = flag(OutputFormat::from_str))]
    pub(crate) format: Option<OutputFormat>,
    /// Names, keys, metadata and statistics as img2dataset writes them
    #[arg(long)]
    pub(crate) img2dataset_layout: bool,
}

/// How images are fetched, as far as the command line says it.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Fetching")]
pub(crate) struct FetchFlags {
    /// A network that may be fetched from although it is not public; several with commas, or the flag several times
    #[arg(long, value_name = "CIDR", value_parser = flag(NetList::from_str))]
    pub(crate) allow_net: Vec<NetList>,
    /// Images fetched at the same time, 1 to 4096 [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = flag(images_in_flight), allow_negative_numbers = true)]
    pub(crate) images_in_flight: Option<usize>,
    /// Images fetched at the same time from one host, 1 to 256 [default: 8]
    #[arg(long, value_name = "COUNT", value_parser = flag(max_per_host), allow_negative_numbers = true)]
    pub(crate) max_per_host: Option<usize>,
    /// Images a second from one host, 0.001 to 10000 [default: no limit]
    #[arg(long, value_name = "RATE", value_parser = flag(host_rate), allow_negative_numbers = true)]
    pub(crate) host_rate: Option<f64>,
    /// The most chunks worked on at the same time, 1 to 1024 [default: 128]
    #[arg(long, value_name = "COUNT", value_parser = flag(chunks_in_flight), allow_negative_numbers = true)]
    pub(crate) chunks_in_flight: Option<u32>,
    /// The longest time for one try at one image, in seconds, 1 to 3600 [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = flag(timeout_s), allow_negative_numbers = true)]
    pub(crate) timeout_s: Option<u64>,
    /// The largest file, in bytes, 1 to 150994944 (144 MiB) [default: 20971520]
    #[arg(long, value_name = "BYTES", value_parser = flag(max_bytes), allow_negative_numbers = true)]
    pub(crate) max_bytes: Option<u64>,
    /// What the crawler calls itself; should name a page that explains it
    #[arg(long, value_name = "TEXT", value_parser = flag(user_agent))]
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

impl FromIterator<IpNet> for NetList {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self(nets.into_iter().collect())
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
    within("chunks_in_flight", text, 1024).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn max_per_host(text: &str) -> ream::Result<usize> {
    within("max_per_host", text, 256).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
}

fn host_rate(text: &str) -> ream::Result<f64> {
    let allowed = "0.001 to 10000";
    match number(text, allowed)? {
        value if (0.001..=10_000.0).contains(&value) => Ok(value),
        value => Err(Error::invalid("host_rate", value, allowed)),
    }
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

/// What a dataset's files are.
pub(crate) struct DatasetSettings {
    /// Default `files`.
    pub(crate) format: Setting<OutputFormat>,
    /// Default no.
    pub(crate) img2dataset_layout: Setting<bool>,
}

impl DatasetSettings {
    pub(crate) fn load(layers: &Layers, flags: &DatasetFlags) -> Result<Self> {
        let layout = flags.img2dataset_layout.then_some(true);
        Ok(Self {
            format: layers.pick(
                "crawl.format",
                flags.format,
                OutputFormat::from_str,
                OutputFormat::default(),
            )?,
            img2dataset_layout: layers.pick("crawl.img2dataset_layout", layout, yes_or_no, false)?,
        })
    }

    /// The names and metadata of the output.
    pub(crate) fn layout(&self) -> Layout {
        if self.img2dataset_layout.value { Layout::Img2dataset } else { Layout::Ream }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![self.format.row(self.format.value), self.img2dataset_layout.row(self.img2dataset_layout.value)]
    }
}

/// Whose settings: each command has a table of its own, for a machine may do both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchTable {
    Crawl,
    Work,
}

/// How images are fetched.
pub(crate) struct FetchSettings {
    /// Default none: public addresses only.
    pub(crate) allow_net: Setting<NetList>,
    /// Default 64.
    pub(crate) images_in_flight: Setting<usize>,
    /// Default 8.
    pub(crate) max_per_host: Setting<usize>,
    /// Default none.
    pub(crate) host_rate: Setting<Option<f64>>,
    /// Default 128.
    pub(crate) chunks_in_flight: Setting<u32>,
    /// Seconds, default 60.
    pub(crate) timeout_s: Setting<u64>,
    /// Default 20 MiB.
    pub(crate) max_bytes: Setting<u64>,
    /// Default name and version of this program.
    pub(crate) user_agent: Setting<String>,
}

impl FetchSettings {
    pub(crate) fn load(layers: &Layers, table: FetchTable, flags: &FetchFlags) -> Result<Self> {
        let d = FetchConfig::default();
        let f = flags.clone();
        let of = |crawl, work| match table {
            FetchTable::Crawl => crawl,
            FetchTable::Work => work,
        };
        Ok(Self {
            allow_net: layers.pick(
                of("crawl.allow_net", "work.allow_net"),
                (!f.allow_net.is_empty()).then(|| f.allow_net.into_iter().flat_map(|list| list.0).collect()),
                NetList::from_str,
                NetList::default(),
            )?,
            images_in_flight: layers.pick(
                of("crawl.images_in_flight", "work.images_in_flight"),
                f.images_in_flight,
                images_in_flight,
                d.max_in_flight,
            )?,
            max_per_host: layers.pick(
                of("crawl.max_per_host", "work.max_per_host"),
                f.max_per_host,
                max_per_host,
                d.max_per_host,
            )?,
            host_rate: layers.pick(
                of("crawl.host_rate", "work.host_rate"),
                f.host_rate.map(Some),
                |text| host_rate(text).map(Some),
                None,
            )?,
            chunks_in_flight: layers.pick(
                of("crawl.chunks_in_flight", "work.chunks_in_flight"),
                f.chunks_in_flight,
                chunks_in_flight,
                CrawlOptions::DEFAULT_CHUNKS_IN_FLIGHT,
            )?,
            timeout_s: layers.pick(
                of("crawl.timeout_s", "work.timeout_s"),
                f.timeout_s,
                timeout_s,
                d.total_timeout.as_secs(),
            )?,
            max_bytes: layers.pick(
                of("crawl.max_bytes", "work.max_bytes"),
                f.max_bytes,
                max_bytes,
                d.max_bytes,
            )?,
            user_agent: layers.pick(
                of("crawl.user_agent", "work.user_agent"),
                f.user_agent,
                user_agent,
                d.user_agent,
            )?,
        })
    }

    /// The limits of each fetch.
    pub(crate) fn fetch(&self) -> FetchConfig {
        let public = AddressPolicy::public_only();
        FetchConfig {
            addresses: self.allow_net.value.0.iter().fold(public, |policy, net| policy.allow(*net)),
            max_in_flight: self.images_in_flight.value,
            max_per_host: self.max_per_host.value,
            max_rate_per_host: self.host_rate.value,
            total_timeout: Duration::from_secs(self.timeout_s.value),
            max_bytes: self.max_bytes.value,
            user_agent: self.user_agent.value.clone(),
            ..FetchConfig::default()
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        vec![
            self.allow_net.row(&self.allow_net.value),
            self.images_in_flight.row(self.images_in_flight.value),
            self.max_per_host.row(self.max_per_host.value),
            self.host_rate
                .row(self.host_rate.value.map_or_else(|| "none".to_owned(), |rate| rate.to_string())),
            self.chunks_in_flight.row(self.chunks_in_flight.value),
            self.timeout_s.row(self.timeout_s.value),
            self.max_bytes.row(self.max_bytes.value),
            self.user_agent.row(&self.user_agent.value),
        ]
    }
}
