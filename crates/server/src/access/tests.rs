//! For every route and role, what is allowed: a table beside the one that decides.

use super::*;
use crate::app::App;
use crate::config::ServerConfig;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request as HttpRequest, StatusCode};
use ream::{ClaimRequest, NewCrawlJob, SqliteOptions, SqliteStore, Store, TaskId};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tower::ServiceExt as _;

const LOOK: [bool; 4] = [true, true, true, true];
const WORK: [bool; 4] = [false, true, true, true];
const OPERATE: [bool; 4] = [false, false, true, true];
const ADMINISTER: [bool; 4] = [false, false, false, true];

/// Method, path, and whether a viewer, a worker, an operator and an admin may.
const EXPECTED: &[(&str, &str, [bool; 4])] = &[
    ("GET", "/metrics", LOOK),
    ("POST", "/v1/jobs", OPERATE),
    ("GET", "/v1/jobs", LOOK),
    ("GET", "/v1/jobs/{job_id}", LOOK),
    ("PATCH", "/v1/jobs/{job_id}", OPERATE),
    ("DELETE", "/v1/jobs/{job_id}", OPERATE),
    ("POST", "/v1/jobs/{job_id}/start", OPERATE),
    ("POST", "/v1/jobs/{job_id}/pause", OPERATE),
    ("POST", "/v1/jobs/{job_id}/resume", OPERATE),
    ("POST", "/v1/jobs/{job_id}/cancel", OPERATE),
    ("POST", "/v1/jobs/{job_id}/retry", OPERATE),
    ("POST", "/v1/jobs/{job_id}/verify", OPERATE),
    ("POST", "/v1/jobs/{job_id}/repair", OPERATE),
    ("POST", "/v1/jobs/{job_id}/tracking", OPERATE),
    ("POST", "/v1/jobs/{job_id}/images", OPERATE),
    ("POST", "/v1/jobs/{job_id}/chunks", OPERATE),
    ("GET", "/v1/jobs/{job_id}/chunks", LOOK),
    ("GET", "/v1/jobs/{job_id}/chunks/next", LOOK),
    ("GET", "/v1/jobs/{job_id}/statistics", LOOK),
    ("GET", "/v1/jobs/{job_id}/progress", LOOK),
    ("GET", "/v1/jobs/{job_id}/completion", LOOK),
    ("GET", "/v1/jobs/{job_id}/activity", LOOK),
    ("GET", "/v1/jobs/{job_id}/events", LOOK),
    ("GET", "/v1/activity", LOOK),
    ("GET", "/v1/schema", OPERATE),
    ("POST", "/v1/claims", WORK),
    ("POST", "/v1/completions", WORK),
    ("POST", "/v1/heartbeats", WORK),
    ("GET", "/v1/chunks/{chunk_id}", LOOK),
    ("PATCH", "/v1/chunks/{chunk_id}", OPERATE),
    ("GET", "/v1/chunks/{chunk_id}/explain", LOOK),
    ("GET", "/v1/chunks/{chunk_id}/images", LOOK),
    ("POST", "/v1/chunks/{chunk_id}/processing", WORK),
    ("POST", "/v1/chunks/{chunk_id}/heartbeat", WORK),
    ("POST", "/v1/chunks/{chunk_id}/completed", WORK),
    ("POST", "/v1/chunks/{chunk_id}/failed", WORK),
    ("POST", "/v1/chunks/{chunk_id}/release", WORK),
    ("POST", "/v1/chunks/{chunk_id}/published", WORK),
    ("POST", "/v1/chunks/{chunk_id}/retry", OPERATE),
    ("POST", "/v1/chunks/{chunk_id}/split", OPERATE),
    ("POST", "/v1/tokens", ADMINISTER),
    ("GET", "/v1/tokens", ADMINISTER),
    ("DELETE", "/v1/tokens/{token_id}", ADMINISTER),
];

/// Paths that want no token at all.
const OPEN: &[&str] = &["/", "/healthz", "/readyz", "/openapi.json"];

struct Kit {
    router: Router,
    store: Arc<dyn Store>,
    _folder: tempfile::TempDir,
}

impl Kit {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("ream.db"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).unwrap());
        let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        let router = App::new(store.clone(), config).router();
        Self { router, store, _folder: folder }
    }

    async fn token(&self, name: &str, role: Role) -> String {
        let actor = Actor::operator();
        ream::create_token(&*self.store, name, role, None, &actor).await.unwrap().1
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Value) -> (StatusCode, Value) {
        let mut request = HttpRequest::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        request.extensions_mut().insert(Peer(IpAddr::from([127, 0, 0, 1])));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
            return (status, Value::Null);
        }
        let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

fn concrete(path: &str) -> String {
    path.replace("{job_id}", "777").replace("{chunk_id}", "777").replace("{token_id}", "777")
}

#[test]
fn every_route_of_the_document_is_in_both_tables_and_nothing_else_is() {
    let document: Value = serde_json::from_str(&crate::openapi_json()).unwrap();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, operations)| {
            operations.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let decided: BTreeSet<(String, String)> = ACCESS
        .iter()
        .map(|(method, path, _)| (method.to_string(), (*path).to_owned()))
        .filter(|(_, path)| path != "/" && path != "/openapi.json")
        .collect();
    assert_eq!(documented, decided);
    let open = decided.iter().filter(|(_, path)| OPEN.contains(&path.as_str())).cloned();
    let expected = EXPECTED.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
    assert_eq!(open.chain(expected).collect::<BTreeSet<_>>(), decided);
}

#[tokio::test]
async fn every_role_may_do_what_the_table_says_and_nothing_else() {
    let kit = Kit::new();
    let mut tokens = Vec::new();
    for role in [Role::Viewer, Role::Worker, Role::Operator, Role::Admin] {
        tokens.push((role, kit.token(&format!("a-{role}"), role).await));
    }
    for (method, path, allowed) in EXPECTED {
        for ((role, token), allowed) in tokens.iter().zip(allowed) {
            let (status, body) = kit.ask(method, &concrete(path), Some(token), json!({})).await;
            let refused = status == StatusCode::FORBIDDEN;
            // A worker is refused a word without an attempt, which is not the route's doing.
            let without_attempt = body["detail"].as_str().is_some_and(|detail| detail.contains("`attempt`"));
            assert_eq!(!refused || without_attempt, *allowed, "{method} {path} by {role}: {status} {body}");
            assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path} by {role}");
        }
        let (status, body) = kit.ask(method, &concrete(path), None, json!({})).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
            "{method} {path}"
        );
    }
    for path in OPEN {
        let (status, _) = kit.ask("GET", path, None, json!({})).await;
        assert!(status.is_success() || status.is_redirection(), "{path}: {status}");
    }
}

#[tokio::test]
async fn a_bad_a_revoked_and_an_expired_token_are_refused_and_told_apart() {
    let kit = Kit::new();
    let good = kit.token("good", Role::Viewer).await;
    let actor = Actor::operator();
    let (revoked, text) =
        ream::create_token(&*kit.store, "revoked", Role::Admin, None, &actor).await.unwrap();
    kit.store.revoke_token(revoked.id, &actor).await.unwrap();
    let mut other = good.clone();
    other.replace_range(other.len() - 1.., if good.ends_with('0') { "1" } else { "0" });
    for (token, told) in [
        (text.as_str(), "was revoked"),
        (&other, "not known"),
        ("ream_9_ab", "not known"),
        ("x", "not known"),
    ] {
        let (status, body) = kit.ask("GET", "/v1/jobs", Some(token), json!({})).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
        assert!(body["detail"].as_str().unwrap().contains(told), "{body}");
        assert!(token.len() < 20 || !body.to_string().contains(token.rsplit('_').next().unwrap()), "{body}");
    }
    assert_eq!(kit.ask("GET", "/v1/jobs", Some(&good), json!({})).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_worker_speaks_only_of_what_its_own_token_started() {
    let kit = Kit::new();
    let (a, b) = (kit.token("a", Role::Worker).await, kit.token("b", Role::Worker).await);
    let operator = kit.token("op", Role::Operator).await;
    let actor = Actor::operator();
    let job = kit.store.create_job(NewCrawlJob::named("j"), &actor).await.unwrap();
    kit.store.create_chunks_step(job.id, 2000, None, &actor).await.unwrap();
    let (status, claimed) = kit.ask("POST", "/v1/claims", Some(&a), json!({"worker": "w"})).await;
    assert_eq!(status, StatusCode::OK);
    let chunk = &claimed["items"][0];
    let (id, attempt) = (chunk["id"].as_i64().unwrap(), chunk["attempt"].as_i64().unwrap());
    let at = |verb: &str| format!("/v1/chunks/{id}/{verb}");
    for verb in ["heartbeat", "completed", "failed", "release", "published"] {
        let (status, body) = kit.ask("POST", &at(verb), Some(&b), json!({"attempt": attempt})).await;
        assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("lease_lost")), "{verb}: {body}");
    }
    for (path, key) in [("/v1/completions", "chunk"), ("/v1/heartbeats", "action")] {
        let items = json!({"items": [{"chunk_id": id, "attempt": attempt}]});
        let (_, body) = kit.ask("POST", path, Some(&b), items).await;
        assert_eq!(body["items"][0]["error"]["code"], "lease_lost", "{path}: {body}");
        assert_eq!(body["items"][0][key], Value::Null);
    }
    for verb in ["completed", "failed"] {
        let (status, body) = kit.ask("POST", &at(verb), Some(&a), json!({})).await;
        assert_eq!((status, &body["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "{verb}: {body}");
    }
    let items = json!({"items": [{"chunk_id": id}, {"chunk_id": 777, "attempt": 1}]});
    let (_, body) = kit.ask("POST", "/v1/completions", Some(&a), items).await;
    let codes: Vec<&Value> = (0..2).map(|at| &body["items"][at]["error"]["code"]).collect();
    assert_eq!(codes, [&json!("forbidden"), &json!("not_found")], "{body}");
    // Another server remembers nothing of the claim, and finds it in the log.
    let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
    let elsewhere = App::new(kit.store.clone(), config).router();
    let elsewhere =
        Kit { router: elsewhere, store: kit.store.clone(), _folder: tempfile::tempdir().unwrap() };
    let (status, body) = elsewhere.ask("POST", &at("heartbeat"), Some(&b), json!({"attempt": attempt})).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("lease_lost")));
    let (status, _) = elsewhere.ask("POST", &at("heartbeat"), Some(&a), json!({"attempt": attempt})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = elsewhere.ask("POST", &at("completed"), Some(&a), json!({"attempt": attempt})).await;
    assert_eq!(status, StatusCode::OK);
    // Everything is logged under the token's name.
    let (_, log) = kit.ask("GET", &format!("/v1/activity?chunk_id={id}"), Some(&operator), json!({})).await;
    let actors: Vec<&str> =
        log["items"].as_array().unwrap().iter().map(|row| row["actor"].as_str().unwrap()).collect();
    assert_eq!(actors, ["a", "a"]);
}

#[tokio::test]
async fn a_chunk_that_was_claimed_in_process_belongs_to_no_token() {
    let kit = Kit::new();
    let worker = kit.token("w", Role::Worker).await;
    let actor = Actor::operator();
    let job = kit.store.create_job(NewCrawlJob::named("j"), &actor).await.unwrap();
    kit.store.create_chunks_step(job.id, 10, None, &actor).await.unwrap();
    let claimed = kit.store.claim(ClaimRequest::new(TaskId::new("inside").unwrap(), 1)).await.unwrap();
    let (id, attempt) = (claimed[0].chunk.id, claimed[0].chunk.attempt);
    let body = json!({"attempt": attempt});
    let (status, body) = kit.ask("POST", &format!("/v1/chunks/{id}/completed"), Some(&worker), body).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("lease_lost")), "{body}");
}

#[tokio::test]
async fn the_first_token_closes_a_server_that_was_open() {
    let kit = Kit::new();
    assert_eq!(kit.ask("GET", "/v1/jobs", None, json!({})).await.0, StatusCode::OK);
    let new = json!({"name": "first", "role": "admin"});
    let (status, made) = kit.ask("POST", "/v1/tokens", None, new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(kit.ask("GET", "/v1/jobs", None, json!({})).await.0, StatusCode::UNAUTHORIZED);
    let token = made["token"].as_str().unwrap();
    assert_eq!(kit.ask("GET", "/v1/jobs", Some(token), json!({})).await.0, StatusCode::OK);
    // And it stays closed when the last is revoked.
    let path = format!("/v1/tokens/{}", made["id"]);
    assert_eq!(kit.ask("DELETE", &path, Some(token), json!({})).await.0, StatusCode::OK);
    assert_eq!(kit.ask("GET", "/v1/jobs", None, json!({})).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(kit.ask("GET", "/v1/jobs", Some(token), json!({})).await.0, StatusCode::UNAUTHORIZED);
}
