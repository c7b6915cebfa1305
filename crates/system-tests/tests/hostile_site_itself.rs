//! The hostile site sees what it is there to see: a client without manners is found out in every point.
#![allow(clippy::unwrap_used)]

use ream_system_tests::hostile::{Event, HostileSite, Run, cases, judge, namespace};
use ream_test_servers::{Fault, Result, until};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const MANY: usize = 10;

#[test]
fn a_client_without_manners_is_found_out() -> Result<()> {
    namespace::inside("a_client_without_manners_is_found_out", be_rude)
}

fn be_rude() -> Result<()> {
    let site = HostileSite::start()?;
    // The whole internet is here, and nobody may come.
    for foreign in
        ["8.8.8.8:80", "169.254.169.254:80", "127.0.0.1:8080", "[::ffff:10.0.0.1]:443", "[fd00:ec2::254]:80"]
    {
        TcpStream::connect(foreign).unwrap();
    }
    assert!(TcpStream::connect("to-metadata.example:80").is_ok(), "the name server lies");
    assert!(TcpStream::connect("no-such-name.example:80").is_err());
    // Once from a good host, as it should be.
    let good = ask("plain.example", "/robots.txt", "User-Agent: ream/0\r\n");
    assert!(good.starts_with(b"HTTP/1.1 404"));
    assert!(ask("plain.example", "/image.jpg", "User-Agent: ream/0\r\n").ends_with(&[0xff, 0xd9]));
    // And what must not be done.
    ask("robots-disallow.example", "/private/image.jpg", "Accept-Encoding: gzip\r\nCookie: a=b\r\n");
    ask("404.example", "/image.jpg", "Authorization: Basic eA==\r\n");
    ask("404.example", "/image.jpg", "Range: bytes=0-9\r\n");
    ask("429-for-a-day.example", "/image.jpg", "Referer: http://127.0.0.1/\r\n");
    ask("429-for-a-day.example", "/image.jpg", "");
    let crowd: Vec<_> =
        (0..MANY).map(|_| std::thread::spawn(|| ask("crowd.example", "/0.jpg", ""))).collect();
    for one in crowd {
        one.join().unwrap();
    }
    seen(&site, 6)?;
    let found = judge(&site, Run::Kept, 4).join("\n");
    for fault in [
        "8.8.8.8:80 was dialled",
        "169.254.169.254:80 was dialled",
        "127.0.0.1:8080 was dialled",
        "10.0.0.1:443 was dialled",
        "fd00:ec2::254]:80 was dialled",
        "robots-disallow: /private/image.jpg was asked for before /robots.txt",
        "robots-disallow: /private/image.jpg was asked for, which /robots.txt forbids",
        "robots-disallow: this asks for an encoding",
        "robots-disallow: this does not say who asks",
        "robots-disallow: this has a `cookie`",
        "404: this has a `authorization`",
        "404: this has a `range`",
        "404: /image.jpg was asked for 2 times",
        "429-for-a-day: this has a `referer`",
        "429-for-a-day: asked again after",
        "crowd: this is one too many at a time",
    ] {
        assert!(found.contains(fault), "`{fault}` was not found in:\n{found}");
    }
    assert!(!found.contains("plain: "), "who did no wrong is blamed:\n{found}");
    Ok(())
}

/// Waits until so many connections to where nobody may come are in the log.
fn seen(site: &HostileSite, count: usize) -> Result<()> {
    until("the log", LIMIT, || {
        let stray = site.log().events().iter().filter(|event| matches!(event, Event::Stray(_))).count();
        Ok((stray >= count).then_some(()))
    })
}

fn ask(host: &str, path: &str, headers: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect((host, 80)).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").unwrap();
    // The site keeps the connection open: no more comes once this side is closed.
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn every_case_has_a_name_and_every_row_a_url_of_its_own() -> Result<()> {
    let (mut labels, mut urls) = (BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        if !labels.insert(case.label.clone()) {
            return Err(Fault::new(format!("two cases are called {}", case.label)));
        }
        for row in &case.rows {
            if !urls.insert(row.url.clone()) || row.kept.is_empty() || row.resized.is_empty() {
                return Err(Fault::new(format!(
                    "{} has a row that is another's, or expects nothing",
                    row.url
                )));
            }
        }
    }
    Ok(())
}
