//! What sites ask of crawlers: `robots.txt` (RFC 9309) and `X-Robots-Tag`.

mod ask;
mod cache;
pub mod rules;
pub mod tag;

use crate::budget::Reservation;
use crate::classify::clip;
use crate::error::Failure;
use crate::net::Net;
use crate::target::Target;
use cache::Cache;
use ream_core::ErrorClass;
use reqwest::header::{HeaderMap, HeaderValue};
use rules::Rules;
use tokio::time::{Instant, sleep_until};

/// Asks sites before they are crawled, and remembers what they said.
pub(crate) struct Robots {
    product: String,
    cache: Cache,
}

/// What is known of one origin.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its robots.txt. Empty where it has none: then all is allowed.
    Rules(Rules),
    /// It could not be asked, so nothing may be fetched from it (RFC 9309 section 2.3.1.4).
    Unknown(Failure),
}

impl Robots {
    /// Nobody has been asked yet.
    pub(crate) fn new(product: &str) -> Self {
        Self { product: product.to_owned(), cache: Cache::default() }
    }

    /// Whether the origin lets this URL be fetched; asks it first if need be.
    pub(crate) async fn check(
        &self,
        net: &Net,
        target: &Target,
        reservation: &Reservation,
        patience: Instant,
    ) -> Result<(), Failure> {
        let origin = target.url().origin().ascii_serialization();
        let cell = self.cache.cell(&origin);
        if cell.get().is_none() {
            let age = reservation.number();
            // One asks and the others wait; where it gives up, the next one asks. In a box, because most only wait.
            let ask = || Box::pin(ask::ask(net, target, &self.product, age));
            tokio::select! {
                biased;
                _ = cell.get_or_init(ask) => self.cache.weigh(&origin, &cell),
                () = sleep_until(patience) => return Err(too_long()),
            }
        }
        let Some(known) = cell.get() else { return Ok(()) };
        match &known.verdict {
            Verdict::Unknown(failure) => Err(failure.clone().for_good()),
            Verdict::Rules(rules) => {
                if let Some(delay) = rules.crawl_delay() {
                    net.gate.host(target.url()).slow_down(delay.min(net.config.max_crawl_delay));
                }
                allowed(rules, target)
            }
        }
    }

    /// Whether the answer's headers let it be used.
    pub(crate) fn check_tag(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let values = headers.get_all("x-robots-tag").iter().map(HeaderValue::as_bytes);
        match tag::refusal(values, &self.product) {
            None => Ok(()),
            Some(directive) => {
                let message = format!("X-Robots-Tag refuses it: {}", clip(&directive));
                Err(Failure::new(ErrorClass::Robots, message))
            }
        }
    }
}

fn allowed(rules: &Rules, target: &Target) -> Result<(), Failure> {
    let url = target.url();
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    match rules.refusing_rule(&path) {
        None => Ok(()),
        Some(rule) => {
            let message = format!("robots.txt refuses it: Disallow: {}", clip(rule));
            Err(Failure::new(ErrorClass::Robots, message))
        }
    }
}

fn too_long() -> Failure {
    let message = "robots.txt did not come in the time that one image may take";
    Failure::new(ErrorClass::Timeout, message).out_of_patience()
}
