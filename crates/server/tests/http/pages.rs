//! What people and machines read about the server.

use crate::kit::TestServer;
use reqwest::StatusCode;

#[tokio::test]
async fn the_docs_are_part_of_the_program_and_load_nothing_from_elsewhere() {
    let server = TestServer::start().await;
    let page = server.client.get(server.url("/")).send().await.unwrap();
    assert_eq!((page.status(), page.url().path()), (StatusCode::OK, "/docs/"));
    let html = page.text().await.unwrap();
    assert!(html.contains("swagger-ui") && !html.contains("https://"), "{html}");
    let (status, document) = server.get("/openapi.json").await;
    assert_eq!((status, document["openapi"].as_str()), (StatusCode::OK, Some("3.1.0")));
    assert_eq!(document["info"]["title"], "Ream");
}

#[tokio::test]
async fn metrics_have_few_labels_whatever_is_asked() {
    let server = TestServer::start().await;
    let job = server.job(1).await;
    for n in 0..50 {
        server.get(&format!("/v1/jobs/{}", job.get() + n)).await;
        server.get(&format!("/made/up/{n}")).await;
    }
    let text = server.client.get(server.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(
        text.contains("ream_http_requests_total{method=\"GET\",route=\"/v1/jobs/{job_id}\",status=\"200\"}"),
        "{text}"
    );
    assert!(!text.contains("/made/up"), "{text}");
    assert!(text.contains("route=\"unmatched\""), "{text}");
}

#[tokio::test]
async fn a_request_id_is_given_back_unless_it_is_unfit() {
    let server = TestServer::start().await;
    let ask = |id: &'static str| server.client.get(server.url("/healthz")).header("x-request-id", id).send();
    assert_eq!(ask("abc-1").await.unwrap().headers()["x-request-id"], "abc-1");
    let made = ask("two words").await.unwrap().headers()["x-request-id"].clone();
    assert!(made.len() == 32 && made != "two words");
}
