//! How a server ends.

use crate::kit::TestServer;
use ream::{Actor, Role, SqliteOptions, SqliteStore, Store};
use ream_server::{Server, ServerConfig, ServerError};
use reqwest::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn waiting_claims_are_answered_and_nothing_new_is_taken() {
    let mut server = TestServer::start().await;
    let url = server.url("/v1/claims");
    let client = server.client.clone();
    let waiting = tokio::spawn(async move {
        client.post(url).json(&json!({"worker": "w", "wait_s": 60})).send().await.unwrap()
    });
    // It waits once the line is there; asking for anything else gives it the time to get there.
    tokio::time::sleep(Duration::from_millis(200)).await;
    server.tell_to_stop();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.json::<serde_json::Value>().await.unwrap(), json!({"items": []}));
    let url = server.url("/healthz");
    let client = server.client.clone();
    assert_eq!(server.stop().await, 0);
    assert!(client.get(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn streams_end_and_idle_connections_are_closed() {
    let server = TestServer::start().await;
    let job = server.job(1).await;
    let stream = server.client.get(server.url(&format!("/v1/jobs/{job}/events"))).send().await.unwrap();
    server.get("/healthz").await;
    assert_eq!(server.stop().await, 0);
    let told = stream.text().await.unwrap();
    assert!(told.contains("event: progress") && !told.contains("event: end"), "{told}");
}

#[tokio::test]
async fn without_tokens_a_server_refuses_to_be_reached_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("ream.db"));
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).unwrap());
    let config = ServerConfig::new(([0, 0, 0, 0], 0).into());
    let refused = Server::bind(store.clone(), config.clone()).await.err().unwrap();
    assert!(matches!(refused, ServerError::NoTokens(_)));
    assert!(refused.to_string().contains("ream tokens create"), "{refused}");
    ream::create_token(&*store, "a", Role::Admin, None, &Actor::operator()).await.unwrap();
    assert!(Server::bind(store, config).await.is_ok());
}
