//! The one place that turns what happened into an error class.

use crate::error::Failure;
use crate::resolve::ResolveError;
use crate::retry;
use ream_core::ErrorClass;
use reqwest::{Response, StatusCode};
use std::error::Error;
use std::io;
use std::time::SystemTime;

const MAX_MESSAGE_CHARS: usize = 300;

/// Why the answer is none to go on with, and how long its host wants to be left alone.
pub(crate) fn refused(response: &Response) -> Option<Failure> {
    let failure = status(response.status())?;
    Some(failure.with_retry_after(retry::retry_after(response.headers(), SystemTime::now())))
}

/// What a status means, or `None` for one to go on with: an image or a redirect.
pub(crate) fn status(status: StatusCode) -> Option<Failure> {
    let class = match status.as_u16() {
        // Exactly these mean the thing asked for, whole.
        200 | 203 | 301 | 302 | 303 | 307 | 308 => return None,
        // The server waited too long for the request: trying again is what it asks for.
        408 => ErrorClass::Timeout,
        429 => ErrorClass::Http429,
        400..=499 => ErrorClass::Http4xx,
        500..=599 => ErrorClass::Http5xx,
        _ => ErrorClass::BadResponse,
    };
    let reason = status.canonical_reason().unwrap_or("no standard status");
    let message = format!("HTTP {}: {reason}", status.as_u16());
    let mut failure = Failure::new(class, message).with_status(status.as_u16());
    // Others of these classes are the same at the next try: 501, 505, 508 …
    failure.again = matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504);
    failure.back_off = matches!(status.as_u16(), 429 | 503);
    Some(failure)
}

/// Why no answer came.
pub(crate) fn send_error(error: &reqwest::Error) -> Failure {
    let class = known_cause(error).unwrap_or(match error {
        e if e.is_timeout() => ErrorClass::Timeout,
        e if e.is_builder() => ErrorClass::BadUrl,
        _ => ErrorClass::Connect,
    });
    let mut failure = Failure::new(class, message(error));
    failure.again &= resolve_error(error).is_none_or(ResolveError::may_pass);
    failure
}

/// Why an answer's body broke off.
pub(crate) fn body_error(error: &reqwest::Error) -> Failure {
    let class = known_cause(error).unwrap_or(match error {
        e if e.is_timeout() => ErrorClass::Timeout,
        e if has_io(e, &[io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput]) => ErrorClass::BadResponse,
        _ => ErrorClass::Truncated,
    });
    Failure::new(class, message(error))
}

/// Causes that mean the same whenever they come.
fn known_cause(error: &reqwest::Error) -> Option<ErrorClass> {
    causes(error).find_map(|cause| {
        if let Some(resolve) = cause.downcast_ref::<ResolveError>() {
            let blocked = matches!(resolve, ResolveError::Blocked { .. });
            return Some(if blocked { ErrorClass::BlockedAddress } else { ErrorClass::Dns });
        }
        if cause.is::<rustls::Error>() {
            return Some(ErrorClass::Tls);
        }
        if cause.downcast_ref::<h2::Error>().is_some_and(breaks_http2) {
            return Some(ErrorClass::BadResponse);
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Some(ErrorClass::BadResponse);
        }
        None
    })
}

/// Whether the peer broke the rules of HTTP/2 (RFC 9113 section 7), too large headers included.
fn breaks_http2(error: &h2::Error) -> bool {
    use h2::Reason;
    let against_rules = [
        Reason::PROTOCOL_ERROR,
        Reason::FLOW_CONTROL_ERROR,
        Reason::FRAME_SIZE_ERROR,
        Reason::COMPRESSION_ERROR,
        Reason::ENHANCE_YOUR_CALM,
    ];
    error.is_library() && error.reason().is_some_and(|reason| against_rules.contains(&reason))
}

fn resolve_error(error: &reqwest::Error) -> Option<&ResolveError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn has_io(error: &reqwest::Error, kinds: &[io::ErrorKind]) -> bool {
    let kind = |cause: &(dyn Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    causes(error).filter_map(kind).any(|kind| kinds.contains(&kind))
}

/// The deepest cause: the outer ones only repeat the URL, which the ledger has.
fn message(error: &reqwest::Error) -> String {
    if let Some(resolve) = resolve_error(error) {
        return clip(&resolve.to_string());
    }
    clip(&causes(error).last().map(ToString::to_string).unwrap_or_default())
}

/// Text that a server had a hand in, fit for a message.
pub(crate) fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE_CHARS).collect()
}

/// The error and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>() {
        // The source of an I/O error is its inner error's source: the inner error itself would be skipped.
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_classes() {
        let class = |code| status(StatusCode::from_u16(code).unwrap()).map(|failure| failure.class);
        for go_on in [200, 203, 301, 302, 303, 307, 308] {
            assert_eq!(class(go_on), None);
        }
        for (codes, expected) in [
            ([400, 404, 451].as_slice(), ErrorClass::Http4xx),
            (&[408], ErrorClass::Timeout),
            (&[429], ErrorClass::Http429),
            (&[500, 503, 599], ErrorClass::Http5xx),
            (&[204, 206, 300, 304, 600, 999], ErrorClass::BadResponse),
        ] {
            for code in codes {
                assert_eq!(class(*code), Some(expected), "{code}");
            }
        }
    }

    #[test]
    fn only_statuses_that_may_pass_are_tried_again() {
        let again: Vec<u16> = (100..=599)
            .filter(|code| status(StatusCode::from_u16(*code).unwrap()).is_some_and(|failure| failure.again))
            .collect();
        assert_eq!(again, [408, 425, 429, 500, 502, 503, 504]);
    }

    #[test]
    fn causes_inside_io_errors_are_seen() {
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError));
        assert!(causes(&error).any(<dyn Error>::is::<rustls::Error>));
    }
}
