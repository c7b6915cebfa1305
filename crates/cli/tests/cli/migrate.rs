use crate::harness::Session;

#[test]
fn a_schema_is_brought_up_to_date_once_and_shown_before() {
    let mut s = Session::new();
    for args in [
        &["migrate", "--dry-run"][..],
        &["migrate", "--dry-run", "--database", "sqlite:other.db"],
        &["jobs", "list", "--database", "sqlite:other.db"],
        &["migrate"],
        &["migrate"],
        &["migrate", "--json"],
        &["migrate", "--database", "postgres://nobody@127.0.0.1:1/none?connect_timeout=1"],
        &["jobs", "list", "--database", "postgres://me:s3cr3t@/x?sslmode=nonsense"],
    ] {
        s.ream(args);
    }
    s.matches("migrate");
}
