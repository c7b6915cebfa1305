use crate::harness::{Session, exists};

#[test]
fn a_plan_needs_no_database_and_makes_none() {
    let mut s = Session::new();
    s.ream(&["plan", "--images", "2500"])
        .ream(&["plan", "--images", "501", "--json"])
        .ream(&["plan", "--images", "1", "--chunk-size", "1000000"])
        .ream(&["plan", "--images", "6000", "--limit", "5"])
        .ream(&["plan", "--images", "6000", "--limit", "5", "--quiet"])
        .ream(&["plan", "--images", "1001", "--chunks"])
        .ream(&["plan", "--images", "1001", "--chunks", "--json"])
        .ream(&["plan", "--images", "1001", "--chunks", "--json", "--limit", "1"]);
    assert!(!exists(&s, "ream.db"));
    s.matches("plan");
}

#[test]
fn any_64_bit_number_is_planned_at_once() {
    Session::new()
        .ream(&["plan", "--images", "5850000000"])
        .ream(&["plan", "--images", "9223372036854775807", "--json"])
        .ream(&["plan", "--images", "9223372036854775807", "--chunk-size", "1", "--json"])
        .ream(&["plan", "--images", "9223372036854775807", "--limit", "2"])
        .matches("plan_large");
}

#[test]
fn bad_numbers_are_named_with_what_is_allowed() {
    Session::new()
        .ream(&["plan"])
        .ream(&["plan", "--images", "0"])
        .ream(&["plan", "--images", "-5"])
        .ream(&["plan", "--images", "9223372036854775808"])
        .ream(&["plan", "--images", "many", "--json"])
        .ream(&["plan", "--images", "5", "--chunk-size", "0"])
        .ream(&["plan", "--images", "5", "--limit", "0"])
        .matches("plan_bad");
}
