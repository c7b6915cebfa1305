//! Hosts that ask for something: for time, or to be left alone.

use super::JPEG;
use super::case::{Case, Robots};

/// Disallows a folder, and within it allows one.
const RULES: &str = "# for everybody\nUser-agent: *\nDisallow: /private/\nAllow: /private/open/\n";
/// Disallows all, for this crawler alone.
const NOT_US: &str = "User-agent: ream\nDisallow: /\n\nUser-agent: *\nAllow: /\n";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = waiting();
    cases.extend(robots());
    cases.extend(tags());
    cases.push(crowd());
    cases
}

fn waiting() -> Vec<Case> {
    let busy = |label: &str, expected: &'static str, status: &'static str, after: &'static str| {
        Case::http(label, expected, move |e| e.answer(status, &[("Retry-After", after)], b"later"))
    };
    vec![
        Case::http("429-with-retry-after", "ok", |e| match e.nth {
            0 => e.answer("429 Too Many Requests", &[("Retry-After", "2")], b"later"),
            _ => e.jpeg(),
        })
        .requests(2..=2)
        .retry_after_s(2),
        busy("429-for-ever", "http_429", "429 Too Many Requests", "1").retry_after_s(1),
        busy("429-for-a-day", "http_429", "429 Too Many Requests", "86400")
            .requests(1..=1)
            .retry_after_s(86_400),
        busy("429-with-nonsense", "http_429", "429 Too Many Requests", "in a while"),
        busy("503-for-ever", "http_5xx", "503 Service Unavailable", "1").retry_after_s(1),
        Case::http("503-then-200", "ok", |e| match e.nth {
            0 => e.answer("503 Service Unavailable", &[], b"busy"),
            _ => e.jpeg(),
        })
        .requests(2..=2),
        Case::http("500-for-ever", "http_5xx", |e| e.answer("500 Internal Server Error", &[], b"oh")),
        Case::http("501-for-ever", "http_5xx", |e| e.answer("501 Not Implemented", &[], b"never")),
        Case::http("404", "http_4xx", |e| e.answer("404 Not Found", &[], JPEG)),
        Case::http("403", "http_4xx", |e| e.answer("403 Forbidden", &[], JPEG)),
        Case::http("410", "http_4xx", |e| e.answer("410 Gone", &[], JPEG)),
        Case::http("401", "http_4xx", |e| {
            e.answer("401 Unauthorized", &[("WWW-Authenticate", "Basic realm=\"x\"")], b"")
        }),
    ]
}

fn robots() -> Vec<Case> {
    let good = |label: &str, expected: &'static str| {
        Case::http(label, expected, super::exchange::jpeg).resized(&["ok"])
    };
    vec![
        good("robots-disallow", "ok")
            .robots(Robots::Text(RULES))
            .and("/private/image.jpg", "robots")
            .resized(&["ok"])
            .and("/private/open/image.jpg", "ok")
            .and("/%70rivate/image.jpg", "robots")
            .resized(&["ok"]),
        good("robots-disallow-us", "robots").robots(Robots::Text(NOT_US)),
        good("robots-503", "robots").robots(Robots::Status("503 Service Unavailable")),
        good("robots-500", "robots").robots(Robots::Status("500 Internal Server Error")),
        good("robots-403", "ok").robots(Robots::Status("403 Forbidden")),
        good("robots-stall", "robots").or("timeout").resized(&["ok"]).robots(Robots::Stall),
    ]
}

fn tags() -> Vec<Case> {
    let tagged = |label: &str, expected: &'static str, tag: &'static str| {
        Case::http(label, expected, move |e| e.answer("200 OK", &[("X-Robots-Tag", tag)], JPEG))
            .resized(&["ok"])
    };
    vec![
        tagged("tag-noai", "robots", "noai"),
        tagged("tag-noimageai", "robots", "index, NoImageAI"),
        tagged("tag-noindex", "robots", "noindex"),
        tagged("tag-none", "robots", "none"),
        tagged("tag-for-us", "robots", "ReAm: noindex"),
        tagged("tag-for-another", "ok", "otherbot: noindex, noai"),
        tagged("tag-with-a-date", "ok", "unavailable_after: 25 Jun 2100 15:00:00 PST"),
        tagged("tag-all", "ok", "all, index, follow"),
        Case::http("two-tags", "robots", |e| {
            e.answer("200 OK", &[("X-Robots-Tag", "otherbot: all"), ("X-Robots-Tag", "noimageindex")], JPEG)
        })
        .resized(&["ok"]),
    ]
}

/// Many images of one host.
fn crowd() -> Case {
    let mut case = Case::http("crowd", "ok", |e| {
        // As long as a request takes on a real network: they have to overlap to be counted.
        std::thread::sleep(std::time::Duration::from_millis(100));
        e.jpeg()
    });
    for number in 0..20 {
        case = case.and(&format!("/{number}.jpg"), "ok");
    }
    case
}
