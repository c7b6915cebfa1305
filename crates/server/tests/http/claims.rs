//! Claims that wait, and everything that follows a claim.

use crate::kit::TestServer;
use ream::Actor;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_waiting_claim_gets_a_chunk_as_soon_as_there_is_one() {
    let server = TestServer::start().await;
    let job_id = server.job(0).await;
    let waiting = server.post("/v1/claims", json!({"worker": "w", "wait_s": 30}));
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begun = Instant::now();
        server.store.create_chunks_step(job_id, 5, None, &Actor::operator()).await.unwrap();
        begun
    };
    let ((status, claimed), begun) = tokio::join!(waiting, later);
    assert_eq!((status, claimed["items"].as_array().unwrap().len()), (StatusCode::OK, 1));
    assert!(begun.elapsed() < Duration::from_secs(10));
    let chunk = &claimed["items"][0];
    assert_eq!(
        (&chunk["status"], &chunk["task_id"], &chunk["attempt"]),
        (&json!("processing"), &json!("w"), &json!(1))
    );
    assert_eq!(
        (&chunk["lease_duration_ms"], &chunk["heartbeat_interval_ms"]),
        (&json!(15_000), &json!(5000))
    );
}

#[tokio::test]
async fn of_many_that_wait_each_gets_its_own_chunk() {
    let server = TestServer::start().await;
    let job_id = server.job(0).await;
    let waiting =
        (0..50).map(|n| server.post("/v1/claims", json!({"worker": format!("w{n}"), "wait_s": 60})));
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.store.create_chunks_step(job_id, 50 * 5, None, &Actor::operator()).await.unwrap();
    };
    let (claims, ()) = tokio::join!(futures::future::join_all(waiting), later);
    let mut ids: Vec<i64> =
        claims.iter().map(|(_, claimed)| claimed["items"][0]["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[tokio::test]
async fn a_claim_that_waits_in_vain_is_answered_in_time() {
    let server = TestServer::start().await;
    let (status, claimed) = server.post("/v1/claims", json!({"worker": "w", "wait_s": 0.2})).await;
    assert_eq!((status, claimed), (StatusCode::OK, json!({"items": []})));
}

#[tokio::test]
async fn the_whole_life_of_a_chunk() {
    let server = TestServer::start().await;
    let job_id = server.job(3).await;
    let (_, claimed) = server.post("/v1/claims", json!({"worker": "w", "limit": 2})).await;
    let ids: Vec<Value> =
        claimed["items"].as_array().unwrap().iter().map(|chunk| chunk["id"].clone()).collect();
    let beats = json!({"items": [
        {"chunk_id": ids[0], "attempt": 1, "progress": {"images_done": 3}},
        {"chunk_id": ids[1], "attempt": 2},
        {"chunk_id": 777, "attempt": 1},
    ]});
    let (_, answers) = server.post("/v1/heartbeats", beats).await;
    let answers = &answers["items"];
    assert_eq!((&answers[0]["action"], &answers[0]["stop_before"]), (&json!("continue"), &Value::Null));
    assert_eq!(answers[0]["chunk"]["progress"]["images_done"], 3);
    assert_eq!((&answers[1]["chunk_id"], &answers[1]["error"]["code"]), (&ids[1], &json!("lease_lost")));
    assert_eq!(answers[2]["error"]["code"], "not_found");
    server.post(&format!("/v1/jobs/{job_id}/cancel"), json!({"reason": "enough"})).await;
    let path = format!("/v1/chunks/{}/heartbeat", ids[0]);
    let (_, answer) = server.post(&path, json!({"attempt": 1})).await;
    assert_eq!((&answer["action"], &answer["reason"]), (&json!("stop"), &json!("the job is cancelled")));
    let done = json!({"items": [{"chunk_id": ids[0], "attempt": 1, "outcome": {"images_ok": 5}}, {"chunk_id": ids[0], "attempt": 1}]});
    let (_, answers) = server.post("/v1/completions", done).await;
    assert_eq!(answers["items"][0]["chunk"]["outcome"]["images_ok"], 5);
    assert_eq!(answers["items"][1]["chunk"]["status"], "completed");
    let (_, released) = server.post(&format!("/v1/chunks/{}/release", ids[1]), json!({"attempt": 1})).await;
    assert_eq!((&released["status"], &released["retry_count"]), (&json!("pending"), &json!(0)));
    let (_, statistics) = server.get(&format!("/v1/jobs/{job_id}/statistics")).await;
    assert_eq!((&statistics["completed"], &statistics["pending"]), (&json!(1), &json!(2)));
    let (_, explained) = server.get(&format!("/v1/chunks/{}/explain", ids[1])).await;
    assert_eq!((&explained["reason"], &explained["chunk"]["id"]), (&json!("job_cancelled"), &ids[1]));
}

#[tokio::test]
async fn a_claim_asked_again_is_answered_though_others_wait_in_line() {
    let server = TestServer::start().await;
    server.job(1).await;
    let claim = |worker: &'static str, wait_s: u64| {
        let body = json!({"worker": worker, "wait_s": wait_s});
        let request =
            server.client.post(server.url("/v1/claims")).header("Idempotency-Key", worker).json(&body);
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let first = claim("w", 5).await;
    let waiting = (0..10).map(|_| server.post("/v1/claims", json!({"worker": "idle", "wait_s": 5})));
    let again = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        claim("w", 5).await
    };
    let asked = Instant::now();
    tokio::select! {
        again = again => assert_eq!(again["items"][0]["id"], first["items"][0]["id"]),
        _ = futures::future::join_all(waiting) => panic!("the others were answered first"),
    }
    assert!(asked.elapsed() < Duration::from_secs(5));
}
