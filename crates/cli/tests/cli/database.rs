use crate::harness::{Session, exists};

#[test]
fn a_missing_database_is_named_and_never_made_by_a_look() {
    let mut s = Session::new();
    for args in [
        &["jobs", "list"][..],
        &["jobs", "list", "--json"],
        &["jobs", "list", "--database", "sqlite:other.db"],
        &["jobs", "show", "1"],
        &["jobs", "delete", "1", "--yes"],
        &["chunks", "list", "1"],
        &["chunks", "explain", "1"],
        &["watch", "1"],
        &["verify", "--all"],
        &["activity"],
        &["activity", "--json"],
    ] {
        s.ream(args);
    }
    assert!(!exists(&s, "ream.db") && !exists(&s, "other.db"));
    s.matches("database_missing");
}

#[test]
fn what_is_no_database() {
    let mut s = Session::new();
    std::fs::create_dir(s.path().join("folder")).unwrap();
    s.file("text.db", &"not a database\n".repeat(100));
    s.ream(&["jobs", "list", "--database", "sqlite:folder"])
        .ream(&["jobs", "list", "--database", "sqlite:text.db"])
        .ream(&["jobs", "create", "--name", "x", "--images", "5", "--database", "sqlite:none/ream.db"])
        .ream(&["jobs", "list", "--database", "mysql://ada:secret@db/ream"])
        .ream(&["jobs", "list", "--database", "sqlite:"])
        .ream_env(&["jobs", "list", "--json"], &[("REAM_DATABASE", "mysql://ada:secret@db/ream")])
        .matches("database_bad");
}
