//! Connections: a pool of them, made alike, and what stands between them and the server.

use super::error::{Doing, Failure, Tried, unavailable};
use super::home::Home;
use super::options::PostgresOptions;
use super::statement::{Ready, Sql};
use deadpool_postgres::{
    Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod,
    Runtime, Timeouts,
};
use futures::future::BoxFuture;
use ream_core::Result;
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a transaction may stay open while its client says nothing: a client that froze or lost its network holds
/// its locks no longer.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(10);

/// How long a connection that is no part of a call may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a look for a pooler may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is looked for a pooler that does not show.
const PROBES: usize = 8;

/// Where connections come from.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool,
    home: Home,
    config: Config,
    tls: MakeRustlsConnect,
    settings: Arc<str>,
    is_pooled: bool,
    /// For a connection to be made, and again for it to be greeted.
    timeout: Duration,
    /// As the newest connection found it.
    timeline: Arc<AtomicI32>,
}

/// Connects at home.
struct HomeConnect {
    home: Home,
    tls: MakeRustlsConnect,
}

impl Connect for HomeConnect {
    fn connect(
        &self,
        config: &Config,
    ) -> BoxFuture<'_, Result<(tokio_postgres::Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, tls, home) = (config.clone(), self.tls.clone(), self.home.clone());
        Box::pin(async move {
            let connected = self.home.spawn(async move {
                let (client, wire) = config.connect(tls).await?;
                let wire = home.spawn(async move {
                    if let Err(error) = wire.await {
                        tracing::debug!(%error, "a connection to the database has ended");
                    }
                });
                Ok((client, wire))
            });
            match connected.await {
                Ok(connected) => connected,
                // The store is closed: whoever waits runs into its time-out.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// The settings of a session. Plans follow the indexes whatever the statistics say: those of a table that was empty
/// a minute ago would have a claim read and sort all of it.
fn settings(call_timeout: Duration, local: bool) -> String {
    let word = if local { "SET LOCAL" } else { "SET" };
    let (statement_ms, idle_ms) = (call_timeout.as_millis(), IDLE_IN_TRANSACTION.as_millis());
    [
        format!("statement_timeout = {statement_ms}"),
        format!("idle_in_transaction_session_timeout = {idle_ms}"),
        "plan_cache_mode = force_generic_plan".to_owned(),
        "enable_seqscan = off".to_owned(),
        "enable_bitmapscan = off".to_owned(),
        "enable_sort = off".to_owned(),
        "enable_incremental_sort = off".to_owned(),
        "jit = off".to_owned(),
    ]
    .map(|setting| format!("{word} {setting}; "))
    .concat()
}

fn tls() -> Result<MakeRustlsConnect> {
    let failed = |error: &dyn std::fmt::Display| unavailable(format!("prepare TLS: {error}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_platform_verifier()
        .map_err(|error| failed(&error))?
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

impl Connections {
    /// Looks at what is there, and opens no more than it needs for that.
    pub(super) async fn open(options: &PostgresOptions) -> Result<Self> {
        let (config, tls, home) = (options.config()?, tls()?, Home::here());
        let (probed, by) = (config.clone(), tls.clone());
        let looked =
            home.spawn(async move { tokio::time::timeout(PROBE_TIMEOUT * 3, is_pooled(&probed, &by)).await });
        let is_pooled = looked
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| unavailable("connect: no answer"))?
            .map_err(Failure::into_error)?;
        let settings: Arc<str> = settings(options.call_timeout, is_pooled).into();
        let manager = Manager::from_connect(
            config.clone(),
            HomeConnect { home: home.clone(), tls: tls.clone() },
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let timeouts = Timeouts {
            wait: Some(options.call_timeout),
            create: Some(options.call_timeout),
            recycle: Some(options.call_timeout),
        };
        let timeline = Arc::new(AtomicI32::new(0));
        let mut builder = Pool::builder(manager)
            .max_size(options.max_connections)
            // The one that was used last has its plans and pages at hand.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .timeouts(timeouts);
        // Behind a pooler nobody can tell whose connection it is; there a look that is newest has to do.
        let (own_settings, found) = (settings.clone(), timeline.clone());
        builder = builder.post_create(Hook::async_fn(move |client, _| {
            let settings = if is_pooled { None } else { Some(own_settings.clone()) };
            let found = found.clone();
            Box::pin(async move {
                if let Some(settings) = settings {
                    client.batch_execute(&settings).await.map_err(HookError::Backend)?;
                }
                let seen =
                    client.simple_query(concat!("SELECT ", timeline!())).await.map_err(HookError::Backend)?;
                let seen = first_text(&seen).and_then(|text| text.parse().ok()).unwrap_or(0);
                found.store(seen, Ordering::Relaxed);
                Ok(())
            })
        }));
        let pool = builder.build().map_err(|error| unavailable(format!("make a pool: {error}")))?;
        let timeout = options.call_timeout;
        Ok(Self { pool, home, config, tls, settings, is_pooled, timeout, timeline })
    }

    /// Whether a pooler hands out another connection for each transaction.
    pub(super) const fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// Where the connections live.
    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    /// A connection of the pool.
    pub(super) async fn get(&self) -> Tried<Connection> {
        // The pool bounds each of its steps, but not the greeting of a new connection.
        let got = tokio::time::timeout(self.timeout * 2, self.pool.get())
            .await
            .map_err(|_| Failure::Transient(format!("connect: no answer after {:?}", self.timeout * 2)))?;
        let client = got.map_err(|error| match &error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                super::error::failure("connect", error)
            }
            _ => Failure::Transient(format!("connect: {error}")),
        })?;
        let timeline = self.timeline.load(Ordering::Relaxed);
        Ok(Connection { client, settings: self.settings.clone(), is_pooled: self.is_pooled, timeline })
    }

    /// A connection beside the pool.
    pub(super) async fn connect(&self) -> Tried<(tokio_postgres::Client, Wire)> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let connecting = self
            .home
            .spawn(async move { tokio::time::timeout(CONNECT_TIMEOUT, connect(&config, &tls)).await });
        match connecting.await {
            Ok(Ok(connected)) => connected,
            _ => Err(Failure::Transient(format!("connect: no answer after {CONNECT_TIMEOUT:?}"))),
        }
    }

    /// Closes all connections that are not in use, and the others as they are given back.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

/// What moves a connection's bytes: must be polled.
pub(super) type Wire = tokio_postgres::Connection<
    tokio_postgres::Socket,
    <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<tokio_postgres::Socket>>::Stream,
>;

async fn connect(config: &Config, tls: &MakeRustlsConnect) -> Tried<(tokio_postgres::Client, Wire)> {
    config.connect(tls.clone()).await.doing("connect")
}

/// A pooler in transaction mode keeps neither named statements nor a session's settings: one connection's setting is
/// gone, or is found on another. Looks for that with two connections.
async fn is_pooled(config: &Config, tls: &MakeRustlsConnect) -> Tried<bool> {
    let doing = "look for a pooler";
    let (first, wire) = connect(config, tls).await?;
    let wire_of_first = tokio::spawn(wire);
    let (second, wire) = connect(config, tls).await?;
    let wire_of_second = tokio::spawn(wire);
    let look = async {
        let mark = format!("{:x}", fastrand::u64(..));
        first.batch_execute(&format!("SET ream.mark = '{mark}'")).await.doing(doing)?;
        let marked = "SELECT coalesce(current_setting('ream.mark', true), '')";
        // Where others use the pooler, one look may find what looks like a connection of one's own.
        for _ in 0..PROBES {
            // Takes up the connection that the first had just now, if it may.
            let on_second = read_text(&second, &format!("BEGIN; {marked}")).await?;
            let on_first = tokio::time::timeout(PROBE_TIMEOUT, read_text(&first, marked)).await;
            second.batch_execute("ROLLBACK").await.doing(doing)?;
            // Without an answer, it waits for the one connection that the second holds.
            let Ok(on_first) = on_first else { return Ok(true) };
            if on_first? != mark || on_second == mark {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let looked = look.await;
    wire_of_first.abort();
    wire_of_second.abort();
    looked
}

async fn read_text(client: &tokio_postgres::Client, sql: &str) -> Tried<String> {
    let messages = client.simple_query(sql).await.doing("look for a pooler")?;
    Ok(first_text(&messages).unwrap_or_default())
}

/// The first column of the first row.
fn first_text(messages: &[tokio_postgres::SimpleQueryMessage]) -> Option<String> {
    messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

/// A connection that is in use.
pub(super) struct Connection {
    client: Object,
    settings: Arc<str>,
    is_pooled: bool,
    timeline: i32,
}

impl Connection {
    /// The server's timeline, as far as it is known.
    pub(super) const fn timeline(&self) -> i32 {
        self.timeline
    }

    /// What begins a transaction.
    pub(super) fn begin_sql(&self, begin: &str) -> String {
        if self.is_pooled { format!("{begin}; {}", self.settings) } else { begin.to_owned() }
    }

    /// Several statements at once, without parameters.
    pub(super) async fn batch(&self, doing: &str, sql: &str) -> Tried<()> {
        self.client.batch_execute(sql).await.doing(doing)
    }

    /// Makes a statement ready to be sent.
    pub(super) async fn ready(&self, sql: &'static Sql) -> Tried<Ready<'_>> {
        let named = match self.is_pooled {
            true => None,
            false => Some(self.client.prepare_typed_cached(sql.text, sql.types).await.doing(sql.doing)?),
        };
        Ok(Ready { client: &self.client, sql, named })
    }

    /// Does not give it back to the pool: nobody knows what state it is in.
    pub(super) fn drop_it(self) {
        // The client is closed with the object, and the server undoes what was open.
        drop(Object::take(self.client));
    }
}
