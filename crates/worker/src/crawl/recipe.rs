//! The settings that must stay the same as long as a folder is crawled into: half a dataset of one kind and half of
//! another would be of no use to anybody.

use super::options::CrawlOptions;
use ream::RobotsPolicy;
use ream_dataset::ListOptions;
use ream_image_jobs::ImageRecipe;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Settings by name, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Recipe(BTreeMap<String, String>);

impl Recipe {
    pub(super) fn of(options: &CrawlOptions) -> Self {
        let recipe = ImageRecipe::new(options.format, options.layout, &options.transform);
        Self::told(&recipe, &options.list_options, options.chunk_size, options.policy.robots)
    }

    /// Of images of a list that was taken in so.
    pub(crate) fn told(
        recipe: &ImageRecipe,
        list: &ListOptions,
        chunk_size: u64,
        robots: RobotsPolicy,
    ) -> Self {
        let transform = recipe.transform();
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: &dyn Display| settings.insert(name.to_owned(), value.to_string());
        set("output format", &recipe.format);
        set("layout", &recipe.layout());
        set("chunk size", &chunk_size);
        set("URL column", &list.url_column);
        set("caption column", &or_none(list.caption_column.as_ref()));
        set("kept columns", &list.keep_columns);
        set("sha256 column", &or_none(list.sha256_column.as_ref()));
        set("robots policy", &robots);
        set("resize mode", &transform.resize_mode);
        set("image size", &transform.image_size);
        set("resizing only if bigger", &transform.resize_only_if_bigger);
        set("encode format", &or_none(transform.encode_format));
        set("encode quality", &transform.encode_quality);
        set("skipping of re-encoding", &transform.skip_reencode);
        set("minimum image size", &transform.min_image_size);
        set("maximum image area", &or_none(transform.max_image_area));
        set("maximum aspect ratio", &or_none(transform.max_aspect_ratio));
        set("maximum pixels", &transform.max_pixels);
        set("maximum side", &transform.max_side);
        Self(settings)
    }

    /// The settings with their names.
    pub(crate) fn into_settings(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter()
    }

    /// What is different in `other`, each with both values.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let value = |recipe: &Self, name: &str| or_none(recipe.0.get(name));
        let differs = |name: &&String| {
            let (here, there) = (value(self, name), value(other, name));
            (here != there).then(|| format!("its {name} is {here}, not {there}"))
        };
        names.iter().filter_map(differs).collect()
    }
}

/// What may differ between the runs of one crawl; by name, as text.
pub(super) fn run_settings(options: &CrawlOptions) -> impl Iterator<Item = (String, String)> {
    let fetch = &options.fetch;
    let settings = [
        ream_version(),
        ("user agent", fetch.user_agent.clone()),
        ("allowed networks", fetch.addresses.to_string()),
        ("maximum bytes of a file", fetch.max_bytes.to_string()),
        ("maximum seconds of a try", fetch.total_timeout.as_secs_f64().to_string()),
        ("images in flight", fetch.max_in_flight.to_string()),
        ("images in flight from one host", fetch.max_per_host.to_string()),
        ("images a second from one host", or_none(fetch.max_rate_per_host)),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value))
}

/// Which program it was.
pub(crate) fn ream_version() -> (&'static str, String) {
    ("ream version", env!("CARGO_PKG_VERSION").to_owned())
}

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
