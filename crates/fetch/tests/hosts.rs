//! How the fetcher treats hosts that are busy, dead or slow, over the network.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod site;

use futures::future::join_all;
use ream_core::ErrorClass;
use ream_fetch::FetchConfig;
use site::{Site, fetcher, near};
use std::time::{Duration, Instant};

#[tokio::test]
async fn retry_after_holds_for_the_host_and_not_for_the_image_only() {
    let site = Site::start().await;
    let fetcher = fetcher(FetchConfig { max_tries: 1, ..near() });
    let started = Instant::now();
    let error = fetcher.fetch(&site.url("/429")).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Http429);
    let mut same = Box::pin(join_all((0..5).map(|_| fetcher.fetch(&site.url("/ok.png")))));
    let other = site.url_at("near.test", "/ok.png");
    tokio::select! {
        biased;
        // Another host is not asked to wait, though it is the same machine here.
        other = fetcher.fetch(&other) => assert!(other.is_ok()),
        _ = &mut same => panic!("the host was not left alone"),
    }
    assert!(same.await.iter().all(Result::is_ok));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_host_that_only_fails_is_given_up_and_its_images_end() {
    let site = Site::start().await;
    let config = FetchConfig { give_up_after: 6, max_per_host: 2, ..near() };
    let fetcher = fetcher(config);
    let url = site.url_at("dead.near.test", "/hang-up");
    let all = join_all((0..200).map(|_| fetcher.fetch(&url))).await;
    let given_up = |message: &str| message.starts_with("host given up after ");
    for result in &all {
        assert_eq!(result.as_ref().unwrap_err().class, ErrorClass::Connect);
    }
    let asked = site.requests("/hang-up").len();
    assert!((6..=8).contains(&asked), "{asked} requests");
    assert!(all.iter().filter(|result| given_up(&result.as_ref().unwrap_err().message)).count() >= 192);
    // Others are none the worse for it.
    fetcher.fetch(&site.url_at("alive.near.test", "/ok.png")).await.unwrap();
    let worst = &fetcher.hosts(10).worst;
    assert_eq!(worst.len(), 1);
    assert_eq!((worst[0].host.as_str(), worst[0].failed[&ErrorClass::Connect]), ("dead.near.test", 200));
}

#[tokio::test]
async fn a_host_going_down_gets_few_more_requests_than_images() {
    let site = Site::start().await;
    let fetcher = fetcher(FetchConfig { give_up_after: 0, max_tries: 4, ..near() });
    let url = site.url("/500");
    let all = join_all((0..100).map(|_| fetcher.fetch(&url))).await;
    let told = |message: &str| message.contains("not tried again");
    assert!(all.iter().any(|result| told(&result.as_ref().unwrap_err().message)));
    // One in ten and ten, of all requests.
    assert!((110..=125).contains(&site.total()), "{} requests", site.total());
}

#[tokio::test]
async fn a_host_that_drips_does_not_hold_the_others_up() {
    let site = Site::start().await;
    let limits = FetchConfig { max_in_flight: 4, max_per_host: 4, max_tries: 1, ..near() };
    let fetcher = fetcher(FetchConfig { slow_after: Duration::from_millis(50), ..limits });
    let drip = site.url_at("drip.near.example", "/drip");
    let mut dripping = Box::pin(join_all((0..4).map(|_| fetcher.fetch(&drip))));
    let fast: Vec<_> = (0..100).map(|n| site.url_at(&format!("h{n}.near.test"), "/ok.png")).collect();
    // It would drip for a minute, in all places that there are.
    let fast = join_all(fast.iter().map(|url| fetcher.fetch(url)));
    tokio::select! {
        _ = &mut dripping => panic!("the dripping host ended first"),
        all = fast => assert!(all.iter().all(Result::is_ok)),
    }
}
