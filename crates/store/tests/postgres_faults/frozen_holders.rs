//! Holders that stand still, as a machine that sleeps, and wake when it is too late.

use crate::child::{Child, Notes};
use crate::postgres_kit::TestDatabase;
use crate::scene::{actor, apply, check_rules, claim, job_with, shift_clock, task, work_off};
use ream_core::event::Event;
use ream_core::{JobChunkStatus, Outcome, Policy};
use ream_store::{ClaimRequest, JobChunkRepository, PostgresStore};

/// Claims one chunk, and completes it when told to.
pub(crate) async fn hold(store: &PostgresStore, notes: &Notes) {
    let claimed = store.claim(ClaimRequest::new(task("frozen"), 1)).await.unwrap().remove(0).chunk;
    notes.tell(&format!("{} {}", claimed.id, claimed.attempt));
    notes.orders().line(0).await;
    let outcome = Some(Outcome { images_ok: 1, ..Outcome::default() });
    let complete = Event::Complete { attempt: Some(claimed.attempt), outcome };
    let answer = store.apply(vec![(claimed.id, complete)], &actor()).await.unwrap().remove(0);
    notes.tell(answer.map_or_else(|error| error.code(), |_| "completed"));
    // Nothing that it says after that counts either.
    let heartbeat = Event::Heartbeat { attempt: claimed.attempt, progress: None };
    let answer = store.apply(vec![(claimed.id, heartbeat)], &actor()).await.unwrap().remove(0);
    notes.tell(answer.map_or_else(|error| error.code(), |_| "held"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_wakes_after_its_lease_is_refused_and_the_other_result_stands() {
    for completed_by_other in [true, false] {
        let db = TestDatabase::new().await;
        let store = db.open().await;
        let job_id = job_with(&store, 3, Policy::default()).await;
        let folder = tempfile::tempdir().unwrap();
        let child = Child::start("holder", &db.url(), &folder.path().join("frozen"), 0, &[]);
        child.notes.line(0).await;
        child.signal("STOP");
        child.notes.orders().tell("complete");

        shift_clock(db.client(), 15_000).await;
        assert_eq!(store.expire_due(10).await.unwrap(), 1);
        let other = claim(&store, job_id, "other", 1).await.remove(0).chunk;
        assert_eq!(child.notes.line(0).await, format!("{} 1", other.id));
        assert_eq!(other.attempt.get(), 2);
        let outcome = Some(Outcome { images_ok: 2, ..Outcome::default() });
        let complete = Event::Complete { attempt: Some(other.attempt), outcome };
        if completed_by_other {
            apply(&store, other.id, complete.clone()).await.unwrap();
        }
        let before = store.get_chunk(other.id).await.unwrap();

        child.signal("CONT");
        assert_eq!([child.notes.line(1).await, child.notes.line(2).await], ["lease_lost", "lease_lost"]);
        assert_eq!(store.get_chunk(other.id).await.unwrap(), before);
        let done = apply(&store, other.id, complete).await.unwrap();
        assert_eq!(done.status(), JobChunkStatus::Completed);
        assert_eq!(done.outcome.map(|outcome| outcome.images_ok), Some(2));
        work_off(&store, db.client(), job_id).await;
        check_rules(&store, db.client(), job_id).await;
    }
}
