//! What one `robots.txt` says to one crawler (RFC 9309).

mod parse;
mod pattern;
#[cfg(test)]
mod tests;

pub(super) use parse::names_product;
use pattern::{Pattern, normal_path};
use std::time::Duration;

/// The rules of a `robots.txt` that concern one product token; the default allows everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    /// The first that matches decides: most octets first, and of equally many an `Allow` first.
    ordered: Vec<Rule>,
    crawl_delay: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    allow: bool,
    pattern: Pattern,
}

impl Rules {
    /// Reads a file for the crawler that calls itself `product` (`Ream` or `Ream/1.2`).
    ///
    /// Never fails: what is not understood is skipped (RFC 9309 section 2.4), and so are lines of more than 8 KiB, what
    /// comes after 512 KiB, and all rules after 10,000.
    #[must_use]
    pub fn parse(body: &[u8], product: &str) -> Self {
        let mut found = parse::parse(body, product);
        found.rules.sort_by_key(|rule| (std::cmp::Reverse(rule.pattern.octets()), !rule.allow));
        found.rules.shrink_to_fit();
        Self { ordered: found.rules, crawl_delay: found.crawl_delay }
    }

    /// Whether a URL's path with its query, such as `/a/b?c=d`, may be asked for.
    #[must_use]
    pub fn allows(&self, path_and_query: &str) -> bool {
        self.refusing_rule(path_and_query).is_none()
    }

    /// The `Disallow` that forbids the path: its normalised pattern, which is plain ASCII and so safe to log.
    #[must_use]
    pub fn refusing_rule(&self, path_and_query: &str) -> Option<&str> {
        if self.ordered.is_empty() {
            return None;
        }
        let path = normal_path(path_and_query);
        if path.split('?').next() == Some("/robots.txt") {
            return None;
        }
        let decisive = self.ordered.iter().find(|rule| rule.pattern.matches(&path))?;
        (!decisive.allow).then(|| decisive.pattern.as_str())
    }

    /// The wait between two requests that the group asks for, at most a day. Not part of RFC 9309, but widely used.
    #[must_use]
    pub fn crawl_delay(&self) -> Option<Duration> {
        self.crawl_delay
    }

    /// What these rules take in memory, in bytes, without the allocator's own.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let patterns: usize = self.ordered.iter().map(|rule| rule.pattern.octets()).sum();
        size_of::<Self>() + self.ordered.capacity() * size_of::<Rule>() + patterns
    }
}
