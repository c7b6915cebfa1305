//! One try of an image: through redirects to an answer that promises an image, and its body.

use crate::body::Receiver;
use crate::budget::Reservation;
use crate::classify;
use crate::deadline::Deadline;
use crate::error::Failure;
use crate::gate::{Admission, Asker};
use crate::net::Net;
use crate::robots::Robots;
use crate::target::Target;
use bytes::Bytes;
use ream_core::ErrorClass;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED};
use tokio::time::Instant;

/// What a try needs of its fetch.
pub(crate) struct Try<'a> {
    pub(crate) net: &'a Net,
    pub(crate) robots: Option<&'a Robots>,
    pub(crate) reservation: &'a mut Reservation,
    pub(crate) deadline: Deadline,
    /// Waits for turns end here.
    pub(crate) patience: Instant,
    /// Whether the network was asked for the image.
    pub(crate) asked: bool,
}

pub(crate) struct Image {
    pub(crate) bytes: Bytes,
    pub(crate) content_type: String,
    pub(crate) http_status: u16,
    pub(crate) final_url: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

impl Try<'_> {
    pub(crate) async fn run(&mut self, mut target: Target) -> Result<Image, Failure> {
        let max_redirects = self.net.config.max_redirects;
        for redirects in 0.. {
            let (admission, response) = self.ask(&target).await?;
            let status = response.status();
            if let Some(failure) = classify::refused(&response) {
                admission.failed(&failure);
                return Err(failure);
            }
            if status.is_success() {
                return Box::pin(self.finish(admission, response, target)).await;
            }
            admission.succeeded();
            if redirects == max_redirects {
                let message = format!("more than {redirects} redirects");
                return Err(Failure::new(ErrorClass::Redirect, message).with_status(status.as_u16()));
            }
            let next = target.redirected(response.headers(), &self.net.config);
            target = next.map_err(|failure| failure.with_status(status.as_u16()))?;
        }
        Err(Failure::new(ErrorClass::Redirect, "too many redirects"))
    }

    async fn ask(&mut self, target: &Target) -> Result<(Admission, Response), Failure> {
        if let Some(robots) = self.robots {
            let waiting = Instant::now();
            let checked = robots.check(self.net, target, self.reservation, self.patience).await;
            self.deadline.extend(waiting.elapsed());
            checked?;
        }
        let asker = Asker::Image(self.reservation);
        let asked = self.net.ask(target, asker, self.patience, &mut self.deadline).await;
        self.asked |= !matches!(&asked, Err(failure) if failure.never_asked);
        asked
    }

    async fn finish(
        &mut self,
        mut admission: Admission,
        response: Response,
        target: Target,
    ) -> Result<Image, Failure> {
        let headers = response.headers();
        let http_status = response.status().as_u16();
        if let Err(failure) = self.check_headers(headers) {
            admission.succeeded();
            return Err(failure.with_status(http_status));
        }
        let content_type = content_type(headers);
        let (etag, last_modified) = (validator(headers, ETAG), validator(headers, LAST_MODIFIED));
        let receiver = Receiver {
            config: &self.net.config,
            reservation: self.reservation,
            deadline: &mut self.deadline,
            slot: &mut admission.slot,
        };
        match receiver.receive(response).await {
            Ok(bytes) => {
                admission.succeeded();
                let final_url = target.into_url().into();
                Ok(Image { bytes, content_type, http_status, final_url, etag, last_modified })
            }
            Err(failure) => {
                admission.failed(&failure);
                Err(failure)
            }
        }
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let encoding = headers.get(CONTENT_ENCODING);
        if encoding.is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let message = "the body is compressed, which was not asked for";
            return Err(Failure::new(ErrorClass::BadResponse, message));
        }
        self.robots.map_or(Ok(()), |robots| robots.check_tag(headers))
    }
}

/// What the server calls it, fit for a message.
fn content_type(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(CONTENT_TYPE) else { return "no content type".to_owned() };
    String::from_utf8_lossy(value.as_bytes()).chars().filter(|c| !c.is_control()).take(100).collect()
}

/// What a later crawl may ask with (RFC 9110 section 8.8), if it is short visible ASCII.
fn validator(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    const MAX_BYTES: usize = 256;
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty() && text.len() <= MAX_BYTES && !text.contains('\t')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_are_short_visible_ascii() {
        let kept = |value: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(ETAG, reqwest::header::HeaderValue::from_bytes(value).unwrap());
            validator(&headers, ETAG)
        };
        assert_eq!(kept(b"W/\"ab c\"").as_deref(), Some("W/\"ab c\""));
        for value in [b"".as_slice(), b"\"a\tb\"", b"\"\xFF\"", &[b'a'; 257]] {
            assert_eq!(kept(value), None);
        }
    }
}
