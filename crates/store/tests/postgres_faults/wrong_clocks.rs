//! Clients whose clocks are wrong: the database's decides.

use crate::child::{Child, Notes};
use crate::postgres_kit::TestDatabase;
use crate::scene::{actor, check_rules, job_with, number, shift_clock, task, work_off};
use ream_core::event::Event;
use ream_core::{Attempt, ChunkId, Policy};
use ream_store::{ClaimRequest, JobChunkRepository, PostgresStore};
use std::time::{SystemTime, UNIX_EPOCH};

const HOUR_MS: i64 = 3_600_000;

fn own_time_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Does what it is told, an order a line, and answers each with a line.
pub(crate) async fn obey(store: &PostgresStore, notes: &Notes) {
    let worker = task(&notes.name());
    for n in 0.. {
        let order = notes.orders().line(n).await;
        let words: Vec<&str> = order.split(' ').collect();
        let named = |n: usize| words[n].parse::<i64>().unwrap();
        let apply = async |event: Event| {
            let answer =
                store.apply(vec![(ChunkId::new(named(1)), event)], &actor()).await.unwrap().remove(0);
            answer.map_or_else(|error| error.code().to_owned(), |_| "done".to_owned())
        };
        let answer = match words[0] {
            "time" => own_time_ms().to_string(),
            "claim" => {
                let claimed = store.claim(ClaimRequest::new(worker.clone(), 1)).await.unwrap().remove(0);
                format!("{} {}", claimed.chunk.id, claimed.chunk.attempt)
            }
            "hold" => apply(Event::Heartbeat { attempt: Attempt::new(named(2)), progress: None }).await,
            "fail" => apply(Event::Fail { attempt: Some(Attempt::new(named(2))), message: None }).await,
            "complete" => {
                apply(Event::Complete { attempt: Some(Attempt::new(named(2))), outcome: None }).await
            }
            "expire" => store.expire_due(100).await.unwrap().to_string(),
            "retry" => store.retry_due(100).await.unwrap().to_string(),
            _ => panic!("{order}"),
        };
        notes.tell(&answer);
    }
}

/// A child in another time, and how many orders it has had.
struct Servant(Child, usize);

impl Servant {
    fn start(db: &TestDatabase, folder: &std::path::Path, offset: &str) -> Self {
        let notes = folder.join(format!("clock{offset}"));
        // Waiting goes by a clock that knows no dates, and stays as it is.
        let faked = ["env", "FAKETIME_DONT_FAKE_MONOTONIC=1", "faketime", "-f", offset];
        Self(Child::start("clock", &db.url(), &notes, 0, &faked), 0)
    }

    async fn ask(&mut self, order: &str) -> String {
        self.0.notes.orders().tell(order);
        self.1 += 1;
        self.0.notes.line(self.1 - 1).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_expiry_and_back_offs_do_not_depend_on_the_clients_clocks() {
    let faketime = std::process::Command::new("faketime").arg("--version").output();
    assert!(faketime.is_ok(), "faketime is not installed (Debian package `faketime`)");
    let db = TestDatabase::new().await;
    let store = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let mut fast = Servant::start(&db, folder.path(), "+1h");
    let mut slow = Servant::start(&db, folder.path(), "-1h");
    for (servant, offset_ms) in [(&mut fast, HOUR_MS), (&mut slow, -HOUR_MS)] {
        let off_ms = servant.ask("time").await.parse::<i64>().unwrap() - own_time_ms();
        assert!((off_ms - offset_ms).abs() < 60_000, "{off_ms} ms off instead of {offset_ms}");
    }
    // An hour and more past the last look at any clock of a client: nobody's hour can come to the rescue.
    let job_id = job_with(&store, 20, Policy::default()).await;

    // What the database says about the lease or back-off of a chunk, in milliseconds from its own now.
    let left_ms = async |column: &str, chunk: &str| {
        let id = chunk.split(' ').next().unwrap();
        let sql = format!(
            "SELECT (extract(epoch FROM {column} - ream_now()) * 1000)::bigint FROM job_chunks WHERE id = {id}"
        );
        number(db.client(), &sql).await
    };
    // On a busy machine some of it has passed already.
    let (lease_ms, slack_ms) = (15_000, 10_000);
    for (servant, other) in [(0, 1), (1, 0)] {
        let mut servants = [&mut fast, &mut slow];
        let chunk = servants[servant].ask("claim").await;
        let left = left_ms("lease_expires_at", &chunk).await;
        assert!((lease_ms - slack_ms..=lease_ms).contains(&left), "a lease of {left} ms");
        let held = left_ms("timeout_at", &chunk).await;
        assert!((HOUR_MS - slack_ms..=HOUR_MS).contains(&held), "a timeout of {held} ms");

        // Neither finds it expired before its time, and its holder goes on.
        shift_clock(db.client(), 4_000).await;
        for servant in &mut servants {
            assert_eq!(servant.ask("expire").await, "0");
        }
        assert_eq!(servants[servant].ask(&format!("hold {chunk}")).await, "done");
        let left = left_ms("lease_expires_at", &chunk).await;
        assert!((lease_ms - slack_ms..=lease_ms).contains(&left), "an extended lease of {left} ms");

        // It backs off as long as with a right clock: half to all of 30 s.
        assert_eq!(servants[servant].ask(&format!("fail {chunk}")).await, "done");
        let left = left_ms("retry_at", &chunk).await;
        assert!((15_000 - slack_ms..=30_000).contains(&left), "a back-off of {left} ms");
        for servant in &mut servants {
            assert_eq!(servant.ask("retry").await, "0");
        }
        shift_clock(db.client(), 30_000).await;
        assert_eq!(servants[other].ask("retry").await, "1");

        // Once the lease is over by the database's clock, both know it.
        let chunk = servants[servant].ask("claim").await;
        shift_clock(db.client(), lease_ms).await;
        assert_eq!(servants[servant].ask(&format!("complete {chunk}")).await, "lease_lost");
        assert_eq!(servants[other].ask("expire").await, "1");
        let chunk = servants[other].ask("claim").await;
        assert_eq!(servants[other].ask(&format!("complete {chunk}")).await, "done");
    }
    // Nothing bears any time but the database's.
    let odd =
        "SELECT count(*) FROM activity_log WHERE abs(extract(epoch FROM created_at - ream_now())) > 600";
    assert_eq!(number(db.client(), odd).await, 0);
    let odd = "SELECT count(*) FROM job_chunks WHERE abs(extract(epoch FROM updated_at - ream_now())) > 600 \
        OR abs(extract(epoch FROM coalesce(started_at, updated_at) - ream_now())) > 600 \
        OR abs(extract(epoch FROM coalesce(finished_at, updated_at) - ream_now())) > 600";
    assert_eq!(number(db.client(), odd).await, 0);
    work_off(&store, db.client(), job_id).await;
    check_rules(&store, db.client(), job_id).await;
}
