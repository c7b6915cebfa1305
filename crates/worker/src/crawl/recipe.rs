//! The settings that must stay the same as long as a folder is crawled into: half a dataset of one kind and half of
//! another would be of no use to anybody.

use super::options::CrawlOptions;
use ream_image_jobs::ImageRecipe;
use ream_image_jobs::summary::DatasetSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Settings by name, as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Recipe(BTreeMap<String, String>);

impl Recipe {
    pub(super) fn of(options: &CrawlOptions) -> Self {
        let recipe = ImageRecipe::new(options.format, options.layout, &options.transform);
        let robots = options.policy.robots;
        Self(DatasetSettings::told(&recipe, &options.list_options, options.chunk_size, robots).into_inner())
    }

    /// The settings with their names.
    pub(super) fn into_settings(self) -> impl Iterator<Item = (String, String)> {
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
        ("ream version", env!("CARGO_PKG_VERSION").to_owned()),
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

fn or_none(value: Option<impl Display>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}
