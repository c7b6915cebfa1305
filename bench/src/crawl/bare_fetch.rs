//! The bare loop: no limits, no checks, no packing; what fetching and saving cost at least.

use crate::Result;
use crate::report::put;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::task::JoinSet;

const IN_FLIGHT: usize = 64;

/// Arguments of the bare loop.
#[derive(Debug, clap::Args)]
pub(crate) struct BareFetch {
    /// A URL per line
    list: PathBuf,
    /// Where the files go
    dir: PathBuf,
}

/// What all tasks share.
struct Loop {
    client: reqwest::Client,
    urls: Vec<String>,
    dir: PathBuf,
    next: AtomicUsize,
    saved: AtomicU64,
}

impl BareFetch {
    /// Fetches all of it; prints how many files were saved.
    pub(crate) fn run(&self) -> Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let text = std::fs::read_to_string(&self.list)?;
        let shared = Arc::new(Loop {
            client: reqwest::Client::builder().no_proxy().build()?,
            urls: text.lines().map(str::to_owned).collect(),
            dir: self.dir.clone(),
            next: AtomicUsize::new(0),
            saved: AtomicU64::new(0),
        });
        tokio::runtime::Runtime::new()?.block_on(async {
            let mut tasks = JoinSet::new();
            for _ in 0..IN_FLIGHT {
                tasks.spawn(fetch_on(Arc::clone(&shared)));
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Result::Ok(())
        })?;
        put(&shared.saved.load(Ordering::Relaxed).to_string());
        Ok(())
    }
}

async fn fetch_on(shared: Arc<Loop>) -> Result<()> {
    loop {
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(url) = shared.urls.get(number) else { return Ok(()) };
        let answer = shared.client.get(url).send().await?;
        if answer.status().is_success() {
            let bytes = answer.bytes().await?;
            std::fs::write(shared.dir.join(format!("{number:09}")), &bytes)?;
            shared.saved.fetch_add(1, Ordering::Relaxed);
        }
    }
}
