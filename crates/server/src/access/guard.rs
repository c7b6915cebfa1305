//! A server without tokens trusts whoever reaches it, and any web page that is open in a browser on the same machine could:
//! browsers send its requests there. What comes from a page of another site, or under a foreign name, is refused.

use crate::answer::Refusal;
use http::uri::Authority;
use http::{HeaderMap, header};

/// What a proxy adds: behind it may be anybody.
const OF_PROXIES: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// `authority`: what HTTP/2 has in place of the header `Host`.
///
/// # Errors
/// Forbidden.
pub(super) fn check_is_local(headers: &HeaderMap, authority: Option<&str>) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if OF_PROXIES.iter().any(|name| headers.contains_key(*name)) {
        return Err(refused("a proxy passes the request on, and there are no tokens to tell who sends it"));
    }
    let host = text(header::HOST.as_str()).or(authority);
    // A name that leads to this machine only for the page that made it so.
    if host.is_some_and(|host| !is_local(host)) {
        return Err(refused("a server without tokens is reached as `localhost` or `127.0.0.1` only"));
    }
    let own_page = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some() && authority == host
    };
    let from_elsewhere = text(header::ORIGIN.as_str()).is_some_and(|origin| !own_page(origin));
    let cross_site = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site"));
    if from_elsewhere || cross_site {
        return Err(refused(
            "a web page of another site asks, and there are no tokens to tell whether it may",
        ));
    }
    Ok(())
}

fn refused(why: &str) -> Refusal {
    Refusal::new("forbidden", format!("{why}; `ream tokens create --role admin` makes a first token"))
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn check(headers: &[(&'static str, &'static str)]) -> bool {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        check_is_local(&pairs.collect(), None).is_ok()
    }

    #[test]
    fn programs_and_own_pages_may_and_foreign_pages_may_not() {
        assert!(check(&[]));
        assert!(check(&[("host", "127.0.0.1:8080")]));
        assert!(check(&[("host", "[::1]:8080")]));
        assert!(check(&[
            ("host", "localhost:1"),
            ("origin", "http://localhost:1"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(check(&[("host", "localhost:1"), ("sec-fetch-site", "none")]));
        assert!(!check(&[("host", "evil.example:8080")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("x-forwarded-for", "203.0.113.7")]));
        assert!(!check(&[("host", "127.0.0.1:8080"), ("via", "1.1 proxy")]));
        let none = HeaderMap::new();
        assert!(check_is_local(&none, Some("localhost:1")).is_ok());
        assert!(check_is_local(&none, Some("evil.example")).is_err());
        assert!(!check(&[("host", "127.0.0.1.evil.example")]));
        assert!(!check(&[("host", "localhost:1"), ("origin", "http://evil.example")]));
        assert!(!check(&[("host", "localhost:1"), ("origin", "http://localhost:2")]));
        assert!(!check(&[("host", "localhost:1"), ("origin", "null")]));
        assert!(!check(&[("host", "localhost:1"), ("sec-fetch-site", "cross-site")]));
    }
}
