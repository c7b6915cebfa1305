//! A server with an empty database.

use ream::{Actor, JobId, NewCrawlJob, SqliteOptions, SqliteStore, Store};
use ream_server::{Server, ServerConfig};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<usize>,
    pub(crate) folder: tempfile::TempDir,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("ream.db"));
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).unwrap());
        let mut config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        change(&mut config);
        let server = Server::bind(store.clone(), config).await.unwrap();
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { address, store, client, stop: Some(stop), running, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.client.request(method, self.url(path)).json(&body).send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.client.get(self.url(path)).send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.ask(Method::POST, path, body).await
    }

    /// A job with so many chunks of five images.
    pub(crate) async fn job(&self, chunks: u64) -> JobId {
        let actor = Actor::operator();
        let new = NewCrawlJob { chunk_size: 5, ..NewCrawlJob::named("job") };
        let job = self.store.create_job(new, &actor).await.unwrap();
        if chunks > 0 {
            while !self.store.create_chunks_step(job.id, chunks * 5, None, &actor).await.unwrap().done {}
        }
        job.id
    }

    /// Sends bytes as they are, and gives all that comes until the server closes, or nothing more comes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may have closed before all was sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(Ok(read)) = tokio::time::timeout(PATIENCE, stream.read(&mut piece)).await {
            answer.extend_from_slice(&piece[..read]);
            if read == 0 || is_whole(&answer) {
                break;
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Tells it to stop, and waits. Answers how many connections were cut off.
    pub(crate) async fn stop(mut self) -> usize {
        drop(self.stop.take());
        tokio::time::timeout(PATIENCE, &mut self.running).await.unwrap().unwrap()
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }
}

/// Whether an answer with a declared length has come.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}
