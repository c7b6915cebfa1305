//! Image lists: sent in, kept with the dataset, read again chunk by chunk.

use crate::kit::TestServer;
use ream_image_jobs::Storage;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

async fn server() -> (TestServer, tempfile::TempDir) {
    let storage = tempfile::tempdir().unwrap();
    let root = Storage::folder(storage.path());
    (TestServer::start_with(|config| config.storage = Some(root)).await, storage)
}

async fn send(
    server: &TestServer,
    job: &Value,
    query: &str,
    list: impl Into<reqwest::Body>,
) -> (StatusCode, Value) {
    let url = server.url(&format!("/v1/jobs/{job}/images?{query}"));
    let response = server.client.post(url).body(list).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

const LIST: &str = "url,caption,licence\nhttps://a.example/1.jpg,one,cc0\nno url at all,two,cc0\nhttps://a.example/3.jpg,,by\n";

#[tokio::test]
async fn a_list_gives_the_job_its_images_and_each_chunk_its_own() {
    let (server, storage) = server().await;
    let new = json!({"name": "pets", "dataset": "pets", "chunk_size": 1, "recipe": {"format": "webdataset"}});
    let (status, job) = server.post("/v1/jobs", new).await;
    assert_eq!((status, &job["executor"]), (StatusCode::CREATED, &json!("ream")));
    assert_eq!(job["dataset"], storage.path().join("pets").display().to_string());
    assert_eq!((&job["recipe"]["format"], &job["recipe"]["image_size"]), (&json!("webdataset"), &json!(256)));
    let (status, taken) = send(&server, &job["id"], "name=pets.csv&keep_cols=licence", LIST).await;
    assert_eq!(
        (status, &taken["accepted"], &taken["rejected"]),
        (StatusCode::CREATED, &json!(2), &json!(1)),
        "{taken}"
    );
    // The same again, after the answer was lost, say.
    let (status, again) = send(&server, &job["id"], "name=pets.csv&keep_cols=licence", LIST).await;
    assert_eq!((status, again), (StatusCode::OK, taken));
    let (status, problem) =
        send(&server, &job["id"], "name=pets.csv", "url\nhttps://a.example/9.jpg\n").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("wrong_status")), "{problem}");
    let (_, job) = server.post(&format!("/v1/jobs/{}/start", job["id"]), json!({})).await;
    assert_eq!((&job["max_images"], &job["total_chunks"]), (&json!(2), &json!(2)));
    let claim = json!({"worker": "w", "executor": "ream", "limit": 2});
    let (_, claimed) = server.post("/v1/claims", claim).await;
    let (_, images) = server.get(claimed["items"][1]["images"].as_str().unwrap()).await;
    let image = json!({
        "number": 1, "url": "https://a.example/3.jpg", "caption": null, "sha256": null,
        "source_file": "pets.csv", "source_line": 4, "columns": {"licence": "by"},
    });
    assert_eq!(images, json!({"items": [image], "next": null}));
    assert!(storage.path().join("pets/_ream/list/list.json").exists());
}

#[tokio::test]
async fn images_come_by_page() {
    let (server, _storage) = server().await;
    let (_, job) = server.post("/v1/jobs", json!({"name": "many", "dataset": "many"})).await;
    let list: String = (0..7).map(|n| format!("https://a.example/{n}.jpg\n")).collect();
    assert_eq!(send(&server, &job["id"], "name=many.txt", list).await.0, StatusCode::CREATED);
    server.post(&format!("/v1/jobs/{}/start", job["id"]), json!({})).await;
    let (_, chunk) = server.get(&format!("/v1/jobs/{}/chunks/next", job["id"])).await;
    let path = format!("/v1/chunks/{}/images?limit=3", chunk["id"]);
    let (mut numbers, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = server.get(&format!("{path}{cursor}")).await;
        numbers
            .extend(page["items"].as_array().unwrap().iter().map(|image| image["number"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(numbers, (0..7).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_dataset_lies_below_the_servers_storage_and_nowhere_else() {
    let (server, storage) = server().await;
    let root = storage.path().display().to_string();
    let outside = [
        "../x".to_owned(),
        "/etc".to_owned(),
        "a/../../x".to_owned(),
        format!("{root}/../x"),
        format!("{root}x"),
        root.clone(),
        "s3://elsewhere/x".to_owned(),
        "file:///etc".to_owned(),
        String::new(),
        "a//b".to_owned(),
        "a\\b".to_owned(),
        ".".to_owned(),
        "a/_ream/x".to_owned(),
        ".hidden".to_owned(),
    ];
    for dataset in outside {
        let (status, problem) = server.post("/v1/jobs", json!({"name": "j", "dataset": dataset})).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{dataset}: {problem}");
        assert_eq!(problem["errors"][0]["field"], "dataset", "{dataset}: {problem}");
    }
    for dataset in ["a".to_owned(), "b/c".to_owned(), format!("{root}/d")] {
        let (status, job) = server.post("/v1/jobs", json!({"name": "j", "dataset": dataset})).await;
        assert_eq!(status, StatusCode::CREATED, "{job}");
        assert!(job["dataset"].as_str().unwrap().starts_with(&root));
    }
    let (status, problem) = server.post("/v1/jobs", json!({"name": "j", "dataset": "a"})).await;
    assert_eq!(
        (status, &problem["errors"][0]["field"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("dataset"))
    );
    let without = TestServer::start().await;
    let (status, problem) = without.post("/v1/jobs", json!({"name": "j", "dataset": "a"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["detail"].as_str().unwrap().contains("--storage"), "{problem}");
}

#[tokio::test]
async fn lists_that_are_none_leave_nothing_behind() {
    let (server, storage) = server().await;
    let (_, job) = server.post("/v1/jobs", json!({"name": "bad", "dataset": "bad"})).await;
    let parquet: &[u8] = b"PAR1 and nothing else";
    let bad: [(&str, &[u8], StatusCode); 8] = [
        ("name=a.csv", b"", StatusCode::UNPROCESSABLE_ENTITY),
        ("name=a.csv", b"link\nhttps://a.example/1.jpg\n", StatusCode::UNPROCESSABLE_ENTITY),
        ("name=a.parquet", parquet, StatusCode::UNPROCESSABLE_ENTITY),
        ("name=a.exe", b"MZ", StatusCode::UNPROCESSABLE_ENTITY),
        ("name=../a.csv", b"url\n", StatusCode::UNPROCESSABLE_ENTITY),
        ("name=.csv", b"url\n", StatusCode::UNPROCESSABLE_ENTITY),
        ("", b"url\n", StatusCode::UNPROCESSABLE_ENTITY),
        ("name=a.gz", b"\x1f\x8b nonsense", StatusCode::UNPROCESSABLE_ENTITY),
    ];
    for (query, list, expected) in bad {
        let (status, problem) = send(&server, &job["id"], query, list).await;
        assert_eq!((status, &problem["code"]), (expected, &json!("validation")), "{query}: {problem}");
    }
    assert!(!storage.path().join("bad").exists(), "a folder was left");
    let (status, _) = send(&server, &json!(777), "name=a.csv", "url\n").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, plain) = server.post("/v1/jobs", json!({"name": "plain", "max_images": 5})).await;
    let (status, problem) = send(&server, &plain["id"], "name=a.csv", "url\nhttps://a.example/1\n").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("wrong_status")));
    let (_, job) = server.get(&format!("/v1/jobs/{}", job["id"])).await;
    assert_eq!((&job["image_list"], &job["max_images"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_list_beyond_the_limit_and_one_that_stops_coming_are_refused() {
    let storage = tempfile::tempdir().unwrap();
    let root = Storage::folder(storage.path());
    let server = TestServer::start_with(|config| {
        config.storage = Some(root);
        config.limits.max_list_bytes = 1000;
        config.limits.body_timeout = Duration::from_millis(300);
    })
    .await;
    let (_, job) = server.post("/v1/jobs", json!({"name": "long", "dataset": "long"})).await;
    let (status, problem) = send(&server, &job["id"], "name=a.txt", "x".repeat(2000)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large")));
    let stalling = futures::stream::iter([Ok::<_, std::io::Error>("https://a.example/1.jpg\n")]);
    let stalling = futures::StreamExt::chain(stalling, futures::stream::pending());
    let (status, problem) =
        send(&server, &job["id"], "name=a.txt", reqwest::Body::wrap_stream(stalling)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::REQUEST_TIMEOUT, &json!("timeout")));
}
