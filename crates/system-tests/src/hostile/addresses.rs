//! Addresses that are nobody's business, in every spelling, named by a list, by a redirect, or by a name server.

use super::case::Case;
use super::dns::Says;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Hosts of URLs, and what to call them.
const SPELLINGS: &[(&str, &str)] = &[
    ("loopback", "127.0.0.1"),
    ("loopback-other", "127.45.67.89"),
    ("loopback-decimal", "2130706433"),
    ("loopback-octal", "0177.0.0.1"),
    ("loopback-octal-whole", "017700000001"),
    ("loopback-hex", "0x7f000001"),
    ("loopback-hex-parts", "0x7f.0x0.0x0.0x1"),
    ("loopback-short", "127.1"),
    ("loopback-trailing-dot", "127.0.0.1."),
    ("loopback-full-width", "１２７．０．０．１"),
    ("loopback-full-width-encoded", "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1"),
    ("loopback-circled", "①②⑦.⓪.⓪.①"),
    ("loopback-percent", "%31%32%37.0.0.1"),
    ("loopback-ideographic-dot", "127。0。0。1"),
    ("loopback-v6", "[::1]"),
    ("loopback-v6-long", "[0000:0:0:0:0:0:0:0001]"),
    ("loopback-mapped", "[::ffff:127.0.0.1]"),
    ("loopback-mapped-hex", "[::ffff:7f00:1]"),
    ("loopback-compatible", "[::127.0.0.1]"),
    ("loopback-nat64", "[64:ff9b::7f00:1]"),
    ("loopback-nat64-local", "[64:ff9b:1::7f00:1]"),
    ("loopback-6to4", "[2002:7f00:1::]"),
    ("loopback-teredo", "[2001:0:0:0:0:0:80ff:fffe]"),
    ("localhost", "localhost"),
    ("localhost-upper", "LOCALHOST"),
    ("localhost-trailing-dot", "localhost."),
    ("this-host", "0.0.0.0"),
    ("this-host-short", "0"),
    ("this-host-v6", "[::]"),
    ("private-10", "10.0.0.1"),
    ("private-10-hex", "0xa000001"),
    ("private-172", "172.16.0.1"),
    ("private-172-end", "172.31.255.254"),
    ("private-192", "192.168.1.1"),
    ("private-192-mapped", "[::ffff:192.168.1.1]"),
    ("shared", "100.64.0.1"),
    ("metadata", "169.254.169.254"),
    ("metadata-decimal", "2852039166"),
    ("metadata-octal", "0251.0376.0251.0376"),
    ("metadata-mapped", "[::ffff:a9fe:a9fe]"),
    ("metadata-nat64", "[64:ff9b::a9fe:a9fe]"),
    ("metadata-6to4", "[2002:a9fe:a9fe::]"),
    ("metadata-v6", "[fd00:ec2::254]"),
    ("metadata-alibaba", "100.100.100.200"),
    ("metadata-azure", "168.63.129.16"),
    ("metadata-oracle", "192.0.0.192"),
    ("link-local-v6", "[fe80::1]"),
    ("site-local-v6", "[fec0::1]"),
    ("benchmark", "198.18.0.1"),
    ("documentation", "203.0.113.7"),
    ("multicast", "224.0.0.1"),
    ("broadcast", "255.255.255.255"),
    ("reserved", "240.0.0.1"),
    ("multicast-v6", "[ff02::1]"),
    ("by-name-loopback", "to-loopback.example"),
    ("by-name-loopback-v6", "to-loopback-v6.example"),
    ("by-name-mapped", "to-mapped.example"),
    ("by-name-private", "to-private.example"),
    ("by-name-metadata", "to-metadata.example"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (label, host) in SPELLINGS {
        // Not every system's resolver knows this one; then nobody is there.
        let is_unknown = *label == "localhost-trailing-dot";
        cases.push(
            Case::nobody(format!("list-{label}"), "blocked_address", format!("http://{host}/{label}.jpg"))
                .or_if(is_unknown, "dns"),
        );
        let target = format!("http://{host}/secret-{label}");
        // In a header everything is bytes: what is not ASCII comes as UTF-8, as some servers do it.
        cases.push(
            Case::http(format!("redirect-to-{label}"), "blocked_address", move |e| e.redirect(&target))
                .or_if(!host.is_ascii(), "redirect")
                .or_if(is_unknown, "dns"),
        );
    }
    cases.extend([
        Case::http("redirect-to-https-loopback", "blocked_address", |e| {
            e.redirect("https://127.0.0.1/secret")
        }),
        Case::http("redirect-without-scheme", "blocked_address", |e| e.redirect("//127.0.0.1/secret")),
        Case::http("redirect-to-loopback-port", "blocked_address", |e| e.redirect("http://127.0.0.1:8080/")),
        Case::http("redirect-with-user-to-loopback", "blocked_address", |e| {
            e.redirect("http://plain.example@127.0.0.1/secret")
        })
        .or("redirect")
        .or("bad_url"),
        Case::nobody("below-localhost", "blocked_address", "http://any.localhost/image.jpg").or("dns"),
        // A name with a good and a bad address may be refused, or dialled at the good one.
        Case::http("mixed", "ok", super::exchange::jpeg).or("blocked_address").requests(0..=1),
        // Between two look-ups the address changes: what was vetted is what may be dialled.
        Case::http("rebinding", "ok", super::exchange::jpeg)
            .or("blocked_address")
            .or("robots")
            .requests(0..=1),
        Case::nobody("no-such-name", "dns", "http://no-such-name.example/image.jpg"),
        Case::nobody("name-server-fails", "dns", "http://name-server-fails.example/image.jpg"),
        Case::nobody("name-server-is-silent", "dns", "http://name-server-is-silent.example/image.jpg")
            .or("timeout"),
        Case::nobody("name-without-address", "dns", "http://name-without-address.example/image.jpg"),
    ]);
    cases
}

/// What the name server says beside the hosts' own addresses.
pub(super) fn zone() -> BTreeMap<String, Says> {
    let addresses =
        |list: &[&str]| Says::Addresses(list.iter().filter_map(|text| text.parse().ok()).collect());
    let zone = [
        ("to-loopback", addresses(&["127.0.0.1"])),
        ("to-loopback-v6", addresses(&["::1"])),
        ("to-mapped", addresses(&["::ffff:127.0.0.1"])),
        ("to-private", addresses(&["10.1.2.3", "192.168.0.1"])),
        ("to-metadata", addresses(&["169.254.169.254"])),
        ("name-server-fails", Says::Failure),
        ("name-server-is-silent", Says::Silence),
        ("name-without-address", addresses(&[])),
    ];
    zone.into_iter().map(|(name, says)| (format!("{name}.example"), says)).collect()
}

/// Gives the names that are half good their hosts' addresses.
pub(super) fn point_at_hosts(zone: &mut BTreeMap<String, Says>) {
    let own = |zone: &BTreeMap<String, Says>, name: &str| match zone.get(name) {
        Some(Says::Addresses(addresses)) => addresses.first().copied(),
        _ => None,
    };
    if let Some(good) = own(zone, "mixed.example") {
        let bad = IpAddr::V4(Ipv4Addr::LOCALHOST);
        zone.insert("mixed.example".to_owned(), Says::Addresses(vec![bad, good]));
    }
    if let Some(IpAddr::V4(good)) = own(zone, "rebinding.example") {
        zone.insert("rebinding.example".to_owned(), Says::Rebinding(good, Ipv4Addr::LOCALHOST));
    }
}

impl Case {
    fn or_if(self, holds: bool, class: &'static str) -> Self {
        if holds { self.or(class) } else { self }
    }
}
