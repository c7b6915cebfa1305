//! What a crawl is asked to do.

use ream::{DatabaseUrl, Policy, PolicyFields};
use ream_dataset::{Layout, ListOptions, OutputFormat};
use ream_fetch::FetchConfig;
use ream_transform::TransformSettings;
use std::path::PathBuf;

/// A crawl of one list into one folder.
#[derive(Debug, Clone)]
pub struct CrawlOptions {
    /// The image list: a file, or a folder of them.
    pub list: PathBuf,
    /// How to read it.
    pub list_options: ListOptions,
    /// The dataset's folder; made where it is missing.
    pub out: PathBuf,
    /// A database that several processes share, each with the same list and folder; `None`: a file in the folder, for one
    /// process at a time.
    pub database: Option<DatabaseUrl>,
    /// The shape of the output.
    pub format: OutputFormat,
    /// Its names and metadata.
    pub layout: Layout,
    /// Images per chunk.
    pub chunk_size: u64,
    /// The most chunks at the same time; at least 1. Another one is begun when fetching would idle.
    pub chunks_in_flight: u32,
    /// Time limits and retries of a new crawl's chunks, and whether robots.txt is obeyed.
    pub policy: Policy,
    /// Limits of each fetch. Whether robots.txt is obeyed is the policy's to say.
    pub fetch: FetchConfig,
    /// What is done to the images.
    pub transform: TransformSettings,
}

impl CrawlOptions {
    /// So many that a slow image in each need not stop the rest. Most are never there at once: another chunk is begun
    /// only when fetching would idle.
    pub const DEFAULT_CHUNKS_IN_FLIGHT: u32 = 128;

    /// As [`PolicyFields::default`], with short waits between retries: somebody sits there, and a full disk or a dead
    /// network is to be told within minutes. A chunk may take long where a single host has all its images and wants ten
    /// seconds between two of them.
    pub fn default_policy() -> PolicyFields {
        PolicyFields {
            backoff_initial_s: 5,
            backoff_max_s: 60,
            chunk_timeout_s: 6 * 3600,
            ..PolicyFields::default()
        }
    }

    /// The defaults for this list and folder.
    pub fn new(list: impl Into<PathBuf>, out: impl Into<PathBuf>) -> Self {
        Self {
            list: list.into(),
            list_options: ListOptions::default(),
            out: out.into(),
            database: None,
            format: OutputFormat::default(),
            layout: Layout::default(),
            chunk_size: ream::CHUNK_SIZE,
            chunks_in_flight: Self::DEFAULT_CHUNKS_IN_FLIGHT,
            policy: Policy::new(Self::default_policy()).unwrap_or_default(),
            fetch: FetchConfig::default(),
            transform: TransformSettings::default(),
        }
    }
}
