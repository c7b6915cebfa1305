//! Watching a job.

use crate::kit::{PATIENCE, TestServer};
use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// One event of a stream.
#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// Reads events as a browser does, until the stream ends or `enough` of one.
async fn watch(
    server: &TestServer,
    job: i64,
    seen: Option<&str>,
    enough: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let mut request = server.client.get(server.url(&format!("/v1/jobs/{job}/events")));
    if let Some(seen) = seen {
        request = request.header("Last-Event-ID", seen);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut pieces = response.bytes_stream();
    let (mut text, mut events) = (String::new(), Vec::new());
    while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap() {
        text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .unwrap_or_default()
                    .to_owned()
            };
            let data = serde_json::from_str(&field("data")).unwrap_or(Value::Null);
            let event = Event { id: field("id"), kind: field("event"), data };
            text = rest.to_owned();
            if event.kind.is_empty() {
                continue;
            }
            let last = enough(&event);
            events.push(event);
            if last {
                return events;
            }
        }
    }
    events
}

async fn complete(server: &TestServer, chunks: u64) {
    let (_, claimed) = server.post("/v1/claims", json!({"worker": "w", "limit": chunks})).await;
    let items: Vec<Value> = claimed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chunk| json!({"chunk_id": chunk["id"], "attempt": chunk["attempt"]}))
        .collect();
    server.post("/v1/completions", json!({"items": items})).await;
}

#[tokio::test]
async fn a_watcher_hears_every_state_and_the_end() {
    let server = TestServer::start().await;
    let job = server.job(4).await.get();
    let watching = watch(&server, job, None, |_| false);
    let working = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        complete(&server, 2).await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        complete(&server, 2).await;
    };
    let (events, ()) = tokio::join!(watching, working);
    let (first, last) = (events.first().unwrap(), events.last().unwrap());
    assert_eq!((first.kind.as_str(), &first.data["status"]), ("progress", &json!("pending")));
    assert_eq!(
        (last.kind.as_str(), &last.data["status"], &last.data["is_complete"]),
        ("end", &json!("completed"), &json!(true))
    );
    assert!(events.iter().any(|event| event.data["completed_chunks"] == 2), "{events:?}");
    assert!(events.windows(2).all(|pair| pair[0].id != pair[1].id));
}

#[tokio::test]
async fn who_comes_back_hears_only_what_is_different() {
    let server = TestServer::start().await;
    let job = server.job(2).await.get();
    let first = watch(&server, job, None, |_| true).await;
    complete(&server, 1).await;
    let second = watch(&server, job, Some(&first[0].id), |_| true).await;
    assert_eq!(second[0].data["completed_chunks"], 1);
    complete(&server, 1).await;
    let third = watch(&server, job, Some(&second[0].id), |_| false).await;
    assert_eq!((third.len(), third[0].kind.as_str()), (1, "end"));
    // Who has heard the end is told not to come back.
    let request = server
        .client
        .get(server.url(&format!("/v1/jobs/{job}/events")))
        .header("Last-Event-ID", &third[0].id);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_deleted_job_ends_its_streams_and_has_no_new_ones() {
    let server = TestServer::start().await;
    let job = server.job(2).await.get();
    let watching = watch(&server, job, None, |_| false);
    let deleting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.client.delete(server.url(&format!("/v1/jobs/{job}"))).send().await.unwrap()
    };
    let (events, deleted) = tokio::join!(watching, deleting);
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(events.last().unwrap().kind, "deleted");
    assert_eq!(server.get(&format!("/v1/jobs/{job}/events")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn watchers_that_never_read_hold_nobody_up() {
    let server = TestServer::start().await;
    let job = server.job(3).await.get();
    let mut silent = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /v1/jobs/{job}/events HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let watching = watch(&server, job, None, |_| false);
    let (events, ()) = tokio::join!(watching, complete(&server, 3));
    assert_eq!(events.last().unwrap().kind, "end");
    drop(silent);
}

#[tokio::test]
async fn a_revoked_token_hears_no_more() {
    let server = TestServer::start().await;
    let job = server.job(1).await;
    let actor = ream::Actor::operator();
    let made = ream::create_token(&*server.store, "watcher", ream::Role::Viewer, None, &actor).await;
    let (stored, token) = made.unwrap();
    let url = server.url(&format!("/v1/jobs/{job}/events"));
    let stream = server.client.get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    server.store.revoke_token(stored.id, &actor).await.unwrap();
    let heard = tokio::time::timeout(PATIENCE, stream.text()).await.unwrap().unwrap();
    assert!(heard.contains("event: progress") && !heard.contains("event: end"), "{heard}");
}
