use crate::harness::{Session, claim};

#[test]
fn a_job_that_goes_on_is_looked_at_once() {
    let mut s = Session::with_job();
    s.ream(&["watch", "1", "--once"]).ream(&["watch", "1", "--once", "--json"]);
    s.work(|_, chunks| async move {
        let claimed = chunks.claim(claim("worker-1", 2)).await?;
        chunks.mark_chunk_completed(&claimed[0]).await.map(|_| ())
    });
    s.quietly(&["jobs", "create", "--name", "later", "--images", "5"]);
    s.ream(&["watch", "1", "--once"]).ream(&["watch", "2", "--once"]).matches("watch_once");
}

#[test]
fn a_completed_job_ends_the_watch_with_0() {
    let mut s = Session::with_job();
    s.work(|_, chunks| async move {
        for chunk_id in 1..=5 {
            chunks.mark_chunk_completed(ream::ChunkId::new(chunk_id)).await?;
        }
        Ok(())
    });
    s.ream(&["watch", "1"]).ream(&["watch", "1", "--json"]).matches("watch_completed");
}

#[test]
fn a_job_that_ended_otherwise_ends_it_with_1_and_names_the_errors() {
    let mut s = Session::with_job();
    s.work(|_, chunks| async move {
        for chunk_id in 1..=5 {
            let error = if chunk_id == 3 { None } else { Some("disk full") };
            chunks.mark_chunk_failed(ream::ChunkId::new(chunk_id), error).await?;
        }
        Ok(())
    });
    s.ream(&["watch", "1"]).ream(&["watch", "1", "--json"]);
    s.quietly(&["jobs", "cancel", "1", "--yes"]);
    s.ream(&["watch", "1"]).matches("watch_failed");
}

#[test]
fn bad_intervals() {
    Session::with_job()
        .ream(&["watch", "1", "--interval-ms", "0"])
        .ream_env(&["watch", "1"], &[("REAM_WATCH_INTERVAL_MS", "soon")])
        .matches("watch_bad");
}

#[test]
fn a_job_that_was_paused_before_its_last_chunk_was_completed_ends_the_watch_with_0() {
    let mut s = Session::with_job();
    s.quietly(&["jobs", "pause", "1"]);
    s.work(|_, chunks| async move {
        for chunk_id in 1..=5 {
            chunks.mark_chunk_completed(ream::ChunkId::new(chunk_id)).await?;
        }
        Ok(())
    });
    s.ream(&["watch", "1"]).ream(&["jobs", "resume", "1"]).ream(&["jobs", "pause", "1"]);
    s.matches("watch_paused");
}
