//! A URL of a list, and behind the first line end where it redirects to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fetch::FetchConfig;
use ream_fetch::fuzzing::{redirected, target};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

fuzz_target!(|data: &[u8]| {
    let config = FetchConfig::default();
    let mut lines = data.splitn(2, |byte| *byte == b'\n');
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let asked = target(&text, &config);
    if let Some(url) = &asked {
        check(url, &config);
    }
    if let Some(next) = lines.next().and_then(|location| redirected(&text, location, &config)) {
        let from = asked.expect("only what may be asked can redirect");
        check(&next, &config);
        assert!(from.scheme() == "http" || next.scheme() == "https", "{from} to {next}");
    }
});

fn check(url: &Url, config: &FetchConfig) {
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
    assert!(config.allowed_ports.contains(&url.port_or_known_default().expect("http has a port")), "{url}");
    let address = match url.host().expect("http has a host") {
        Host::Domain(name) => {
            // What a system's resolver would read as an address must have been read as one.
            assert!(name.parse::<IpAddr>().is_err(), "{url}");
            return;
        }
        Host::Ipv4(address) => IpAddr::V4(address),
        Host::Ipv6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
    };
    assert!(!is_near(address), "{url}");
    assert_eq!(
        target(url.as_str(), config).as_ref(),
        Some(url),
        "a URL that may be asked may be asked again"
    );
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_near_v4(v4),
        IpAddr::V6(v6) => is_near_v6(v6),
    }
}

fn is_near_v4(v4: Ipv4Addr) -> bool {
    v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_unspecified()
        || v4.is_multicast()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.octets()[0] == 0
        || v4.octets()[0] >= 240
}

fn is_near_v6(v6: Ipv6Addr) -> bool {
    v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_multicast()
        || v6.segments()[..6] == [0; 6]
        || v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0]
        || v6.segments()[0] == 0x2002
}
