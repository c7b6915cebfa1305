//! Clients that do all that clients should not, by the thousand: the server's memory stays flat, and it goes on answering who behaves.
#![allow(clippy::print_stdout, reason = "a test")]

use ream_system_tests::process::run;
use ream_system_tests::server::{Database, Server};
use ream_test_servers::{Fault, Result, cannot, until};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const HALF_HEADS: usize = 2_000;
const WATCHERS: usize = 500;
const BODIES: usize = 200;
const BAD_REQUESTS: usize = 10_000;
/// Bad requests on one connection.
const BATCH: usize = 25;
const THREADS: usize = 8;
/// What an endless body would send if it were let.
const ENDLESS_BYTES: usize = 16 << 20;

/// The server itself, SQLite's caches and the code that was touched take some 100 MiB unoptimised; 128 MiB are for bodies; nearly three
/// thousand connections have some 20 KiB each, and what the allocator keeps is as much again.
const MOST_MEMORY_BYTES: u64 = 400 << 20;

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn crowds_of_hostile_clients_cost_little_and_the_server_goes_on() -> Result<()> {
    allow_files(std::process::id(), 8192)?;
    let database = Database::new()?;
    let create = ["jobs", "create", "--name", "a", "--images", "1000", "--start"];
    database.ream(create).run(Duration::from_secs(60))?.expect_code(0)?;
    let server = Server::start(&database)?;
    let started = Instant::now();

    let half = |_| opened(&server, "GET /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half: ");
    let heads: Vec<TcpStream> = (0..HALF_HEADS).map(half).collect::<Result<_>>()?;
    let watch = |_| opened(&server, "GET /v1/jobs/1/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    let watchers: Vec<TcpStream> = (0..WATCHERS).map(watch).collect::<Result<_>>()?;
    std::thread::scope(|scope| {
        let bodies = scope.spawn(|| endless_bodies(&server));
        let bad = (0..THREADS).map(|_| scope.spawn(|| bad_requests(&server)));
        let bad: Vec<_> = bad.collect();
        for thread in bad.into_iter().chain([bodies]) {
            thread.join().map_err(|_| Fault::new("a thread panicked"))??;
        }
        Ok::<_, Fault>(())
    })?;
    // The watchers hear of it, and do not listen.
    for verb in ["pause", "resume"] {
        expect(&server, "POST", &format!("/v1/jobs/1/{verb}"), "", 200)?;
    }
    behaves(&server)?;
    let memory = server.process.peak_memory_bytes().ok_or_else(|| Fault::new("the server is gone"))?;
    println!("{} MiB at most, after {:?}", memory >> 20, started.elapsed());
    drop((heads, watchers));
    behaves(&server)?;
    if memory > MOST_MEMORY_BYTES {
        return Err(Fault::new(format!("it took {memory} bytes of memory")));
    }
    Ok(())
}

#[test]
fn a_server_that_has_no_files_left_waits_for_some() -> Result<()> {
    let database = Database::new()?;
    let server = Server::start(&database)?;
    behaves(&server)?;
    let open = |_| opened(&server, "GET /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half: ");
    allow_files(server.process.id(), 64)?;
    let crowd: Vec<TcpStream> = (0..200).map(open).collect::<Result<_>>()?;
    until("the server to run out of files", Duration::from_secs(60), || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", server.process.id()));
        let open = open.map_err(cannot("count the server's files"))?.count();
        Ok((open >= 64).then_some(()))
    })?;
    drop(crowd);
    behaves(&server)
}

/// Sets how many files a process may have open.
fn allow_files(process: u32, files: u32) -> Result<()> {
    run(Command::new("prlimit").args([&format!("--nofile={files}:"), "--pid", &process.to_string()]))
        .map(|_| ())
}

/// A connection on which this was sent.
fn opened(server: &Server, text: &str) -> Result<TcpStream> {
    let mut stream = server.connect()?;
    stream.write_all(text.as_bytes()).map_err(cannot("send a request"))?;
    Ok(stream)
}

/// All at once, piece by piece; each is to be cut off long before it has sent all that it would.
fn endless_bodies(server: &Server) -> Result<()> {
    let head =
        format!("POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    let mut piece = format!("{:x}\r\n", 1 << 16).into_bytes();
    piece.extend(vec![b' '; 1 << 16]);
    piece.extend(b"\r\n");
    let mut bodies: Vec<TcpStream> = (0..BODIES).map(|_| opened(server, &head)).collect::<Result<_>>()?;
    for stream in &bodies {
        stream.set_nonblocking(true).map_err(cannot("set a connection up"))?;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut sent = 0;
    while !bodies.is_empty() {
        bodies.retain_mut(|stream| match stream.write(&piece) {
            // A part of a piece makes what follows no chunk: all the worse.
            Ok(bytes) => {
                sent += bytes;
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        });
        if Instant::now() > deadline || sent > BODIES * ENDLESS_BYTES {
            return Err(Fault::new(format!("{} bodies go on after {sent} bytes", bodies.len())));
        }
    }
    Ok(())
}

/// Each answered with a refusal; what is not even HTTP ends its connection.
fn bad_requests(server: &Server) -> Result<()> {
    let request = |line: &str, headers: &str, body: &str| {
        format!("{line} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
    };
    let bad = [
        request("POST /v1/jobs", JSON, "{\"name\": "),
        request("POST /v1/jobs", JSON, "{\"name\": 7}"),
        request("POST /v1/jobs", "content-type: text/plain\r\n", "name"),
        request("GET /v1/nothing", "", ""),
        request("BREW /v1/jobs", "", ""),
        request("GET /v1/jobs/99999999999999999999", "", ""),
        request("POST /v1/claims", JSON, "{\"worker\": \"w\", \"limit\": 100000}"),
        request("POST /v1/jobs", &format!("{JSON}idempotency-key: a b\r\n"), "{\"name\": \"a\"}"),
    ];
    for batch in 0..BAD_REQUESTS / THREADS / BATCH {
        let mut stream = server.connect()?;
        let mut sent: String = (0..BATCH).map(|n| bad[(batch + n) % bad.len()].as_str()).collect();
        sent.push_str("this is no HTTP\r\n\r\n");
        stream.write_all(sent.as_bytes()).map_err(cannot("send bad requests"))?;
        let mut answers = Vec::new();
        // It may be reset once all is answered.
        let _ = stream.read_to_end(&mut answers);
        let answers = String::from_utf8_lossy(&answers);
        let refused = answers.matches("HTTP/1.1 4").count();
        if refused < BATCH || answers.contains("HTTP/1.1 2") || answers.contains("HTTP/1.1 5") {
            return Err(Fault::new(format!("{refused} of {BATCH} bad requests were refused: {answers}")));
        }
    }
    Ok(())
}

/// Who behaves is answered.
fn behaves(server: &Server) -> Result<()> {
    expect(server, "GET", "/readyz", "", 200)?;
    expect(server, "POST", "/v1/jobs", "{\"name\": \"b\", \"max_images\": 5}", 201)
}

fn expect(server: &Server, method: &str, path: &str, body: &str, status: u16) -> Result<()> {
    match server.ask(method, path, body)? {
        (found, _) if found == status => Ok(()),
        (_, answer) => Err(Fault::new(format!("{method} {path} is answered {answer}"))),
    }
}
