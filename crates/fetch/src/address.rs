//! Which addresses may be dialled. Whoever writes a list chooses the URLs, so without this table a crawl could be
//! pointed at the machine's own network.

pub use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Public addresses only, plus the networks that were allowed by name. Fails closed: IPv6 outside the global
/// unicast block is refused even where no block below names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPolicy {
    public: bool,
    allowed: Vec<IpNet>,
}

/// An address that may not be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not allowed: {why}")]
pub struct Blocked {
    /// The address.
    pub address: IpAddr,
    /// Which kind of address it is.
    pub why: &'static str,
}

impl AddressPolicy {
    /// Globally reachable unicast addresses only.
    pub const fn public_only() -> Self {
        Self { public: true, allowed: Vec::new() }
    }

    /// Allows a network whatever the table says of it: an intranet, or a test's own machine.
    #[must_use]
    pub fn allow(mut self, net: IpNet) -> Self {
        self.allowed.push(net);
        self
    }

    /// The same networks without the public internet.
    pub(crate) fn without_public(&self) -> Self {
        Self { public: false, allowed: self.allowed.clone() }
    }

    /// Whether any network was allowed by name.
    pub(crate) fn has_networks(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// # Errors
    /// [`Blocked`], with the kind of address it is.
    pub fn check(&self, address: IpAddr) -> Result<(), Blocked> {
        // An IPv4-mapped address reaches the IPv4 host, so that is what gets judged.
        let plain = address.to_canonical();
        if self.allowed.iter().any(|net| net.contains(&plain) || net.contains(&address)) {
            return Ok(());
        }
        let why = if self.public { why_blocked(plain) } else { Some("not in an allowed network") };
        why.map_or(Ok(()), |why| Err(Blocked { address, why }))
    }
}

impl fmt::Display for AddressPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.public.then(|| "public".to_owned());
        let parts: Vec<String> =
            public.into_iter().chain(self.allowed.iter().map(IpNet::to_string)).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(","))
    }
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self::public_only()
    }
}

fn why_blocked(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => {
            find(BLOCKED_V4, |(net, bits)| (u32::from(v4) ^ u32::from(net)).leading_zeros() >= bits)
        }
        IpAddr::V6(v6) => {
            let in_net = |net: Ipv6Addr, bits| (u128::from(v6) ^ u128::from(net)).leading_zeros() >= bits;
            let named = find(BLOCKED_V6, |(net, bits)| in_net(net, bits));
            let global_unicast = in_net(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
            named.or_else(|| (!global_unicast).then_some("not global unicast"))
        }
    }
}

type Block<A> = ((A, u32), &'static str);

fn find<A: Copy>(table: &[Block<A>], holds: impl Fn((A, u32)) -> bool) -> Option<&'static str> {
    table.iter().find(|(net, _)| holds(*net)).map(|(_, why)| *why)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> (Ipv4Addr, u32) {
    (Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(a: u16, b: u16, c: u16, bits: u32) -> (Ipv6Addr, u32) {
    (Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), bits)
}

/// The special-purpose registry of RFC 6890 as IANA keeps it, plus a cloud's host address.
const BLOCKED_V4: &[Block<Ipv4Addr>] = &[
    (v4(0, 0, 0, 0, 8), "this network (RFC 791)"),
    (v4(10, 0, 0, 0, 8), "private (RFC 1918)"),
    (v4(100, 64, 0, 0, 10), "carrier-grade NAT (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "loopback (RFC 1122)"),
    (v4(168, 63, 129, 16, 32), "cloud host (Azure)"),
    (v4(169, 254, 0, 0, 16), "link-local, cloud metadata (RFC 3927)"),
    (v4(172, 16, 0, 0, 12), "private (RFC 1918)"),
    (v4(192, 0, 0, 0, 24), "protocol assignments (RFC 6890)"),
    (v4(192, 0, 2, 0, 24), "documentation (RFC 5737)"),
    (v4(192, 88, 99, 0, 24), "6to4 relay (RFC 7526)"),
    (v4(192, 168, 0, 0, 16), "private (RFC 1918)"),
    (v4(198, 18, 0, 0, 15), "benchmarking (RFC 2544)"),
    (v4(198, 51, 100, 0, 24), "documentation (RFC 5737)"),
    (v4(203, 0, 113, 0, 24), "documentation (RFC 5737)"),
    (v4(224, 0, 0, 0, 4), "multicast (RFC 5771)"),
    (v4(240, 0, 0, 0, 4), "reserved or broadcast (RFC 1112, RFC 8190)"),
];

/// Narrow blocks before the wider ones that hold them, so that the reason is the most exact one.
const BLOCKED_V6: &[Block<Ipv6Addr>] = &[
    ((Ipv6Addr::UNSPECIFIED, 128), "unspecified (RFC 4291)"),
    ((Ipv6Addr::LOCALHOST, 128), "loopback (RFC 4291)"),
    ((Ipv6Addr::UNSPECIFIED, 96), "IPv4-compatible (RFC 4291)"),
    (v6(0x64, 0xff9b, 0, 96), "NAT64 (RFC 6052)"),
    (v6(0x64, 0xff9b, 1, 48), "NAT64 (RFC 8215)"),
    (v6(0x100, 0, 0, 64), "discard (RFC 6666)"),
    (v6(0x2001, 0, 0, 32), "Teredo (RFC 4380)"),
    (v6(0x2001, 0, 0, 23), "protocol assignments (RFC 2928)"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation (RFC 3849)"),
    (v6(0x2002, 0, 0, 16), "6to4 (RFC 3056)"),
    (v6(0x3fff, 0, 0, 20), "documentation (RFC 9637)"),
    (v6(0x5f00, 0, 0, 16), "segment routing (RFC 9602)"),
    (v6(0xfc00, 0, 0, 7), "unique local (RFC 4193)"),
    (v6(0xfe80, 0, 0, 10), "link-local (RFC 4291)"),
    (v6(0xfec0, 0, 0, 10), "site-local (RFC 3879)"),
    (v6(0xff00, 0, 0, 8), "multicast (RFC 4291)"),
];

#[cfg(test)]
mod tests;
