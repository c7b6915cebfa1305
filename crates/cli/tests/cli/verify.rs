use crate::harness::Session;

#[test]
fn sound_jobs() {
    let mut s = Session::with_job();
    s.quietly(&["jobs", "create", "--name", "later", "--images", "5"]);
    s.ream(&["verify", "1"])
        .ream(&["verify", "--all"])
        .ream(&["verify", "1", "--json"])
        .ream(&["verify", "1", "--repair"])
        .ream(&["verify"])
        .ream(&["verify", "1", "--all"])
        .matches("verify_sound");
}

#[test]
fn wrong_counts_are_found_and_repaired() {
    let mut s = Session::with_job();
    s.sql("UPDATE crawl_jobs SET completed_chunks = 2, completed_images = 700");
    s.ream(&["verify", "1"])
        .ream(&["verify", "1", "--json"])
        .ream(&["verify", "1", "--repair"])
        .ream(&["verify", "1"])
        .ream(&["activity", "--action", "repaired"]);
    s.sql("UPDATE crawl_jobs SET failed_chunks = 1");
    s.ream(&["verify", "--all", "--repair", "--json"]).matches("verify_counts");
}

#[test]
fn gaps_overlaps_and_a_changed_schema_are_found() {
    let mut s = Session::with_job();
    s.sql("UPDATE job_chunks SET last_image = last_image - 1 WHERE id = 2");
    s.sql("UPDATE job_chunks SET last_image = last_image + 7 WHERE id = 3");
    s.sql("DROP INDEX ix_job_chunks_job_status");
    s.ream(&["verify", "1"]).ream(&["verify", "--all", "--repair"]).ream(&["verify", "1", "--json"]);
    s.matches("verify_faults");
}

#[test]
fn a_creation_that_was_cut_off_is_told() {
    let mut s = Session::new();
    s.quietly(&["jobs", "create", "--name", "photos", "--images", "2500"]);
    s.sql("UPDATE crawl_jobs SET chunked_images = 2500, chunked_priority = 5");
    s.ream(&["verify", "1"]).ream(&["jobs", "start", "1"]).ream(&["verify", "1"]).matches("verify_cut_off");
}
