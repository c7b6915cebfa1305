//! `ream serve`, and commands that ask a server.
#![cfg(unix)]

use crate::harness::Session;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a session's folder; killed when dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(session: &Session, more: &[&str]) -> Self {
        Self::of(session.command(&["serve", "--listen", "127.0.0.1:0"]).args(more))
    }

    fn of(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim_end().to_owned() }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends a request as it is written; gives the connection.
    fn send(&self, head: &str, body: &str) -> TcpStream {
        let mut stream = self.connect();
        let request = format!("{head} HTTP/1.1\r\nhost: localhost\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The whole answer to a question.
    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.send(&format!("GET {path}"), "connection: close\r\n\r\n").read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and gives what it had said on standard error.
    fn end(mut self) -> (ExitStatus, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap(), said)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_says_where_it_listens_and_is_ready() {
    let session = Session::new();
    let server = Served::start(&session, &[]);
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200 "));
    assert!(server.get("/v1/jobs").contains(r#"{"items":[],"next":null}"#));
    server.signal("TERM");
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("serving sqlite:ream.db; how it is used: http://127.0.0.1:"), "{said}");
}

#[test]
fn commands_answer_through_a_server_as_from_the_database() {
    let session = Session::with_job();
    let server = Served::start(&session, &[]);
    let ask = |args: &[&str]| {
        let through_server = session.quietly(&[args, &["--server", &server.url]].concat());
        let from_database = session.quietly(&[args, &["--database", "sqlite:ream.db"]].concat());
        assert_eq!(told(&through_server), told(&from_database), "{args:?}");
    };
    let looks: &[&[&str]] = &[
        &["jobs", "list"],
        &["jobs", "list", "--json"],
        &["jobs", "show", "1"],
        &["jobs", "show", "1", "--json"],
        &["jobs", "show", "9"],
        &["chunks", "list", "1"],
        &["chunks", "list", "1", "--json", "--limit", "2"],
        &["chunks", "list", "9"],
        &["chunks", "show", "3"],
        &["chunks", "show", "9", "--json"],
        &["chunks", "explain", "3"],
        &["activity"],
        &["activity", "--json"],
        &["verify", "1"],
        &["verify", "--all"],
        &["watch", "1", "--once"],
        &["plan", "--images", "2500"],
    ];
    looks.iter().for_each(|args| ask(args));
    let acts: &[&[&str]] = &[
        &["jobs", "create", "--name", "more", "--images", "10", "--start"],
        &["jobs", "pause", "1"],
        &["jobs", "priority", "2", "9"],
        &["chunks", "priority", "3", "7"],
        &["jobs", "cancel", "2", "--yes"],
        &["jobs", "resume", "1"],
    ];
    for args in acts {
        let output = session.quietly(&[args, &["--server", &server.url][..]].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        looks.iter().for_each(|args| ask(args));
    }
    let names = session.quietly(&["jobs", "list"]).stdout;
    assert!(String::from_utf8_lossy(&names).contains("more"));
}

#[test]
fn a_server_with_tokens_wants_one_and_no_log_has_it() {
    let session = Session::with_job();
    let made = session.quietly(&["tokens", "create", "--name", "ops", "--role", "operator", "-q"]);
    let token = String::from_utf8(made.stdout).unwrap().trim_end().to_owned();
    let server = Served::start(&session, &["-vvv"]);
    let with = |token: Option<&str>, args: &[&str]| {
        let mut command = session.command(args);
        command.args(["-vvv", "--server", &server.url]);
        let output = command.envs(token.map(|token| ("REAM_TOKEN", token))).output().unwrap();
        told(&output)
    };
    let (code, _, said) = with(None, &["jobs", "list"]);
    assert!(code == Some(5) && said.contains("has no token"), "{code:?} {said}");
    let (code, _, said) = with(Some("ream_1_00"), &["jobs", "list"]);
    assert!(code == Some(5) && said.contains("token is not known"), "{code:?} {said}");
    let (code, list, mut logs) = with(Some(&token), &["jobs", "list"]);
    assert!(code == Some(0) && list.contains("photos"), "{code:?} {logs}");
    let (code, _, said) = with(Some(&token), &["jobs", "pause", "1"]);
    assert_eq!(code, Some(0), "{said}");
    let (_, activity, _) = with(Some(&token), &["activity", "--limit", "1"]);
    assert!(activity.contains("ops"), "{activity}");
    server.signal("TERM");
    logs += &said;
    logs += &server.end().1;
    let secret = token.rsplit('_').next().unwrap();
    assert!(logs.contains("ops") && !logs.contains(secret), "{logs}");
}

#[test]
fn what_is_asked_is_named_once() {
    let session = Session::with_job();
    let server = "http://127.0.0.1:9";
    let code = |args: &[&str], env: &[(&str, &str)]| {
        let output = session.command(args).envs(env.iter().copied()).output().unwrap();
        told(&output)
    };
    let list = &["jobs", "list"][..];
    let flags = [list, &["--server", server, "--database", "sqlite:ream.db"]].concat();
    assert_eq!(code(&flags, &[]).0, Some(2));
    let variables = [("REAM_SERVER", server), ("REAM_DATABASE", "sqlite:ream.db")];
    let (status, _, said) = code(list, &variables);
    assert!(status == Some(2) && said.contains("REAM_SERVER") && said.contains("REAM_DATABASE"), "{said}");
    // A flag counts before a variable.
    let flag = [list, &["--database", "sqlite:ream.db"]].concat();
    assert_eq!(code(&flag, &[("REAM_SERVER", server)]).0, Some(0));
    // These are done on the database itself.
    for args in [&["tokens", "list"][..], &["serve"], &["migrate"]] {
        let (status, _, said) = code(&[args, &["--server", server]].concat(), &[]);
        assert!(status == Some(2) && said.contains("on the database itself"), "{args:?}: {said}");
    }
    let (status, _, said) = code(&[list, &["--server", "ftp://127.0.0.1"]].concat(), &[]);
    assert!(status == Some(2) && said.contains("--server"), "{said}");
}

#[test]
fn a_list_that_is_sent_again_is_the_same_job_and_another_one_takes_nothing_away() {
    let session = Session::new();
    let served = Served::start(&session, &["--storage", "datasets"]);
    let list = session.path().join("list.txt");
    let create = || {
        let args =
            ["jobs", "create", "--name", "a", "--out", "a", "--list", "list.txt", "--server", &served.url];
        session.command(&args).output().unwrap()
    };
    std::fs::write(&list, "https://a.example/1.jpg\n").unwrap();
    assert_eq!(told(&create()).0, Some(0));
    let (code, stdout, _) = told(&create());
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("job 1 "), "{stdout}");
    std::fs::write(&list, "https://a.example/1.jpg\nhttps://a.example/2.jpg\n").unwrap();
    let (code, _, stderr) = told(&create());
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("job 1 is of this very command"), "{stderr}");
    let show = session.command(&["jobs", "show", "1", "--server", &served.url]).output().unwrap();
    assert_eq!(told(&show).0, Some(0), "the job is still there");
}

#[test]
fn a_server_out_of_reach_is_told_soon() {
    let session = Session::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Instant::now();
    let server = format!("http://127.0.0.1:{port}");
    let (code, _, said) = told(&session.quietly(&["jobs", "list", "--server", &server]));
    assert!(code == Some(5) && said.contains(&server), "{said}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_it_cannot_serve_with_ends_it_with_a_reason() {
    let session = Session::new();
    session.file("text.pem", "no certificate\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (args, code, reason) in [
        (&["--listen", "0.0.0.0:0"][..], 2, "ream tokens create"),
        (&["--listen", "here"], 2, "--listen"),
        (&["--listen", &taken], 1, "cannot listen"),
        (&["--tls-cert", "text.pem"], 2, "--tls-key"),
        (&["--tls-cert", "none.pem", "--tls-key", "none.pem"], 2, "none.pem"),
        (&["--tls-cert", "text.pem", "--tls-key", "text.pem"], 2, "text.pem"),
        (&["--max-connections", "0"], 2, "--max-connections"),
        (&["--rate-limit", "many"], 2, "--rate-limit"),
    ] {
        let listen: &[&str] = if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        let (status, out, said) = told(&session.quietly(&[&["serve"], listen, args].concat()));
        assert!(status == Some(code) && said.contains(reason), "{args:?}: {status:?} {said}");
        assert_eq!(out, "", "{args:?}");
    }
}

#[test]
fn told_to_end_it_ends_what_waits() {
    let session = Session::with_job();
    let server = Served::start(&session, &[]);
    let claim = r#"{"worker":"w","job_id":1,"limit":5}"#;
    let body = |text: &str| {
        format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len())
    };
    let mut taken = server.send("POST /v1/claims", &body(claim));
    taken.read_exact(&mut [0; 12]).unwrap();
    // Nothing is left: this one waits.
    let mut waiting = server.send("POST /v1/claims", &body(r#"{"worker":"w","wait_s":60}"#));
    let mut events = server.send("GET /v1/jobs/1/events", "\r\n");
    let mut told = Vec::new();
    while !String::from_utf8_lossy(&told).contains("event: progress") {
        let mut piece = [0; 512];
        let read = events.read(&mut piece).unwrap();
        told.extend_from_slice(&piece[..read]);
    }
    let started = Instant::now();
    server.signal("TERM");
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    events.read_to_end(&mut told).unwrap();
    let (status, said) = server.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(answer.is_empty() || answer.contains("HTTP/1.1 200"), "{answer}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn told_twice_to_end_it_ends_at_once() {
    let session = Session::new();
    let mut server = Served::start(&session, &[]);
    // A request whose body does not come: it has its time, even when the server is told to stop.
    let head = "content-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let _request = server.send("POST /v1/jobs", head);
    assert!(server.get("/metrics").contains("ream_http_requests_in_flight 2"));
    let mut said = BufReader::new(server.child.stderr.take().unwrap());
    server.signal("TERM");
    let mut line = String::new();
    while !line.contains("again to end at once") {
        line.clear();
        said.read_line(&mut line).unwrap();
    }
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(130));
}

#[test]
fn each_request_is_one_line_of_the_log() {
    let session = Session::new();
    let server = Served::start(&session, &["-v", "--log-format", "json"]);
    server.get("/healthz");
    server.get("/v1/jobs/7");
    server.signal("TERM");
    let (_, said) = server.end();
    let lines = said.lines().filter(|line| line.starts_with('{'));
    let lines: Vec<serde_json::Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<_> = lines.iter().filter(|line| line["method"] == "GET").collect();
    assert_eq!(requests.len(), 2, "{said}");
    assert_eq!((&requests[0]["route"], &requests[0]["status"]), (&"/healthz".into(), &200.into()), "{said}");
    assert_eq!(
        (&requests[1]["code"], &requests[1]["level"]),
        (&"not_found".into(), &"INFO".into()),
        "{said}"
    );
    assert!(requests[1]["span"]["request_id"].is_string() && requests[1]["duration_ms"].is_f64(), "{said}");
    // Without -v there are none.
    let quiet = Served::start(&session, &[]);
    quiet.get("/healthz");
    quiet.signal("TERM");
    assert!(!quiet.end().1.contains("/healthz"));
}

#[cfg(feature = "otel")]
#[test]
fn requests_are_sent_to_a_collector_as_spans() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let session = Session::new();
    let mut serve = session.command(&["serve", "--listen", "127.0.0.1:0"]);
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let server = Served::of(serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint));
    server.get("/v1/jobs/7");
    // What it has not sent by then it sends at its end.
    server.signal("TERM");
    let (mut sent, _) = collector.accept().unwrap();
    sent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut spans = Vec::new();
    while !String::from_utf8_lossy(&spans).contains("GET /v1/jobs/{job_id}") {
        let mut piece = [0; 4096];
        let read = sent.read(&mut piece).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&spans));
        spans.extend_from_slice(&piece[..read]);
    }
    assert!(spans.starts_with(b"POST /v1/traces "));
    sent.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    assert_eq!(server.end().0.code(), Some(0));
}
