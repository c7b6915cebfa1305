//! What creates: once, however often it is asked.

use crate::kit::TestServer;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn post(server: &TestServer, path: &str, key: &str, body: Value) -> (StatusCode, Value) {
    let request = server.client.post(server.url(path)).header("Idempotency-Key", key).json(&body);
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn the_same_key_creates_one_job_and_another_body_is_a_conflict() {
    let server = TestServer::start().await;
    let body = json!({"name": "photos", "max_images": 2500, "priority": 7});
    let (status, first) = post(&server, "/v1/jobs", "k", body.clone()).await;
    assert_eq!((status, &first["priority"]), (StatusCode::CREATED, &json!(7)));
    let (status, second) = post(&server, "/v1/jobs", "k", body).await;
    assert_eq!((status, &second["id"]), (StatusCode::OK, &first["id"]));
    let (status, problem) = post(&server, "/v1/jobs", "k", json!({"name": "other"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("key_reused")));
    let (status, problem) = post(&server, "/v1/claims", "k", json!({"worker": "w"})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("key_reused")));
}

#[tokio::test]
async fn many_at_once_with_one_key_create_one_job() {
    let server = TestServer::start().await;
    let asks = (0..20).map(|_| post(&server, "/v1/jobs", "k", json!({"name": "photos"})));
    let answers = futures::future::join_all(asks).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count(), 1);
    assert!(answers.iter().all(|(_, job)| job["id"] == answers[0].1["id"]));
    assert_eq!(server.get("/v1/jobs").await.1["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_claim_with_the_same_key_gets_the_same_chunks() {
    let server = TestServer::start().await;
    server.job(10).await;
    let body = json!({"worker": "w", "limit": 3});
    let (_, first) = post(&server, "/v1/claims", "k", body.clone()).await;
    let (_, second) = post(&server, "/v1/claims", "k", body.clone()).await;
    let ids = |claimed: &Value| -> Vec<Value> {
        claimed["items"].as_array().unwrap().iter().map(|chunk| chunk["id"].clone()).collect()
    };
    assert_eq!((ids(&first).len(), ids(&second)), (3, ids(&first)));
    let (_, other) = post(&server, "/v1/claims", "l", body).await;
    assert!(ids(&other).iter().all(|id| !ids(&first).contains(id)));
}

#[tokio::test]
async fn chunks_are_created_once_and_told_from_conflicts() {
    let server = TestServer::start().await;
    let (_, job) = server.post("/v1/jobs", json!({"name": "photos"})).await;
    let path = format!("/v1/jobs/{}/chunks", job["id"]);
    let (status, made) = server.post(&path, json!({"max_images": 2500, "priority": 7})).await;
    assert_eq!(
        (status, &made["total_chunks"], &made["created"]),
        (StatusCode::CREATED, &json!(5), &json!(true))
    );
    let (status, made) = server.post(&path, json!({"max_images": 2500, "priority": 7})).await;
    assert_eq!((status, &made["created"]), (StatusCode::OK, &json!(false)));
    let (status, problem) = server.post(&path, json!({"max_images": 2501})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("already_chunked")));
    let (_, page) = server.get(&format!("{path}?limit=2")).await;
    assert_eq!(page["items"][1]["image_range"], json!({"start": 500, "end": 999}));
    let (_, rest) = server.get(&format!("{path}?limit=100&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (3, &Value::Null));
    let (_, next) = server.get(&format!("{path}/next")).await;
    assert_eq!(next["chunk_index"], 0);
    let (status, split) =
        post(&server, &format!("/v1/chunks/{}/split", next["id"]), "s", json!({"parts": 2})).await;
    assert_eq!((status, split["items"].as_array().unwrap().len()), (StatusCode::CREATED, 2));
    let (status, again) =
        post(&server, &format!("/v1/chunks/{}/split", next["id"]), "s", json!({"parts": 2})).await;
    assert_eq!((status, again), (StatusCode::OK, split));
}

#[tokio::test]
async fn bulk_create_takes_only_an_exact_cover() {
    let server = TestServer::start().await;
    let (_, job) = server.post("/v1/jobs", json!({"name": "photos"})).await;
    let path = format!("/v1/jobs/{}/chunks", job["id"]);
    let chunk = |index: u64, start: u64, end: u64| json!({"chunk_index": index, "image_range": {"start": start, "end": end}});
    let (status, problem) = server.post(&path, json!({"chunks": [chunk(0, 0, 9), chunk(1, 11, 19)]})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("validation")),
        "{problem}"
    );
    let (status, made) = server.post(&path, json!({"chunks": [chunk(0, 0, 9), chunk(1, 10, 19)]})).await;
    assert_eq!((status, &made["total_chunks"]), (StatusCode::CREATED, &json!(2)), "{made}");
}
