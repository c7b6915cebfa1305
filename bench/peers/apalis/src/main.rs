//! apalis on PostgreSQL: so many workers in one process, each with a queue of its own that fetches a batch.

use apalis::prelude::*;
use apalis_postgres::{Config, PgPool, PostgresStorage};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const QUEUE: &str = "chunks";
const STEP: u64 = 1000;
const LOOK_EVERY: Duration = Duration::from_millis(10);

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A chunk by its ids.
#[derive(Debug, Serialize, Deserialize)]
struct Chunk {
    job_id: u64,
    chunk_id: u64,
    first_image: u64,
    last_image: u64,
}

static FIRST: OnceLock<f64> = OnceLock::new();

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn storage(pool: &PgPool, batch: usize) -> PostgresStorage<Chunk> {
    // Tasks are locked when they are fetched; to note each one's start as well would be one more write.
    let config = Config::default().queue(QUEUE).batch_size(batch).lock_tasks(false);
    PostgresStorage::new(pool).with_config(config)
}

async fn handle(_chunk: Chunk) -> Result<(), BoxDynError> {
    FIRST.get_or_init(now_s);
    Ok(())
}

async fn load(pool: &PgPool, tasks: u64) -> Result<(), Fault> {
    PostgresStorage::setup(pool).await?;
    let mut from = 0;
    while from < tasks {
        let until = (from + STEP).min(tasks);
        let some = (from..until)
            .map(|chunk_id| {
                let (first_image, last_image) = (chunk_id * 500, chunk_id * 500 + 499);
                let chunk = Chunk { job_id: 1, chunk_id, first_image, last_image };
                Ok(TaskBuilder::new(serde_json::to_vec(&chunk)?).build())
            })
            .collect::<Result<Vec<_>, Fault>>()?;
        let mut tx = pool.begin().await?;
        apalis_postgres::queries::push_tasks(&mut *tx, QUEUE, some).await?;
        tx.commit().await?;
        from = until;
    }
    Ok(())
}

async fn work(pool: &PgPool, workers: u64, batch: usize) -> Result<(), Fault> {
    // Tasks are due from the next second on.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in 0..workers {
        let worker = WorkerBuilder::new(format!("worker-{n}")).backend(storage(pool, batch)).build(handle);
        tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("a worker ended: {error}");
                std::process::exit(1);
            }
        });
    }
    let left = "SELECT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')";
    while sqlx::query_scalar::<_, bool>(left).fetch_one(pool).await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let last = now_s();
    println!("{}", serde_json::json!({ "first": FIRST.get().copied().unwrap_or(last), "last": last }));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize| args.get(at).ok_or("too few arguments")?.parse::<u64>().map_err(Fault::from);
    let (tasks, workers, batch) = (number(2)?, number(3)?, usize::try_from(number(4)?)?);
    let connections = u32::try_from(workers)? + 2;
    let pool =
        PgPoolOptions::new().max_connections(connections).connect(&std::env::var("DATABASE_URL")?).await?;
    match args[1].as_str() {
        "load" => load(&pool, tasks).await,
        _ => work(&pool, workers, batch).await,
    }
}
