//! A server that is killed in the midst of its work.

use crate::postgres_kit::connect;
use crate::scene::{
    actor, check_rules, claim, complete, job_with, logged, long_leases, number, random, task, until, work_off,
};
use ream_core::event::Event;
use ream_core::job_event::NewCrawlJob;
use ream_core::{Attempt, ChunkId, JobChunkStatus, JobId};
use ream_store::{ClaimRequest, ClaimedChunk, JobChunkRepository, PostgresOptions, PostgresStore};
use ream_test_servers::{Direction, Durability, Ending, FaultProxy, Postgres, Settings, database_url};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const KILLS: usize = 8;
const CALLERS: usize = 6;

/// What was committed survives a kill of all the server's processes.
fn settings() -> Settings {
    let settings = Settings::new(Durability::Full).with("fsync", "off");
    settings.with("max_connections", "50").with("restart_after_crash", "on")
}

async fn start(settings: Settings) -> Postgres {
    tokio::task::spawn_blocking(|| Postgres::start(settings).unwrap()).await.unwrap()
}

/// What is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// The server with all its processes.
    Server,
    /// The process behind one connection of a store: the server then ends the others by itself, and recovers.
    Backend,
}

/// Kills it and waits until the server is there again.
async fn kill(mut server: Postgres, victim: Victim) -> Postgres {
    let killed = tokio::task::spawn_blocking(move || {
        match victim {
            Victim::Server => {
                server.kill_9().unwrap();
                server.restart().unwrap();
            }
            Victim::Backend => {
                let one = "SELECT pid FROM pg_stat_activity WHERE application_name = 'ream' \
                    ORDER BY state = 'idle', random() LIMIT 1";
                let pid = server.sql("postgres", one).unwrap();
                let kill = ["-c", "kill -s KILL \"$1\"", "sh", &pid];
                assert!(Command::new("sh").args(kill).status().unwrap().success(), "{pid}");
            }
        }
        server
    });
    let server = killed.await.unwrap();
    if let Victim::Backend = victim {
        let url = server.url("postgres");
        // The rest is ended in a moment; until then a new connection may be among it.
        until("the server to recover", async || {
            let recovered =
                "SELECT stats_reset > pg_postmaster_start_time() + interval '10 ms' FROM pg_stat_bgwriter";
            let (client, wire) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.ok()?;
            let wire = tokio::spawn(wire);
            let row = client.query_one(recovered, &[]).await;
            wire.abort();
            row.ok()?.get::<_, bool>(0).then_some(())
        })
        .await;
    }
    server
}

#[derive(Default)]
struct Told {
    claimed: Vec<(ChunkId, Attempt)>,
    completed: Vec<(ChunkId, Attempt)>,
    jobs: Vec<String>,
    unavailable: u32,
}

impl Told {
    /// The answer, where there is one; whoever gets none may only hear `unavailable`.
    fn note<T>(&mut self, what: &str, answer: ream_core::Result<T>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                assert!(error.is_unavailable(), "{what}: {error}");
                self.unavailable += 1;
                None
            }
        }
    }
}

async fn work(
    store: Arc<PostgresStore>,
    job_id: JobId,
    mut random: fastrand::Rng,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut told = Told::default();
    let worker = format!("caller-{:016x}", random.u64(..));
    while !stop.load(Ordering::Relaxed) {
        if random.u32(..8) == 0 {
            let name = format!("{worker}-{}", random.u64(..));
            let created = store.create_job(NewCrawlJob::named(&name), &actor()).await;
            told.note("create a job", created).is_some().then(|| told.jobs.push(name));
        }
        let request = ClaimRequest::new(task(&worker), random.u32(1..4)).of_job(job_id);
        let claimed = told.note("claim", store.claim(request).await).unwrap_or_default();
        for claimed in &claimed {
            told.claimed.push((claimed.chunk.id, claimed.chunk.attempt));
        }
        for claimed in claimed {
            let (chunk_id, attempt) = (claimed.chunk.id, claimed.chunk.attempt);
            if random.bool() {
                let heartbeat = vec![(chunk_id, Event::Heartbeat { attempt, progress: None })];
                let answers = told.note("heartbeat", store.apply(heartbeat, &actor()).await);
                told.note("heartbeat", answers.map_or(Ok(()), |mut answers| answers.remove(0).map(|_| ())));
            }
            // Whoever does not know asks again: saying it twice is harmless.
            for _ in 0..3 {
                if told.note("complete", complete(&store, chunk_id, attempt).await).is_some() {
                    told.completed.push((chunk_id, attempt));
                    break;
                }
            }
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_that_was_acknowledged_and_does_nothing_twice() {
    let mut random = random();
    let mut server = start(settings()).await;
    let mut options = PostgresOptions::new(server.url("postgres"));
    options.max_connections = CALLERS / 2;
    options.call_timeout = Duration::from_secs(5);
    let stores = [0; 2].map(|_| PostgresStore::open(&options));
    let stores = futures::future::join_all(stores).await;
    let stores: Vec<Arc<PostgresStore>> = stores.into_iter().map(|store| Arc::new(store.unwrap())).collect();
    let job_id = job_with(&stores[0], 20_000, long_leases()).await;

    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| tokio::spawn(work(stores[n % 2].clone(), job_id, random.fork(), stop.clone())))
        .collect();
    for _ in 0..KILLS {
        // In the midst of whatever happens then.
        tokio::time::sleep(Duration::from_millis(random.u64(20..400))).await;
        server = kill(server, if random.bool() { Victim::Server } else { Victim::Backend }).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::default();
    for caller in callers {
        let one = caller.await.unwrap();
        told.claimed.extend(one.claimed);
        told.completed.extend(one.completed);
        told.jobs.extend(one.jobs);
        told.unavailable += one.unavailable;
    }
    println!(
        "{} claimed, {} completed, {} jobs, {} times unavailable",
        told.claimed.len(),
        told.completed.len(),
        told.jobs.len(),
        told.unavailable
    );
    let client = connect(&server.url("postgres")).await;
    let store = &stores[0];
    check_rules(store, &client, job_id).await;
    assert!(told.completed.len() > 50, "only {} completions", told.completed.len());
    for (chunk_id, attempt) in &told.claimed {
        assert_eq!(logged(&client, *chunk_id, "claimed", *attempt).await, 1, "claim of chunk {chunk_id}");
    }
    for (chunk_id, attempt) in &told.completed {
        let chunk = store.get_chunk(*chunk_id).await.unwrap();
        assert_eq!((chunk.status(), chunk.attempt), (JobChunkStatus::Completed, *attempt), "{chunk:?}");
    }
    for name in &told.jobs {
        let count = "SELECT count(*) FROM crawl_jobs WHERE name = $1";
        let count: i64 = client.query_one(count, &[name]).await.unwrap().get(0);
        assert_eq!(count, 1, "{name}");
    }
    let twice = "SELECT count(*) FROM (SELECT FROM crawl_jobs GROUP BY name HAVING count(*) > 1) t";
    assert_eq!(number(&client, twice).await, 0, "a job was created twice");
    // Only who was told that nobody knows may have left something behind.
    let claims = number(&client, "SELECT count(*) FROM activity_log WHERE action = 'claimed'").await;
    let unknown = claims - told.claimed.len() as i64;
    assert!(unknown <= 3 * i64::from(told.unavailable), "{unknown} chunks were claimed for nobody");
}

/// A server that is killed forgets numbers of transactions that it gave out and that nothing on its disk bears yet; the
/// next transactions get them again. Whoever asks for the fate of such a number hears of another transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_died_with_the_server_is_not_taken_for_another_of_its_number() {
    tokio::join!(die_in_a_transaction(Victim::Server), die_in_a_transaction(Victim::Backend));
}

fn claim_one(
    store: &Arc<PostgresStore>,
    job_id: JobId,
) -> tokio::task::JoinHandle<ream_core::Result<Vec<ClaimedChunk>>> {
    let store = store.clone();
    tokio::spawn(async move { store.claim(ClaimRequest::new(task("worker"), 1).of_job(job_id)).await })
}

async fn die_in_a_transaction(victim: Victim) {
    // Nothing is written to the disk before a commit asks for it.
    let settings = settings().with("wal_writer_delay", "10s").with("autovacuum", "off");
    let server = start(settings).await;
    let proxy = FaultProxy::start(server.port()).unwrap();
    let mut options = PostgresOptions::new(database_url(proxy.port(), "postgres"));
    options.max_connections = 1;
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    let job_id = job_with(&store, 300, long_leases()).await;
    // From now on all statements are prepared.
    claim(&store, job_id, "worker", 1).await;

    let client = connect(&server.url("postgres")).await;
    proxy.delay(Duration::from_millis(100));
    // Its number is on its way to the store. On a busy machine it may be gone before it is seen; then the next is.
    let mut claiming = claim_one(&store, job_id);
    let xid = until("a claim under way", async || {
        if claiming.is_finished() {
            claiming = claim_one(&store, job_id);
        }
        let sql = "SELECT backend_xid::text::bigint FROM pg_stat_activity \
            WHERE application_name = 'ream' AND backend_xid IS NOT NULL AND state = 'idle in transaction'";
        client.query_opt(sql, &[]).await.unwrap().map(|row| row.get::<_, i64>(0))
    })
    .await;
    // The store gets it, writes and commits; none of that arrives. Were it slower than this, it would be in no doubt.
    proxy.stall(Direction::ToServer);
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.refuse();
    let server = kill(server, victim).await;
    proxy.cut(Ending::Reset);
    let client = connect(&server.url("postgres")).await;
    let next = number(&client, "SELECT pg_current_xact_id()::text::bigint").await;
    println!("{victim:?}: transaction {xid} was under way, after the restart the next is {next}");
    for _ in next..xid {
        number(&client, "SELECT pg_current_xact_id()::text::bigint").await;
    }
    proxy.pass().unwrap();

    match claiming.await.unwrap() {
        Ok(claimed) => {
            for claimed in claimed {
                let logged = logged(&client, claimed.chunk.id, "claimed", claimed.chunk.attempt).await;
                let chunk = store.get_chunk(claimed.chunk.id).await.unwrap();
                assert_eq!(
                    (chunk.status(), logged),
                    (JobChunkStatus::Processing, 1),
                    "claimed, and yet {chunk:?}"
                );
            }
        }
        Err(error) => assert!(error.is_unavailable(), "{error}"),
    }
    work_off(&store, &client, job_id).await;
    check_rules(&store, &client, job_id).await;
}
