//! The fetcher against a hostile site. Everything stays on loopback, and no name is asked of any real resolver.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod site;

use futures::{StreamExt as _, stream};
use ream_core::ErrorClass;
use ream_fetch::{FetchConfig, FetchError, Fetched};
use site::{Site, fetcher, near, png};
use std::time::{Duration, Instant};

async fn get(path: &str, config: FetchConfig) -> (Site, Result<Fetched, FetchError>) {
    let site = Site::start().await;
    let result = fetcher(config).fetch(&site.url(path)).await;
    (site, result)
}

async fn assert_fails(path: &str, class: ErrorClass, requests: usize) -> FetchError {
    assert_fails_with(path, near(), class, requests).await
}

async fn assert_fails_with(
    path: &str,
    config: FetchConfig,
    class: ErrorClass,
    requests: usize,
) -> FetchError {
    let (site, result) = get(path, config).await;
    let error = result.unwrap_err();
    assert_eq!(error.class, class, "{path}: {error}");
    assert_eq!(site.requests(path).len(), requests, "{path}: {error}");
    assert!(!error.message.is_empty() && !error.message.contains("http://127"), "{error}");
    error
}

#[tokio::test]
async fn an_image_comes_back_as_sent() {
    let (site, result) = get("/ok.png", near()).await;
    let image = result.unwrap();
    assert_eq!(image.bytes, png(7, 5));
    assert_eq!(image.http_status, 200);
    assert_eq!(image.final_url, site.url("/ok.png"));
}

#[tokio::test]
async fn requests_tell_no_more_than_they_must() {
    let (site, result) = get("/redirect", near()).await;
    assert_eq!(result.unwrap().final_url, site.url("/ok.png"));
    let request = site.requests("/ok.png").concat().to_ascii_lowercase();
    assert!(
        request.contains("accept-encoding: identity\r\n") && request.contains("user-agent: ream/"),
        "{request}"
    );
    for header in ["referer", "cookie", "authorization"] {
        assert!(!request.contains(&format!("\r\n{header}:")), "{request}");
    }
}

#[tokio::test]
async fn client_errors_are_final() {
    let error = assert_fails("/404", ErrorClass::Http4xx, 1).await;
    assert_eq!((error.http_status, error.message.as_str()), (Some(404), "HTTP 404: Not Found"));
}

#[tokio::test]
async fn server_errors_are_tried_again_and_then_given_up() {
    assert_eq!(assert_fails("/500", ErrorClass::Http5xx, 2).await.http_status, Some(500));
    assert_fails("/501", ErrorClass::Http5xx, 1).await;
    let (site, result) = get("/flaky", FetchConfig { max_tries: 3, ..near() }).await;
    assert_eq!((result.unwrap().http_status, site.requests("/flaky").len()), (200, 3));
}

#[tokio::test]
async fn retry_after_is_waited_for() {
    let started = Instant::now();
    let (site, result) = get("/429", near()).await;
    assert_eq!(result.unwrap().http_status, 200);
    assert!(started.elapsed() >= Duration::from_secs(1) && site.requests("/429").len() == 2);
    let impatient = FetchConfig { max_wait: Duration::from_millis(500), ..near() };
    let error = assert_fails_with("/429", impatient, ErrorClass::Http429, 1).await;
    assert_eq!((error.http_status, error.tries), (Some(429), 1));
}

#[tokio::test]
async fn what_the_server_calls_it_comes_along() {
    let (_, result) = get("/html", near()).await;
    assert_eq!(result.unwrap().content_type, "text/html; charset=utf-8");
    let (_, result) = get("/tagged", near()).await;
    let image = result.unwrap();
    assert_eq!((image.etag.as_deref(), image.tries), (Some("\"v1\""), 1));
    assert_eq!(image.last_modified.as_deref(), Some("Wed, 21 Oct 2015 07:28:00 GMT"));
    let (_, result) = get("/empty", near()).await;
    assert_eq!(result.unwrap().bytes.len(), 0);
}

#[tokio::test]
async fn too_many_bytes_are_refused() {
    for path in ["/huge", "/endless"] {
        assert_fails(path, ErrorClass::TooLarge, 1).await;
    }
}

#[tokio::test]
async fn answers_outside_the_rules_are_bad_responses() {
    for path in ["/gzip", "/not-http", "/bad-chunk", "/204", "/large-headers", "/too-many-headers"] {
        assert_fails(path, ErrorClass::BadResponse, 1).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_truncated() {
    for path in ["/truncated", "/cut-chunk"] {
        assert_eq!(assert_fails(path, ErrorClass::Truncated, 2).await.http_status, Some(200));
    }
}

#[tokio::test]
async fn a_server_that_stalls_runs_into_each_limit() {
    let short = Duration::from_millis(40);
    let once = FetchConfig { max_tries: 1, ..near() };
    let silent = FetchConfig { connect_timeout: short, first_byte_timeout: short, ..once.clone() };
    let (_, result) = get("/silent", silent).await;
    let error = result.unwrap_err();
    // On a slow machine it may be connecting that takes too long; the limit of the whole must not be what ended it.
    assert!(error.class == ErrorClass::Timeout && !error.message.contains("not done"), "{error}");
    for (path, config, message) in [
        ("/stall", FetchConfig { read_timeout: short, ..once.clone() }, "no more of the body"),
        ("/header-drip", FetchConfig { total_timeout: short, ..once.clone() }, "not done"),
        ("/hints", FetchConfig { total_timeout: short, ..once.clone() }, "not done"),
        ("/continues", FetchConfig { total_timeout: short, ..once.clone() }, "not done"),
        ("/silent", FetchConfig { total_timeout: short, ..once.clone() }, "not done"),
        ("/drip", FetchConfig { total_timeout: short, ..once.clone() }, "not done"),
        ("/drip", FetchConfig { rate_window: short, min_rate_bytes_per_s: 1 << 20, ..once }, "slower than"),
    ] {
        let error = get(path, config).await.1.unwrap_err();
        assert!(error.class == ErrorClass::Timeout && error.message.contains(message), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_connection_that_fails_is_tried_again() {
    assert_fails("/hang-up", ErrorClass::Connect, 2).await;
    // Bound but not listening: refuses, and nobody else can get the port meanwhile.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    let error = fetcher(near()).fetch(&url).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Connect, "{error}");
    let site = Site::start().await;
    let error = fetcher(near()).fetch(&format!("https://{}/", site.address)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Tls, "{error}");
}

#[tokio::test]
async fn redirects_end_somewhere_allowed_or_not_at_all() {
    assert_fails("/loop", ErrorClass::Redirect, 6).await;
    assert_fails("/nowhere", ErrorClass::Redirect, 1).await;
    assert_fails("/to-file", ErrorClass::Redirect, 1).await;
    for path in ["/to-metadata", "/to-mapped"] {
        let error = assert_fails(path, ErrorClass::BlockedAddress, 1).await;
        // The check's words: a connection that was tried would say something else.
        assert!(error.message.contains("is not allowed"), "{error}");
    }
}

#[tokio::test]
async fn literal_addresses_are_checked_although_no_resolver_is_asked() {
    let fetcher = fetcher(FetchConfig::default());
    for url in
        ["http://2130706433/", "http://0x7f.1/", "http://127.0.0.1:8080/", "http://[::ffff:127.0.0.1]/"]
    {
        let error = fetcher.fetch(url).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::BlockedAddress, "{url}: {error}");
        assert!(error.message.contains("loopback"), "{url}: {error}");
    }
}

#[tokio::test]
async fn names_are_judged_by_all_their_addresses() {
    let site = Site::start().await;
    let port = site.address.port();
    let near = fetcher(near());
    near.fetch(&format!("http://near.test:{port}/ok.png")).await.unwrap();
    let strict = fetcher(FetchConfig::default());
    for (fetcher, url, class) in [
        (&near, format!("http://mixed.test:{port}/ok.png"), ErrorClass::BlockedAddress),
        // An unusual port is for the allowed networks only.
        (&near, format!("http://public.test:{port}/"), ErrorClass::BlockedAddress),
        (&strict, "http://near.test/".to_owned(), ErrorClass::BlockedAddress),
        (&strict, format!("http://near.test:{port}/"), ErrorClass::BadUrl),
        (&near, "http://nobody.test/".to_owned(), ErrorClass::Dns),
        (&near, "http://broken.test/".to_owned(), ErrorClass::Dns),
        (&near, "not a url".to_owned(), ErrorClass::BadUrl),
        (&near, format!("http://near.test:{port}/{}", "x".repeat(70_000)), ErrorClass::BadUrl),
    ] {
        let error = fetcher.fetch(&url).await.unwrap_err();
        assert_eq!(error.class, class, "{url:.60}: {error}");
    }
    assert_eq!(site.requests("/ok.png").len(), 1);
}

#[tokio::test]
async fn images_wanted_in_order_cannot_wait_for_each_other() {
    let site = Site::start().await;
    let fetcher = fetcher(FetchConfig { memory_budget: 1, ..near() });
    let url = site.url("/ok.png");
    let sizes =
        stream::iter(0..40).map(|_| fetcher.fetch(&url)).buffered(8).map(|image| image.unwrap().bytes.len());
    assert_eq!(sizes.collect::<Vec<_>>().await, vec![png(7, 5).len(); 40]);
}

#[tokio::test]
async fn hints_before_the_answer_and_a_hundred_headers_do_no_harm() {
    for path in ["/hinted", "/many-headers"] {
        get(path, near()).await.1.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_asked_for_again() {
    let fetcher = fetcher(near());
    for (host, tries) in [("nobody.test", 1), ("broken.test", 2)] {
        let error = fetcher.fetch(&format!("http://{host}/")).await.unwrap_err();
        assert_eq!((error.class, error.tries), (ErrorClass::Dns, tries), "{error}");
        assert!(error.message.contains(host), "{error}");
    }
}

#[tokio::test]
async fn a_fetch_that_waits_takes_little_memory() {
    let fetcher = fetcher(near());
    let waiting = fetcher.fetch("http://near.test/");
    assert!(size_of_val(&waiting) <= 2048, "{} bytes", size_of_val(&waiting));
}
