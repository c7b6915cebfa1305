//! TLS by a certificate of one's own.

use crate::kit::TestServer;
use ream_server::{Server, ServerConfig, TlsFiles};
use reqwest::StatusCode;
use std::path::Path;

fn write_certificate(folder: &Path) -> (TlsFiles, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem())
}

#[tokio::test]
async fn requests_go_through_tls_and_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = write_certificate(folder.path());
    let server = TestServer::start_with(|config| config.tls = Some(files)).await;
    let root = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
    let answer =
        client.get(format!("https://localhost:{}/healthz", server.address.port())).send().await.unwrap();
    assert_eq!((answer.status(), answer.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
    // Who does not speak TLS hears nothing.
    assert!(server.client.get(server.url("/healthz")).send().await.is_err());
}

#[tokio::test]
async fn files_that_are_no_certificate_are_named() {
    let server = TestServer::start().await;
    let missing = TlsFiles { certificate: "missing.pem".into(), key: "missing.pem".into() };
    let empty = server.folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (files, named) in
        [(missing, "missing.pem"), (TlsFiles { certificate: empty.clone(), key: empty }, "empty.pem")]
    {
        let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        config.tls = Some(files);
        let refused = Server::bind(server.store.clone(), config).await.err().unwrap().to_string();
        assert!(refused.contains(named), "{refused}");
    }
}
