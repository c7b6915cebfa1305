//! Fetching a robots.txt: past the same checks, gates and limits as an image.

use super::Verdict;
use super::cache::{Known, MAX_AGE};
use super::rules::Rules;
use crate::deadline::{Deadline, later};
use crate::error::Failure;
use crate::gate::Asker;
use crate::net::Net;
use crate::rate::Rate;
use crate::target::Target;
use crate::{classify, retry};
use ream_core::ErrorClass;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;
use tokio::time::Instant;

/// As many as RFC 9309 section 2.3.1.2 asks for; more count as no robots.txt.
const MAX_REDIRECTS: u32 = 5;
/// At least 500 KiB must be read (RFC 9309 section 2.5); the rest is not.
const MAX_BYTES: usize = 512 * 1024;

/// Asks the origin of `target`, trying again after transient errors.
pub(super) async fn ask(net: &Net, target: &Target, product: &str, age: u64) -> Known {
    let host = net.gate.host(target.url());
    let mut tries = 1;
    loop {
        let failure = match ask_once(net, target, product, age).await {
            Ok(rules) => {
                return Known { verdict: Verdict::Rules(rules), until: Instant::now() + MAX_AGE };
            }
            Err(failure) => failure,
        };
        if !failure.again || tries >= net.config.max_tries || !host.may_retry() {
            let until = later(Instant::now(), net.config.give_up_pause);
            return Known { verdict: Verdict::Unknown(failure), until };
        }
        tokio::time::sleep(retry::pause(&net.config, tries, fastrand::f64())).await;
        tries += 1;
    }
}

async fn ask_once(net: &Net, target: &Target, product: &str, age: u64) -> Result<Rules, Failure> {
    let all_allowed = || Ok(Rules::parse(b"", product));
    let mut deadline = Deadline::new(net.config.total_timeout);
    let Ok(mut target) = target.robots_txt(&net.config) else { return all_allowed() };
    for _ in 0..=MAX_REDIRECTS {
        let patience = later(Instant::now(), net.config.host_backoff_cap.min(net.config.max_wait));
        let (mut admission, response) =
            net.ask(&target, Asker::Robots { age }, patience, &mut deadline).await.map_err(named)?;
        let status = response.status().as_u16();
        match status {
            200..=299 => {
                let read = admission.slot.during(read(net, response, deadline)).await;
                return match read {
                    Ok(body) => {
                        admission.succeeded();
                        Ok(Rules::parse(&body, product))
                    }
                    Err(failure) => {
                        admission.failed(&failure);
                        Err(named(failure.with_status(status)))
                    }
                };
            }
            301 | 302 | 303 | 307 | 308 => {
                admission.succeeded();
                // One that leads nowhere leads to no robots.txt.
                let Ok(next) = target.redirected(response.headers(), &net.config) else {
                    return all_allowed();
                };
                target = next;
            }
            429 | 500..=599 => {
                let Some(failure) = classify::refused(&response) else { return all_allowed() };
                admission.failed(&failure);
                return Err(named(match status {
                    429 => failure,
                    // The site is there and does not say: that counts as a refusal.
                    _ => Failure { class: ErrorClass::Robots, ..failure },
                }));
            }
            _ => {
                admission.succeeded();
                return all_allowed();
            }
        }
    }
    all_allowed()
}

async fn read(net: &Net, mut response: Response, deadline: Deadline) -> Result<Vec<u8>, Failure> {
    let encoding = response.headers().get(CONTENT_ENCODING);
    if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let message = "it is compressed, which was not asked for, so what it says is not known";
        return Err(Failure::new(ErrorClass::Robots, message));
    }
    let (mut body, mut rate) = (Vec::new(), Rate::new(&net.config));
    while body.len() < MAX_BYTES {
        let next = deadline.limit(net.config.read_timeout, "no more of it", response.chunk()).await?;
        let Some(piece) = next.map_err(|error| classify::body_error(&error))? else { break };
        body.extend_from_slice(piece.get(..MAX_BYTES - body.len()).unwrap_or(&piece));
        rate.received(piece.len() as u64, Instant::now())?;
    }
    Ok(body)
}

/// Says that it was not the image that failed.
fn named(mut failure: Failure) -> Failure {
    failure.message = format!("robots.txt: {}", failure.message);
    failure
}
