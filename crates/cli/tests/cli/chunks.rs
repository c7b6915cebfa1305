use crate::harness::{Session, claim};
use ream::{Attempt, ChunkId, Completion, ErrorClass, Heartbeat, Outcome};

/// Chunk 1 completed with failed images, 2 running, 3 failed for good, 4 failed and backing off, 5 waiting.
fn one_of_each() -> Session {
    let s = Session::with_job();
    s.work(|_, chunks| async move {
        let claimed = chunks.claim(claim("worker-1", 4)).await?;
        let outcome = Outcome {
            images_ok: 497,
            images_failed: [(ErrorClass::Dns, 2), (ErrorClass::Http4xx, 1)].into(),
            bytes: 12_345_678,
            duration_ms: 61_000,
            outputs: vec!["00000.tar".to_owned()],
        };
        chunks.mark_chunk_completed(Completion::with_outcome(&claimed[0], outcome)).await?;
        let progress = Some(ream::ChunkProgress { images_done: 120, bytes: 4_000_000 });
        let (chunk_id, attempt) = (ChunkId::new(2), Attempt::new(1));
        chunks.heartbeat(Heartbeat { chunk_id, attempt, progress }).await?;
        chunks.mark_chunk_failed(ChunkId::new(3), Some("disk full\nno space left")).await?;
        chunks.mark_chunk_failed(&claimed[3], Some("network down")).await.map(|_| ())
    });
    // Spans that read the same for the next half minute, and no jitter.
    s.sql("UPDATE job_chunks SET retry_at = updated_at + 7230000 WHERE retry_at IS NOT NULL");
    s.sql(
        "UPDATE job_chunks SET started_at = updated_at - 3690000, lease_expires_at = updated_at + 7230000, \
         timeout_at = updated_at + 18030000 WHERE id = 2",
    );
    s
}

#[test]
fn chunks_of_every_status() {
    let mut s = one_of_each();
    s.ream(&["chunks", "list", "1"])
        .ream(&["chunks", "list", "1", "--json"])
        .ream(&["chunks", "list", "1", "--status", "failed"])
        .ream(&["chunks", "list", "1", "--limit", "2"])
        .ream(&["chunks", "list", "1", "--limit", "2", "--cursor", "after-500", "--json"])
        .ream(&["chunks", "list", "1", "--all", "--status", "pending"])
        .matches("chunks_list");
}

#[test]
fn one_chunk_of_every_status() {
    let mut s = one_of_each();
    for chunk in ["1", "2", "3", "4", "5"] {
        s.ream(&["chunks", "show", chunk]);
    }
    s.ream(&["chunks", "show", "1", "--json"]).matches("chunks_show");
}

#[test]
fn lists_without_chunks_say_why() {
    let mut s = Session::with_job();
    s.ream(&["jobs", "create", "--name", "later", "--images", "5"])
        .ream(&["chunks", "list", "2"])
        .ream(&["chunks", "list", "1", "--status", "failed"])
        .ream(&["chunks", "list", "1", "--cursor", "after-2499"])
        .ream(&["chunks", "list", "1", "--status", "failed", "--json"])
        .matches("chunks_none");
}

#[test]
fn moves_of_chunks() {
    let mut s = one_of_each();
    s.ream(&["chunks", "retry", "3"])
        .ream(&["chunks", "retry", "1", "4", "99"])
        .ream(&["chunks", "priority", "5", "10"])
        .ream(&["chunks", "split", "5", "--parts", "3"])
        .ream(&["chunks", "split", "3", "--parts", "2", "--json"])
        .ream(&["verify", "1"])
        .matches("chunks_moves");
}

#[test]
fn what_cannot_be_done_to_a_chunk() {
    let mut s = one_of_each();
    s.ream(&["chunks", "retry", "1"])
        .ream(&["chunks", "retry", "1", "99", "--json"])
        .ream(&["chunks", "retry"])
        .ream(&["chunks", "split", "1", "--parts", "2"])
        .ream(&["chunks", "split", "5", "--parts", "1"])
        .ream(&["chunks", "split", "5", "--parts", "501"])
        .ream(&["chunks", "split", "99", "--parts", "2"])
        .ream(&["chunks", "priority", "5", "11"])
        .ream(&["chunks", "priority", "99", "1"])
        .ream(&["chunks", "show", "99"])
        .ream(&["chunks", "explain", "99", "--json"])
        .ream(&["chunks", "list", "1", "--status", "faild"])
        .ream(&["chunks", "list", "1", "--limit", "1001"])
        .ream(&["chunks", "list", "1", "--cursor", "7"])
        .ream(&["chunks", "list", "1", "--all", "--limit", "7"])
        .matches("chunks_bad");
}

#[test]
fn explanations_for_every_status() {
    let mut s = one_of_each();
    for chunk in ["1", "2", "3", "4", "5"] {
        // What follows the report: the explanation and the last rows of the log.
        s.ream(&["chunks", "explain", chunk]);
    }
    s.ream(&["chunks", "explain", "5", "--json"]).matches("chunks_explain");
}

#[test]
fn explanations_of_what_nobody_noticed_yet() {
    let mut s = one_of_each();
    s.later(86_400);
    s.ream(&["chunks", "explain", "2"]).ream(&["chunks", "explain", "4"]).matches("chunks_explain_overdue");
}
