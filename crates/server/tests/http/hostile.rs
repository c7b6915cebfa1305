//! What clients should not send: each gets its problem document or is cut off, and the next request works.

use crate::kit::{PATIENCE, TestServer};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request by its first line, further headers and body, with the status and code that it must get.
struct Bad {
    what: &'static str,
    line: String,
    headers: String,
    body: Vec<u8>,
    /// 0: cut off, or refused by the protocol's own rules before any route.
    status: u16,
    code: &'static str,
}

fn bad(
    what: &'static str,
    line: impl Into<String>,
    headers: impl Into<String>,
    body: impl Into<Vec<u8>>,
    status: u16,
    code: &'static str,
) -> Bad {
    Bad { what, line: line.into(), headers: headers.into(), body: body.into(), status, code }
}

const JSON: &str = "content-type: application/json\r\n";

fn post(what: &'static str, path: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Bad {
    bad(what, format!("POST {path} HTTP/1.1"), JSON, body, status, code)
}

fn get(what: &'static str, path: &str, status: u16, code: &'static str) -> Bad {
    bad(what, format!("GET {path} HTTP/1.1"), "", "", status, code)
}

/// The table.
fn requests() -> Vec<Bad> {
    let deep = format!("{{\"name\":\"a\",\"recipe\": {}", "[".repeat(100_000));
    let long_name = format!("{{\"name\": \"{}\"}}", "n".repeat(300));
    let many = json!({"items": vec![json!({"chunk_id": 1, "attempt": 1}); 1001]}).to_string();
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(3 << 20));
    vec![
        // JSON that is none.
        post("no JSON", "/v1/jobs", "hello", 400, "bad_json"),
        post("JSON that breaks off", "/v1/jobs", "{\"name\": \"a", 400, "bad_json"),
        post("two documents", "/v1/jobs", "{\"name\":\"a\"}{\"name\":\"b\"}", 400, "bad_json"),
        post("a byte order mark", "/v1/jobs", b"\xef\xbb\xbf{}".to_vec(), 400, "bad_json"),
        post("no UTF-8", "/v1/jobs", b"{\"name\": \"\xff\xfe\"}".to_vec(), 400, "bad_json"),
        post("a lone surrogate", "/v1/jobs", "{\"name\": \"\\ud800\"}", 400, "bad_json"),
        post("nested beyond reason", "/v1/jobs", deep, 400, "bad_json"),
        post("a number beyond reason", "/v1/jobs", "{\"name\":\"a\",\"max_images\":1e999}", 400, "bad_json"),
        post("zero bytes", "/v1/jobs", vec![0; 100], 400, "bad_json"),
        // JSON that says something else.
        post("an array", "/v1/jobs", "[]", 422, "validation"),
        post("null", "/v1/jobs", "null", 422, "validation"),
        post("a string", "/v1/jobs", "\"name\"", 422, "validation"),
        post("nothing", "/v1/jobs", "", 422, "validation"),
        post("no name", "/v1/jobs", "{}", 422, "validation"),
        post("a field twice", "/v1/jobs", "{\"name\":\"a\",\"name\":\"b\"}", 422, "validation"),
        post("an unknown field", "/v1/jobs", "{\"name\":\"a\",\"nmae\":\"b\"}", 422, "validation"),
        post("a name that is a number", "/v1/jobs", "{\"name\":7}", 422, "validation"),
        post("a long name", "/v1/jobs", long_name, 422, "validation"),
        post("an empty name", "/v1/jobs", "{\"name\":\"\"}", 422, "validation"),
        post("a name of two lines", "/v1/jobs", "{\"name\":\"a\\nb\"}", 422, "validation"),
        post("a name with a zero byte", "/v1/jobs", "{\"name\":\"a\\u0000\"}", 422, "validation"),
        post("no images", "/v1/jobs", "{\"name\":\"a\",\"max_images\":0}", 422, "validation"),
        post("negative images", "/v1/jobs", "{\"name\":\"a\",\"max_images\":-1}", 422, "validation"),
        post(
            "images beyond 64 bits",
            "/v1/jobs",
            "{\"name\":\"a\",\"max_images\":99999999999999999999}",
            422,
            "validation",
        ),
        post("half an image", "/v1/jobs", "{\"name\":\"a\",\"max_images\":1.5}", 422, "validation"),
        post("a priority of 11", "/v1/jobs", "{\"name\":\"a\",\"priority\":11}", 422, "validation"),
        post("chunks of no image", "/v1/jobs", "{\"name\":\"a\",\"chunk_size\":0}", 422, "validation"),
        post("an unknown executor", "/v1/jobs", "{\"name\":\"a\",\"executor\":\"magic\"}", 422, "validation"),
        post(
            "a lease shorter than a heartbeat",
            "/v1/jobs",
            "{\"name\":\"a\",\"policy\":{\"heartbeat_interval_s\":20}}",
            422,
            "validation",
        ),
        post("a policy that is a list", "/v1/jobs", "{\"name\":\"a\",\"policy\":[]}", 422, "validation"),
        post("a recipe that is a list", "/v1/jobs", "{\"name\":\"a\",\"recipe\":[]}", 422, "validation"),
        post("claims without a worker", "/v1/claims", "{}", 422, "validation"),
        post("claims of none", "/v1/claims", "{\"worker\":\"w\",\"limit\":0}", 422, "validation"),
        post("claims of too many", "/v1/claims", "{\"worker\":\"w\",\"limit\":1001}", 422, "validation"),
        post("an endless wait", "/v1/claims", "{\"worker\":\"w\",\"wait_s\":1e300}", 422, "validation"),
        post("a wait into the past", "/v1/claims", "{\"worker\":\"w\",\"wait_s\":-1}", 422, "validation"),
        post(
            "a claim of a job that is not there",
            "/v1/claims",
            "{\"worker\":\"w\",\"job_id\":777}",
            404,
            "not_found",
        ),
        post("too many completions", "/v1/completions", many.clone(), 422, "validation"),
        post("too many heartbeats", "/v1/heartbeats", many, 422, "validation"),
        post(
            "an outcome that climbs",
            "/v1/chunks/1/completed",
            "{\"attempt\":1,\"outcome\":{\"images_ok\":1,\"outputs\":[\"../x\"]}}",
            422,
            "validation",
        ),
        post("a split into nothing", "/v1/chunks/1/split", "{\"parts\":0}", 422, "validation"),
        post("an unknown role", "/v1/tokens", "{\"name\":\"a\",\"role\":\"god\"}", 422, "validation"),
        post("a body of 3 MiB", "/v1/jobs", large, 413, "too_large"),
        // Paths and queries.
        get("no such route", "/v1/nothing", 404, "not_found"),
        get("a route in capitals", "/V1/JOBS", 404, "not_found"),
        get("an id that is a word", "/v1/jobs/abc", 422, "validation"),
        get("an id beyond 64 bits", "/v1/jobs/99999999999999999999", 422, "validation"),
        get("an id that is not there", "/v1/jobs/777", 404, "not_found"),
        get("a negative id", "/v1/chunks/-1", 404, "not_found"),
        get("an id with an escape that is no text", "/v1/jobs/%ff", 400, "bad_request"),
        get("a climbing path", "/docs/../../etc/passwd", 404, "not_found"),
        get("a limit of 0", "/v1/jobs?limit=0", 422, "validation"),
        get("a limit of 1001", "/v1/jobs?limit=1001", 422, "validation"),
        get("a limit that is a word", "/v1/jobs?limit=many", 422, "validation"),
        get("a cursor of one's own", "/v1/jobs?cursor=7", 422, "validation"),
        get("an unknown status", "/v1/jobs?status=asleep", 422, "validation"),
        get("an unknown field of a query", "/v1/jobs?offset=7", 422, "validation"),
        get("a field twice", "/v1/jobs?limit=1&limit=2", 422, "validation"),
        // Methods and media types.
        bad("a method of one's own", "BREW /v1/jobs HTTP/1.1", "", "", 405, "method_not_allowed"),
        bad("a method that is not there", "PUT /v1/jobs HTTP/1.1", JSON, "{}", 405, "method_not_allowed"),
        bad("no content type", "POST /v1/jobs HTTP/1.1", "", "{}", 415, "unsupported_media_type"),
        bad(
            "a form",
            "POST /v1/jobs HTTP/1.1",
            "content-type: application/x-www-form-urlencoded\r\n",
            "name=a",
            415,
            "unsupported_media_type",
        ),
        bad(
            "a content type that is no text",
            "POST /v1/jobs HTTP/1.1",
            "content-type: \u{80}\r\n",
            "{}",
            415,
            "unsupported_media_type",
        ),
        bad(
            "an idempotency key with a space",
            "POST /v1/jobs HTTP/1.1",
            format!("{JSON}idempotency-key: a b\r\n"),
            "{\"name\":\"a\"}",
            422,
            "validation",
        ),
        bad(
            "an idempotency key that is too long",
            "POST /v1/jobs HTTP/1.1",
            format!("{JSON}idempotency-key: {}\r\n", "k".repeat(256)),
            "{\"name\":\"a\"}",
            422,
            "validation",
        ),
        bad(
            "a foreign page's request",
            "POST /v1/jobs HTTP/1.1",
            format!("{JSON}origin: http://evil.example\r\n"),
            "{\"name\":\"a\"}",
            403,
            "forbidden",
        ),
        // Not even HTTP.
        bad(
            "a head beyond all bounds",
            "GET /v1/jobs HTTP/1.1",
            format!("x-long: {}\r\n", "x".repeat(100_000)),
            "",
            0,
            "",
        ),
        bad("a thousand headers", "GET /v1/jobs HTTP/1.1", "x: y\r\n".repeat(1000), "", 0, ""),
        bad("a path beyond all bounds", format!("GET /{} HTTP/1.1", "p".repeat(100_000)), "", "", 0, ""),
        bad("a header without a colon", "GET /v1/jobs HTTP/1.1", "nonsense\r\n", "", 0, ""),
        bad("a line that is none", "nonsense", "", "", 0, ""),
        bad(
            "two lengths",
            "POST /v1/jobs HTTP/1.1",
            format!("{JSON}content-length: 2\r\n"),
            "{\"name\":\"a\"}",
            0,
            "",
        ),
        bad(
            "a length and chunks",
            "POST /v1/jobs HTTP/1.1",
            format!("{JSON}transfer-encoding: chunked\r\n"),
            "0\r\n\r\n",
            0,
            "",
        ),
    ]
}

#[tokio::test]
async fn every_bad_request_gets_its_problem_document_and_the_next_one_works() {
    let server = TestServer::start().await;
    let requests = requests();
    assert!(requests.len() >= 50);
    for request in requests {
        let Bad { what, line, headers, body, status, code } = request;
        let head = format!(
            "{line}\r\nhost: {}\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n",
            server.address,
            body.len()
        );
        let mut bytes: Vec<u8> = head.into_bytes();
        bytes.extend_from_slice(&body);
        let answer = server.raw(&bytes).await;
        if status == 0 {
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        } else {
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains("content-type: application/problem+json"), "{what}: {head}");
            assert!(head.contains("x-request-id: "), "{what}: {head}");
            let problem: Value = serde_json::from_str(body).unwrap();
            assert_eq!(
                (&problem["code"], &problem["status"]),
                (&json!(code), &json!(status)),
                "{what}: {problem}"
            );
            assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
            if code == "validation" {
                let error = &problem["errors"][0];
                assert!(error["field"].is_string() && error["allowed"].is_string(), "{what}: {problem}");
            }
        }
        assert_eq!(server.get("/readyz").await.0, StatusCode::OK, "after {what}");
    }
    assert_eq!(server.get("/v1/jobs").await.1["items"], json!([]));
}

/// Whether the server closes the connection, with an answer or without.
async fn is_cut_off(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.is_ok()
}

#[tokio::test]
async fn who_is_slow_is_cut_off() {
    let server = TestServer::start_with(|config| {
        config.limits.head_timeout = Duration::from_millis(200);
        config.limits.body_timeout = Duration::from_millis(200);
    })
    .await;
    // A head that never ends.
    let mut head = TcpStream::connect(server.address).await.unwrap();
    head.write_all(b"GET /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ").await.unwrap();
    assert!(is_cut_off(&mut head).await);
    // A connection that says nothing.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert!(is_cut_off(&mut silent).await);
    // A body that never comes.
    let mut body = TcpStream::connect(server.address).await.unwrap();
    let request = "POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    body.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, body.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"timeout\""), "{answer}");
    assert!(is_cut_off(&mut body).await);
    assert_eq!(server.get("/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off_at_the_limit() {
    let server = TestServer::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut piece = format!("{:x}\r\n", 1 << 16).into_bytes();
    piece.extend(vec![b' '; 1 << 16]);
    piece.extend(b"\r\n");
    let mut sent = 0;
    // Far more than the limit and what the system keeps on the way.
    while sent < (256 << 20) && stream.write_all(&piece).await.is_ok() {
        sent += piece.len();
    }
    assert!(sent < (256 << 20), "all of it was read");
    assert_eq!(server.get("/readyz").await.0, StatusCode::OK);
}
