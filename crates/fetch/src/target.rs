//! Which URLs may be asked, at first and after each redirect.

use crate::config::FetchConfig;
use crate::error::Failure;
use ream_core::ErrorClass;
use reqwest::header::{HeaderMap, LOCATION};
use std::net::IpAddr;
use url::{Host, Url};

/// The longest URL that is asked: every image keeps its own until its chunk ends. Servers take no longer ones either.
const MAX_URL_BYTES: usize = 16 * 1024;

/// A URL that passed the check.
#[derive(Clone)]
pub(crate) struct Target {
    url: Url,
    needs_allowed_network: bool,
}

impl Target {
    /// Checks the text from the list.
    pub(crate) fn parse(text: &str, config: &FetchConfig) -> Result<Self, Failure> {
        let url = Url::parse(text.trim())
            .map_err(|e| Failure::new(ErrorClass::BadUrl, format!("not a URL: {e}")))?;
        Self::check(url, config, ErrorClass::BadUrl)
    }

    /// Checks where a redirect leads.
    pub(crate) fn redirected(&self, headers: &HeaderMap, config: &FetchConfig) -> Result<Self, Failure> {
        let refused = |message: &str| Failure::new(ErrorClass::Redirect, message);
        let location = headers.get(LOCATION).ok_or_else(|| refused("a redirect without a location"))?;
        let location = std::str::from_utf8(location.as_bytes());
        let location = location.map_err(|_| refused("a redirect to a location that is not UTF-8"))?;
        let url = self.url.join(location).map_err(|e| refused(&format!("a redirect to no URL: {e}")))?;
        if self.url.scheme() == "https" && url.scheme() == "http" {
            return Err(refused("a redirect from https to http"));
        }
        Self::check(url, config, ErrorClass::Redirect)
    }

    /// Where the origin says what it lets be fetched (RFC 9309 section 2.3).
    pub(crate) fn robots_txt(&self, config: &FetchConfig) -> Result<Self, Failure> {
        let mut url = self.url.clone();
        url.set_path("/robots.txt");
        url.set_query(None);
        Self::check(url, config, ErrorClass::BadUrl)
    }

    fn check(mut url: Url, config: &FetchConfig, bad: ErrorClass) -> Result<Self, Failure> {
        if !matches!(url.scheme(), "http" | "https") {
            let scheme: String = url.scheme().chars().take(32).collect();
            return Err(Failure::new(bad, format!("the scheme is `{scheme}`, allowed are http and https")));
        }
        if url.as_str().len() > MAX_URL_BYTES {
            return Err(Failure::new(bad, format!("the URL is longer than {MAX_URL_BYTES} bytes")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Failure::new(bad, "the URL contains a user name or password"));
        }
        let literal = match url.host() {
            None => return Err(Failure::new(bad, "the URL has no host")),
            Some(Host::Domain(_)) => None,
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        };
        if let Some(address) = literal {
            let checked = config.addresses.check(address);
            checked.map_err(|blocked| Failure::new(ErrorClass::BlockedAddress, blocked.to_string()))?;
        }
        let port = url.port_or_known_default().unwrap_or(0);
        let usual = config.allowed_ports.contains(&port);
        // A name's addresses are not known yet: the client for allowed networks finds out.
        let may_be_near = match literal {
            Some(address) => config.addresses.without_public().check(address).is_ok(),
            None => config.addresses.has_networks(),
        };
        if !usual && !may_be_near {
            return Err(Failure::new(bad, format!("port {port} is not one of {:?}", config.allowed_ports)));
        }
        url.set_fragment(None);
        Ok(Self { url, needs_allowed_network: !usual })
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn into_url(self) -> Url {
        self.url
    }

    /// Whether only an allowed network may be asked, because the port is an unusual one.
    pub(crate) fn needs_allowed_network(&self) -> bool {
        self.needs_allowed_network
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AddressPolicy;

    fn class(url: &str) -> Option<ErrorClass> {
        Target::parse(url, &FetchConfig::default()).err().map(|failure| failure.class)
    }

    fn redirect(from: &str, to: &str) -> Result<String, ErrorClass> {
        let config = FetchConfig::default();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, to.parse().unwrap());
        let next = Target::parse(from, &config).ok().unwrap().redirected(&headers, &config);
        next.map(|target| target.url.to_string()).map_err(|failure| failure.class)
    }

    #[test]
    fn every_spelling_of_a_blocked_address_is_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://１２７.０.０.１/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0/",
        ] {
            assert_eq!(class(url), Some(ErrorClass::BlockedAddress), "{url}");
        }
    }

    #[test]
    fn only_plain_urls_on_usual_ports_are_asked() {
        for url in ["http://a.test/", "https://a.test:8443/ä b", "http://8.8.8.8:8080/#x", "HTTP://a.test"] {
            assert_eq!(class(url), None, "{url}");
        }
        for url in [
            "",
            "a.test/x",
            "ftp://a.test/",
            "file:///etc/passwd",
            "data:image/png,x",
            "http://u@a.test/",
            "http://:p@a.test/",
            "http://a.test:22/",
            "http://8.8.8.8:6379/",
            "http://",
        ] {
            assert_eq!(class(url), Some(ErrorClass::BadUrl), "{url}");
        }
    }

    #[test]
    fn an_allowed_network_has_any_port() {
        let net = "10.0.0.0/8".parse().unwrap();
        let config =
            FetchConfig { addresses: AddressPolicy::public_only().allow(net), ..FetchConfig::default() };
        let needs = |url| Target::parse(url, &config).map(|target| target.needs_allowed_network()).ok();
        assert_eq!(needs("http://10.0.0.1:22/"), Some(true));
        assert_eq!(needs("http://intranet.test:9000/"), Some(true));
        assert_eq!(needs("http://a.test/"), Some(false));
        assert_eq!(needs("http://8.8.8.8:22/"), None);
    }

    #[test]
    fn a_redirect_passes_the_same_check() {
        assert_eq!(redirect("http://a.test/x/y", "../z#f").unwrap(), "http://a.test/z");
        assert_eq!(redirect("http://a.test/", "https://b.test/").unwrap(), "https://b.test/");
        assert_eq!(redirect("http://a.test/", "//[::ffff:10.0.0.1]/"), Err(ErrorClass::BlockedAddress));
        for to in ["ftp://a.test/", "http://u:p@b.test/", "http://b.test:22/", "http://", "javascript:x"] {
            assert_eq!(redirect("http://a.test/", to), Err(ErrorClass::Redirect), "{to}");
        }
        assert_eq!(redirect("https://a.test/", "http://a.test/"), Err(ErrorClass::Redirect));
    }
}
