//! What sites refuse is not asked for: the site's log proves it.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod site;

use futures::future::join_all;
use ream_core::ErrorClass;
use ream_core::policy::{Policy, PolicyFields, RobotsPolicy};
use ream_fetch::{FetchConfig, FetchError, Fetched};
use site::{Site, fetcher, near, ok, png, status};
use std::time::{Duration, Instant};

fn polite() -> FetchConfig {
    FetchConfig { robots: RobotsPolicy::Respect, ..near() }
}

async fn site(robots_txt: Vec<u8>) -> Site {
    Site::start_with([("/robots.txt", robots_txt)]).await
}

async fn get(site: &Site, path: &str) -> Result<Fetched, FetchError> {
    fetcher(polite()).fetch(&site.url(path)).await
}

async fn assert_refused(site: &Site, path: &str, class: ErrorClass) -> FetchError {
    let error = get(site, path).await.unwrap_err();
    assert_eq!((error.class, error.tries), (class, 0), "{error}");
    assert_eq!(site.requests(path).len(), 0, "{path} was asked for");
    error
}

#[tokio::test]
async fn what_robots_txt_refuses_is_never_asked_for() {
    let rules = "User-agent: other\nDisallow: /ok.png\n\nUser-agent: REAM\nDisallow: /404\nDisallow: /*?x\n";
    let site = site(ok("", rules.as_bytes())).await;
    let error = assert_refused(&site, "/404", ErrorClass::Robots).await;
    assert!(error.message.contains("Disallow: /404"), "{error}");
    assert_refused(&site, "/ok.png?x", ErrorClass::Robots).await;
    get(&site, "/ok.png").await.unwrap();
    let request = site.requests("/robots.txt")[0].to_ascii_lowercase();
    assert!(request.contains("user-agent: ream/"), "{request}");
}

#[tokio::test]
async fn robots_txt_is_asked_for_once_and_first() {
    let site = site(ok("", b"")).await;
    let fetcher = fetcher(polite());
    let (url, refused) = (site.url("/ok.png"), site.url("/404"));
    let all = join_all((0..40).map(|n| fetcher.fetch(if n == 0 { &refused } else { &url }))).await;
    assert_eq!(all.iter().filter(|result| result.is_ok()).count(), 39);
    assert_eq!(site.requests("/robots.txt").len(), 1);
    // Another name is another origin, on the same machine or not.
    fetcher.fetch(&site.url_at("near.test", "/ok.png")).await.unwrap();
    assert_eq!(site.requests("/robots.txt").len(), 2);
}

#[tokio::test]
async fn nobody_is_asked_where_the_policy_is_to_ignore() {
    let site = Site::start_with([
        ("/robots.txt", ok("", b"User-agent: *\nDisallow: /")),
        ("/tagged.png", ok("X-Robots-Tag: none\r\n", &png(7, 5))),
    ])
    .await;
    for path in ["/ok.png", "/tagged.png"] {
        fetcher(near()).fetch(&site.url(path)).await.unwrap();
    }
    assert_eq!(site.requests("/robots.txt").len(), 0);
}

#[tokio::test]
async fn each_job_has_its_own_word_on_robots_and_all_share_what_was_asked() {
    let site = site(ok("", b"User-agent: *\nDisallow: /404")).await;
    let shared = fetcher(polite());
    let of = |robots| {
        let policy = Policy::new(PolicyFields { robots, ..PolicyFields::default() }).unwrap();
        shared.within(&policy)
    };
    let (polite, ignoring) = (of(RobotsPolicy::Respect), of(RobotsPolicy::Ignore));
    for _ in 0..2 {
        let refused = polite.fetch(&site.url("/404")).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Robots);
        let asked = ignoring.fetch(&site.url("/404")).await.unwrap_err();
        assert_eq!(asked.class, ErrorClass::Http4xx);
    }
    assert_eq!(site.requests("/robots.txt").len(), 1);
}

#[tokio::test]
async fn a_site_without_robots_txt_allows_everything() {
    for answer in [
        status("404 Not Found", ""),
        status("401 Unauthorized", ""),
        status("204 No Content", ""),
        status("302 Found", "Location: /robots.txt\r\n"),
        status("302 Found", ""),
        status("302 Found", "Location: http://10.0.0.1/robots.txt\r\n"),
        ok("", &vec![b'x'; 2_000_000]),
    ] {
        get(&site(answer).await, "/ok.png").await.unwrap();
    }
}

#[tokio::test]
async fn a_site_that_cannot_say_allows_nothing() {
    let site = site(status("500 Internal Server Error", "")).await;
    let error = assert_refused(&site, "/ok.png", ErrorClass::Robots).await;
    assert_eq!(
        (error.http_status, error.message.as_str()),
        (Some(500), "robots.txt: HTTP 500: Internal Server Error")
    );
    assert_eq!(site.requests("/robots.txt").len(), 2);
    for (answer, class) in [
        (status("429 Too Many Requests", ""), ErrorClass::Http429),
        (ok("Content-Encoding: gzip\r\n", b"\x1F\x8B"), ErrorClass::Robots),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nUser".to_vec(), ErrorClass::Truncated),
        (b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), ErrorClass::BadResponse),
        (Vec::new(), ErrorClass::Connect),
    ] {
        assert_refused(&self::site(answer).await, "/ok.png", class).await;
    }
    let error = fetcher(polite()).fetch("http://nobody.test/").await.unwrap_err();
    assert!(error.class == ErrorClass::Dns && error.message.starts_with("robots.txt: "), "{error}");
}

#[tokio::test]
async fn all_images_of_an_origin_that_cannot_say_end_with_one_question() {
    let site = site(status("501 Not Implemented", "")).await;
    let fetcher = fetcher(polite());
    let all = join_all((0..40).map(|_| fetcher.fetch(&site.url("/ok.png")))).await;
    assert!(all.iter().all(|result| result.as_ref().is_err_and(|error| error.class == ErrorClass::Robots)));
    assert_eq!(site.total(), 1);
}

#[tokio::test]
async fn robots_txt_is_followed_to_where_it_moved() {
    let rules = ok("", b"User-agent: *\nDisallow: /");
    let moved = [("/robots.txt", status("301 Moved", "Location: /r.txt\r\n")), ("/r.txt", rules)];
    assert_refused(&Site::start_with(moved).await, "/ok.png", ErrorClass::Robots).await;
}

#[tokio::test]
async fn a_redirects_target_is_asked_as_well() {
    let strict = site(ok("", b"User-agent: *\nDisallow: /")).await;
    let location = format!("Location: {}\r\n", strict.url("/ok.png"));
    let lax = Site::start_with([("/moved", status("302 Found", &location))]).await;
    let error = get(&lax, "/moved").await.unwrap_err();
    assert_eq!((error.class, error.tries), (ErrorClass::Robots, 1), "{error}");
    assert_eq!((strict.requests("/ok.png").len(), strict.requests("/robots.txt").len()), (0, 1));
}

#[tokio::test]
async fn an_answers_tag_can_refuse_it() {
    let site = Site::start_with([
        ("/refused", ok("X-Robots-Tag: noarchive\r\nX-Robots-Tag: Ream: noindex, NoAI\r\n", &png(7, 5))),
        ("/other", ok("X-Robots-Tag: otherbot: noai\r\n", &png(7, 5))),
    ])
    .await;
    let error = get(&site, "/refused").await.unwrap_err();
    assert_eq!((error.class, error.http_status), (ErrorClass::Robots, Some(200)), "{error}");
    assert!(error.message.contains("noindex"), "{error}");
    get(&site, "/other").await.unwrap();
}

#[tokio::test]
async fn crawl_delay_is_kept_up_to_a_cap() {
    let site = site(ok("", b"User-agent: *\nCrawl-delay: 1000")).await;
    let fetcher = fetcher(FetchConfig { max_crawl_delay: Duration::from_millis(200), ..polite() });
    let started = Instant::now();
    let all = join_all((0..4).map(|_| fetcher.fetch(&site.url("/ok.png")))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(started.elapsed() >= Duration::from_millis(600), "{:?}", started.elapsed());
}
