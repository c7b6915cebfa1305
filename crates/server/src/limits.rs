//! How often one client may ask.

use crate::access::Caller;
use crate::answer::Refusal;
use crate::config::Limits;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ream::TokenId;
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Tokens of one address that the database is asked for.
const LOOKS_PER_S: NonZeroU32 = NonZeroU32::new(100).unwrap();

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Token(TokenId),
    Address(IpAddr),
}

/// Requests of each client, and refused tokens of each address.
pub(crate) struct Rates {
    requests: DefaultKeyedRateLimiter<Key>,
    refusals: DefaultKeyedRateLimiter<IpAddr>,
    looks: DefaultKeyedRateLimiter<IpAddr>,
    requests_per_s: u32,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            requests: RateLimiter::keyed(Quota::per_second(at_least_one(limits.requests_per_s))),
            refusals: RateLimiter::keyed(Quota::per_minute(at_least_one(limits.refusals_per_min))),
            looks: RateLimiter::keyed(Quota::per_second(LOOKS_PER_S)),
            requests_per_s: limits.requests_per_s,
        }
    }

    /// Counts a request.
    pub(crate) fn check(&self, caller: &Caller, peer: IpAddr) -> Result<(), Refusal> {
        let key = caller.token().map_or(Key::Address(prefix(peer)), Key::Token);
        self.requests.check_key(&key).map_err(|_| {
            let detail = format!(
                "more than {} requests a second; wait a little, or send several items in one",
                self.requests_per_s
            );
            Refusal::new("rate_limited", detail)
        })
    }

    /// Counts a token that nobody has seen yet, which the database has to be asked for.
    pub(crate) fn check_looks(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.looks.check_key(&prefix(peer)).map_err(|_| {
            Refusal::new("rate_limited", "too many unknown tokens from this address; wait a little")
        })
    }

    /// Counts a refused token: an address that sends too many is told no more about them.
    pub(crate) fn check_refusals(&self, peer: IpAddr) -> Result<(), Refusal> {
        self.refusals
            .check_key(&prefix(peer))
            .map_err(|_| Refusal::new("rate_limited", "too many bad tokens from this address; wait a minute"))
    }

    /// Forgets clients that have not asked for a while.
    pub(crate) fn tidy(&self) {
        self.requests.retain_recent();
        self.refusals.retain_recent();
        self.looks.retain_recent();
    }
}

/// Who has an IPv6 address has 2^64 of them.
pub(crate) fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}
