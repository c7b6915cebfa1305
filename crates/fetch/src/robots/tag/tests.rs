use super::*;
use proptest::prelude::*;

fn found(values: &[&str]) -> Option<String> {
    refusal(values.iter().map(|value| value.as_bytes()), "Ream")
}

#[test]
fn each_refusing_directive_is_found_whatever_its_case_and_place() {
    for directive in REFUSING {
        assert_eq!(found(&[directive]).as_deref(), Some(directive));
        let shouted = format!(" nofollow ,\t{} , noarchive", directive.to_uppercase());
        assert_eq!(found(&[&shouted]).as_deref(), Some(directive));
        assert_eq!(found(&["all", "nosnippet", directive]).as_deref(), Some(directive));
    }
}

#[test]
fn other_directives_refuse_nothing() {
    for value in
        ["", ",", ":", "all", "nofollow", "noindexed", "no index", "xnoai", "noai-x", "index, follow"]
    {
        assert_eq!(found(&[value]), None, "{value}");
    }
    assert_eq!(found(&[]), None);
}

#[test]
fn only_directives_for_all_or_for_the_product_count() {
    for value in [
        "ream: noai",
        "REAM:noai",
        "Ream/1.0: noai",
        "*: noai",
        "otherbot: nofollow, ream: nofollow, noai",
        "ream: nofollow, noai",
        "noai, otherbot: nofollow",
        "otherbot: ream: noai",
        "ream: otherbot: noai",
        "otherbot: noindex, *: noai",
    ] {
        assert_eq!(found(&[value]).as_deref(), Some("noai"), "{value}");
    }
    for value in
        ["otherbot: noai", "otherbot: nofollow, noai", "reamer: noai", "ream: all, otherbot: noai", ": noai"]
    {
        assert_eq!(found(&[value]), None, "{value}");
    }
}

#[test]
fn an_agent_counts_to_the_end_of_its_header_only() {
    assert_eq!(found(&["otherbot: nofollow", "noai"]).as_deref(), Some("noai"));
}

#[test]
fn a_date_with_commas_and_colons_is_no_agent() {
    for date in [
        "25 Jun 2030 15:00:00 PST",
        "Wed, 03 Dec 2030 13:09:53 GMT",
        "Wednesday, 03-Dec-30 13:09:53 GMT",
        "December 3, 2030, 13:09 PST",
        "2030-12-03T13:09:53Z",
    ] {
        let everybody = format!("unavailable_after: {date}, noai");
        assert_eq!(found(&[&everybody]).as_deref(), Some("noai"), "{everybody}");
        let other = format!("otherbot: Unavailable_After: {date}, noai");
        assert_eq!(found(&[&other]), None, "{other}");
        let ours = format!("ream: unavailable_after: {date}, noai");
        assert_eq!(found(&[&ours]).as_deref(), Some("noai"), "{ours}");
        assert_eq!(found(&[&format!("unavailable_after: {date}, otherbot: noai")]), None);
    }
}

#[test]
fn a_directive_with_a_value_is_no_agent_and_its_value_no_directive() {
    for value in ["max-image-preview: none", "max-snippet: 0, MAX-Video-Preview: none"] {
        assert_eq!(found(&[value]), None, "{value}");
        assert_eq!(found(&[&format!("{value}, noai")]).as_deref(), Some("noai"));
        assert_eq!(found(&[&format!("otherbot: {value}, noai")]), None);
    }
}

#[test]
fn bytes_that_are_no_text_and_endless_values_do_no_harm() {
    assert_eq!(refusal([&b"\xff\xfe, \x00:"[..], b"noai"].into_iter(), "Ream").as_deref(), Some("noai"));
    let long = "a:,".repeat(MAX_BYTES);
    assert_eq!(found(&[&long, "noai"]), None);
    assert_eq!(found(&[&":".repeat(10 * MAX_BYTES)]), None);
}

proptest! {
    #[test]
    fn a_directive_for_all_in_front_is_always_seen(rest in "[a-z:, *]{0,40}") {
        let value = format!("noai,{rest}");
        prop_assert_eq!(found(&[&value]), Some("noai".to_owned()));
    }

    #[test]
    fn case_never_matters(value in "(noai|ream|other|max-x|none|unavailable_after|[:, 0-9]){0,12}") {
        prop_assert_eq!(found(&[&value]), found(&[&value.to_uppercase()]));
    }
}
