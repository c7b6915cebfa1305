//! Redirects to blocked addresses dial nobody. A second site listens where they lead and would note it.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "a test")]

mod site;

use ream_core::ErrorClass;
use ream_core::policy::RobotsPolicy;
use ream_fetch::{AddressPolicy, FetchConfig};
use site::{Site, fetcher, near, status};
use tokio::net::TcpListener;

const SPELLINGS: &[&str] = &[
    "127.0.0.2",
    "127.0.2",
    "127.2",
    "127.0.0.2.",
    "2130706434",
    "0x7f000002",
    "0x7f.0.0.0x2",
    "0177.0.0.2",
    "017700000002",
    "%31%32%37.0.0.2",
    "１２７.0.0.2",
    "127。0。0。2",
    "①②⑦.0.0.2",
    "[::ffff:127.0.0.2]",
    "[::ffff:7f00:2]",
    "[0:0:0:0:0:ffff:7f00:0002]",
    "[64:ff9b::127.0.0.2]",
    "[::127.0.0.2]",
    "inside.test",
    "mixed.test",
];

#[tokio::test]
async fn no_spelling_of_a_blocked_address_is_dialled() {
    let trap = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = trap.local_addr().unwrap().port();
    for robots in [RobotsPolicy::Ignore, RobotsPolicy::Respect] {
        let fetcher = fetcher(FetchConfig { robots, allowed_ports: vec![80, port], ..near() });
        for host in SPELLINGS {
            let location = format!("Location: http://{host}:{port}/latest/\r\n");
            let site = Site::start_with([("/away", status("302 Found", &location))]).await;
            let error = fetcher.fetch(&site.url("/away")).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::BlockedAddress, "{host}: {error}");
            let error = fetcher.fetch(&format!("http://{host}:{port}/")).await.unwrap_err();
            assert_eq!(error.class, ErrorClass::BlockedAddress, "{host}: {error}");
        }
    }
    let dialled = tokio::time::timeout(std::time::Duration::ZERO, trap.accept()).await;
    assert!(dialled.is_err(), "somebody came");
    // The trap works: where the address is allowed, it is dialled.
    let open = AddressPolicy::public_only().allow("127.0.0.2/32".parse().unwrap());
    let open = fetcher(FetchConfig { addresses: open, max_tries: 1, ..near() });
    let url = format!("http://127.0.0.2:{port}/");
    let (fetched, dialled) = tokio::join!(open.fetch(&url), async { trap.accept().await.map(drop) });
    assert!(dialled.is_ok() && fetched.is_err());
}
