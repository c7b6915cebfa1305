//! How often one client may ask.

use crate::kit::TestServer;
use ream::{Actor, Role};
use reqwest::StatusCode;

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait_and_others_are_not() {
    let server = TestServer::start_with(|config| config.limits.requests_per_s = 5).await;
    let token = |name: &'static str| {
        let store = server.store.clone();
        async move { ream::create_token(&*store, name, Role::Viewer, None, &Actor::operator()).await.unwrap().1 }
    };
    let (busy, calm) = (token("busy").await, token("calm").await);
    let ask = |token: &str| server.client.get(server.url("/v1/jobs")).bearer_auth(token).send();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let response = ask(&busy).await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(response.headers()["retry-after"], "1");
        }
        statuses.push(response.status());
    }
    assert!(statuses.contains(&StatusCode::OK) && statuses.contains(&StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(ask(&calm).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_guesses_tokens_is_told_no_more() {
    let server = TestServer::start_with(|config| config.limits.refusals_per_min = 5).await;
    ream::create_token(&*server.store, "a", Role::Viewer, None, &Actor::operator()).await.unwrap();
    let mut last = StatusCode::OK;
    for n in 0..10 {
        let guess = format!("ream_1_{n:064x}");
        last = server.client.get(server.url("/v1/jobs")).bearer_auth(guess).send().await.unwrap().status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}
