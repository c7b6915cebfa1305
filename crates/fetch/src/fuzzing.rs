//! Ways for the fuzz targets to parsers that are nobody else's business. Not part of the interface.

use crate::config::FetchConfig;
use crate::retry;
use crate::target::Target;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use std::time::{Duration, SystemTime};
use url::Url;

/// A `Retry-After` header's value; bytes that no header can carry are as good as none.
#[must_use]
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    retry::retry_after(&header(RETRY_AFTER, value)?, now)
}

/// The URL that a list's text leads to, if it may be asked.
#[must_use]
pub fn target(text: &str, config: &FetchConfig) -> Option<Url> {
    Target::parse(text, config).ok().map(Target::into_url)
}

/// Where the URL's answer with this `Location` leads, if both may be asked.
#[must_use]
pub fn redirected(from: &str, location: &[u8], config: &FetchConfig) -> Option<Url> {
    let from = Target::parse(from, config).ok()?;
    from.redirected(&header(LOCATION, location)?, config).ok().map(Target::into_url)
}

fn header(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).ok()?)]))
}
