use super::*;

fn why(address: &str) -> Option<&'static str> {
    AddressPolicy::public_only().check(address.parse().unwrap()).err().map(|blocked| blocked.why)
}

/// `name: first..last, "reason", neighbours [before, after]`; a neighbour is public unless it is given a reason too.
macro_rules! blocks {
    ($($name:ident: $first:literal..$last:literal, $why:literal, [$($next:literal $(= $next_why:literal)?),+];)+) => {
        $(
            #[test]
            fn $name() {
                for address in [$first, $last] {
                    let found = why(address).unwrap_or("public");
                    assert!(found.contains($why), "{address}: {found}");
                }
                $(
                    #[allow(unused_mut, unused_assignments)]
                    let mut expected: Option<&str> = None;
                    $(expected = Some($next_why);)?
                    match (why($next), expected) {
                        (None, None) => {}
                        (Some(found), Some(part)) => assert!(found.contains(part), "{}: {found}", $next),
                        (found, _) => panic!("{}: {found:?}", $next),
                    }
                )+
            }
        )+

        /// A block of the tables without a test above would go unnoticed.
        #[test]
        fn every_block_has_a_test() {
            let tested = [$($first.parse::<IpAddr>().unwrap()),+];
            for ((net, _), why) in BLOCKED_V4 {
                assert!(tested.contains(&IpAddr::V4(*net)), "{why}");
            }
            for ((net, bits), why) in BLOCKED_V6 {
                // `::/96` begins with the addresses of two blocks of their own.
                assert!(*bits == 96 || tested.contains(&IpAddr::V6(*net)), "{why}");
            }
        }
    };
}

blocks! {
    this_network: "0.0.0.0".."0.255.255.255", "RFC 791", ["1.0.0.0"];
    private_10: "10.0.0.0".."10.255.255.255", "private", ["9.255.255.255", "11.0.0.0"];
    carrier_grade_nat: "100.64.0.0".."100.127.255.255", "6598", ["100.63.255.255", "100.128.0.0"];
    loopback: "127.0.0.0".."127.255.255.255", "loopback", ["126.255.255.255", "128.0.0.0"];
    azure_host: "168.63.129.16".."168.63.129.16", "Azure", ["168.63.129.15", "168.63.129.17"];
    link_local: "169.254.0.0".."169.254.255.255", "metadata", ["169.253.255.255", "169.255.0.0"];
    private_172: "172.16.0.0".."172.31.255.255", "private", ["172.15.255.255", "172.32.0.0"];
    protocol_assignments: "192.0.0.0".."192.0.0.255", "6890", ["191.255.255.255", "192.0.1.0"];
    documentation_1: "192.0.2.0".."192.0.2.255", "5737", ["192.0.1.255", "192.0.3.0"];
    relay_6to4: "192.88.99.0".."192.88.99.255", "6to4", ["192.88.98.255", "192.88.100.0"];
    private_192: "192.168.0.0".."192.168.255.255", "private", ["192.167.255.255", "192.169.0.0"];
    benchmarking: "198.18.0.0".."198.19.255.255", "2544", ["198.17.255.255", "198.20.0.0"];
    documentation_2: "198.51.100.0".."198.51.100.255", "5737", ["198.51.99.255", "198.51.101.0"];
    documentation_3: "203.0.113.0".."203.0.113.255", "5737", ["203.0.112.255", "203.0.114.0"];
    multicast_v4: "224.0.0.0".."239.255.255.255", "multicast", ["223.255.255.255", "240.0.0.0" = "reserved"];
    reserved: "240.0.0.0".."255.255.255.255", "reserved", ["239.255.255.255" = "multicast"];
    unspecified: "::".."::", "unspecified", ["::1" = "loopback"];
    loopback_v6: "::1".."::1", "loopback", ["::" = "unspecified", "::2" = "IPv4-compatible"];
    ipv4_compatible: "::2".."::ffff:ffff", "IPv4-compatible", ["::1" = "loopback", "::1:0:0" = "not global"];
    ipv4_mapped_private: "::ffff:10.0.0.0".."::ffff:10.255.255.255", "private",
        ["::ffff:9.255.255.255", "::ffff:11.0.0.0", "::fffe:8.8.8.8" = "not global", "::1:0:0:0" = "not global"];
    nat64: "64:ff9b::".."64:ff9b::ffff:ffff", "6052", ["64:ff9a:ffff::" = "not global", "64:ff9b::1:0:0" = "not global"];
    nat64_local: "64:ff9b:1::".."64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "8215",
        ["64:ff9b:0:ffff::" = "not global", "64:ff9b:2::" = "not global"];
    discard: "100::".."100::ffff:ffff:ffff:ffff", "6666", ["ff:ffff::" = "not global", "100:0:0:1::" = "not global"];
    teredo: "2001::".."2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo",
        ["2000:ffff:ffff:ffff::", "2001:1::" = "protocol"];
    protocol_assignments_v6: "2001:1::".."2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol",
        ["2001:0:ffff::" = "Teredo", "2001:200::"];
    documentation_v6: "2001:db8::".."2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "3849",
        ["2001:db7:ffff::", "2001:db9::"];
    ipv6_6to4: "2002::".."2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4", ["2001:ffff::", "2003::"];
    documentation_long: "3fff::".."3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "9637", ["3ffe:ffff::", "3fff:1000::"];
    segment_routing: "5f00::".."5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "9602",
        ["5eff:ffff::" = "not global", "5f01::" = "not global"];
    unique_local: "fc00::".."fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local",
        ["fbff:ffff::" = "not global", "fe00::" = "not global"];
    link_local_v6: "fe80::".."febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local",
        ["fe7f:ffff::" = "not global", "fec0::" = "site-local"];
    site_local: "fec0::".."feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local",
        ["febf:ffff::" = "link-local", "ff00::" = "multicast"];
    multicast_v6: "ff00::".."ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast", ["feff:ffff::" = "site-local"];
    global_unicast: "1fff:ffff::".."4000::", "not global", ["2000::", "3ffe:ffff::", "2606:4700::1111"];
}

#[test]
fn an_allowed_network_wins() {
    let policy = AddressPolicy::public_only().allow("10.1.0.0/16".parse().unwrap());
    let check = |address: &str| policy.check(address.parse().unwrap()).is_ok();
    assert!(check("10.1.2.3") && check("::ffff:10.1.2.3") && check("8.8.8.8"));
    assert!(!check("10.2.0.0") && !check("127.0.0.1"));
    let policy = policy.without_public();
    assert!(policy.check("10.1.2.3".parse().unwrap()).is_ok());
    let blocked = policy.check("8.8.8.8".parse().unwrap()).unwrap_err();
    assert_eq!(blocked.to_string(), "8.8.8.8 is not allowed: not in an allowed network");
}
