use crate::harness::{Session, exists};

#[test]
fn lists_and_settings_of_no_use() {
    let mut s = Session::new();
    s.file("empty.txt", "");
    s.file("words.txt", "no URL\nnone here either\n");
    s.file("pets.csv", "link,title\nhttp://127.0.0.1/1.jpg,Cat\n");
    s.file("list.xlsx", "PK");
    for args in [
        &["crawl", "missing.txt", "--out", "o"][..],
        &["crawl", "missing.txt", "--out", "o", "--json"],
        &["crawl", "empty.txt", "--out", "o"],
        &["crawl", "words.txt", "--out", "o"],
        &["crawl", "pets.csv", "--out", "o"],
        &["crawl", "list.xlsx", "--out", "o"],
        &["crawl", "words.txt"],
        &["crawl", "words.txt", "--out", "o", "--allow-net", "10.0.0.0/99"],
        &["crawl", "words.txt", "--out", "o", "--allow-net", "10.0.0.0/8", "--allow-net", "fd00::/999"],
        &["crawl", "words.txt", "--out", "o", "--format", "zip"],
        &["crawl", "words.txt", "--out", "o", "--images-in-flight", "0"],
        &["crawl", "words.txt", "--out", "o", "--image-size", "64"],
        &["crawl", "words.txt", "--out", "o", "--encode-quality", "50"],
        &["crawl", "words.txt", "--out", "o", "--resize-mode", "stretch"],
        &["crawl", "words.txt", "--out", "o", "--resize-mode", "border", "--image-size", "16384"],
        &["crawl", "words.txt", "--out", "o", "--image-size", "big"],
        &["crawl", "words.txt", "--out", "o", "--encode-quality", "300"],
        &["crawl", "words.txt", "--json"],
        &["crawl", "pets.csv", "--out", "o", "--url-col", "link", "--keep-cols", "licence"],
        &["crawl", ".", "--out", "."],
        &["failed", "."],
        &["crawl", "words.txt", "--out", "o", "--user-agent", "two\nlines"],
        &["crawl", "words.txt", "--out", "o", "--database", "sqlite:mine.db"],
        &["crawl", "words.txt", "--out", "pets.csv"],
        &["crawl", "words.txt", "--out", "o", "--max-per-host", "-3"],
    ] {
        s.ream(args);
    }
    assert!(!exists(&s, "o"), "something was left behind");
    s.matches("crawl_bad");
}

#[test]
fn what_must_not_be_fetched_is_told_by_class_and_nothing_is_dialled() {
    let mut s = Session::new();
    s.file(
        "list.txt",
        "http://10.0.0.1/a.jpg\nhttp://[::1]/b.jpg\nhttp://127.0.0.1:22/c.jpg\nftp://x/d.jpg\n",
    );
    s.ream(&["crawl", "list.txt", "--out", "o"])
        .ream(&["crawl", "list.txt", "--out", "o", "--json"])
        .ream(&["failed", "o"])
        .ream(&["failed", "o", "--transient"])
        .ream(&["failed", "o", "--class", "blocked_address,dns"])
        .ream(&["failed", "o", "--class", "tired"])
        .ream(&["crawl", "list.txt", "--out", "o", "--quiet", "--fail-on-image-errors"])
        .ream(&["crawl", "list.txt", "--out", "o", "--format", "webdataset"])
        .ream(&["verify", "1", "--database", "sqlite:o/_ream/ream.db"]);
    s.file("list.txt", "http://10.0.0.2/a.jpg\n");
    s.ream(&["crawl", "list.txt", "--out", "o"]);
    std::fs::create_dir_all(s.path().join("photos/00000")).unwrap();
    s.ream(&["crawl", "list.txt", "--out", "photos"]);
    assert!(!exists(&s, "photos/_ream"));
    s.matches("crawl_refused");
}

#[test]
fn what_a_folder_holds_besides_lists_and_output_that_is_gone_is_told() {
    let mut s = Session::new();
    std::fs::create_dir_all(s.path().join("lists/more.txt")).unwrap();
    s.file("lists/a.txt", "http://10.0.0.1/a.jpg\n");
    s.file("lists/notes.md", "not a list");
    s.ream(&["crawl", "lists", "--out", "o"]);
    std::fs::remove_file(s.path().join("o/00000.ledger.parquet")).unwrap();
    s.ream(&["crawl", "lists", "--out", "o"]);
    s.matches("crawl_left_out");
}

#[test]
fn output_of_a_job_that_is_gone_is_a_conflict() {
    let mut s = Session::new();
    s.file("list.txt", "http://10.0.0.1/a.jpg\n");
    s.quietly(&["crawl", "list.txt", "--out", "o"]);
    s.ream(&["chunks", "list", "1", "--status", "failed", "--database", "sqlite:o/_ream/ream.db"]);
    s.ream(&["jobs", "delete", "1", "--yes", "--database", "sqlite:o/_ream/ream.db"]);
    s.ream(&["crawl", "list.txt", "--out", "o"]);
    s.matches("crawl_lost_job");
}

#[test]
fn the_demo_ends_with_five_chunks_and_the_broken_pictures_by_class() {
    let mut s = Session::new();
    s.ream(&["demo", "--json"]).ream(&["verify", "--all", "--database", "sqlite:ream-demo/_ream/ream.db"]);
    s.ream(&["demo", "--out", "ream-demo"]);
    assert!(exists(&s, "ream-demo/00004.ledger.parquet") && exists(&s, "ream-demo/00004/000002499.png"));
    s.matches("demo");
}
