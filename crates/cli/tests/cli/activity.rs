use crate::harness::{Session, claim};

#[test]
fn the_trail_newest_first_and_filtered() {
    let mut s = Session::with_job();
    s.work(|_, chunks| async move {
        let claimed = chunks.claim(claim("worker-1", 2)).await?;
        chunks.mark_chunk_completed(&claimed[0]).await?;
        chunks.mark_chunk_failed(ream::ChunkId::new(2), Some("disk full")).await.map(|_| ())
    });
    s.quietly(&["chunks", "retry", "2"]);
    s.ream(&["activity"])
        .ream(&["activity", "--chunk", "2"])
        .ream(&["activity", "--actor", "cli:ada", "--limit", "2"])
        .ream(&["activity", "--action", "claimed", "--json"])
        .ream(&["activity", "--job", "9"])
        .ream(&["activity", "--action", "claim"])
        .matches("activity");
}

#[test]
fn the_actor_is_the_user_as_far_as_known() {
    let mut s = Session::with_job();
    s.ream_env(&["jobs", "pause", "1"], &[("USER", "")])
        .ream_env(&["jobs", "resume", "1"], &[("USER", "a\x1bb\nc")])
        .ream(&["activity", "--limit", "2", "--json", "--quiet"])
        .matches("activity_actor");
}
