use super::parse::{MAX_BODY_BYTES, MAX_LINE_BYTES, MAX_RULES};
use super::pattern::{Pattern, normal_path};
use super::*;
use proptest::prelude::*;

fn rules(text: &str) -> Rules {
    Rules::parse(text.as_bytes(), "Ream")
}

/// The paths of `paths` that the file allows.
fn allowed<'a>(text: &str, paths: &[&'a str]) -> Vec<&'a str> {
    let rules = rules(text);
    paths.iter().copied().filter(|path| rules.allows(path)).collect()
}

/// Whether a rule's path alone matches a URL's path.
fn hits(pattern: &str, path: &str) -> bool {
    !rules(&format!("user-agent: ream\ndisallow: {pattern}\n")).allows(path)
}

#[test]
fn a_file_that_says_nothing_allows_everything() {
    for text in
        ["", "\n\n", "<html><body>Not found</body></html>", "disallow: /", "sitemap: http://a.test/s.xml"]
    {
        assert_eq!(rules(text), Rules::default(), "{text}");
    }
    assert!(Rules::default().allows("/anything?at=all"));
}

#[test]
fn the_group_of_the_product_counts_and_no_other() {
    let text =
        "User-agent: *\nDisallow: /all\n\nUser-agent: Ream\nDisallow: /ream\n\nUser-agent: b\nDisallow: /b\n";
    assert_eq!(allowed(text, &["/all", "/ream", "/b"]), ["/all", "/b"]);
    let other = Rules::parse(text.as_bytes(), "Other");
    assert_eq!(["/all", "/ream", "/b"].map(|path| other.allows(path)), [false, true, true]);
}

#[test]
fn a_group_of_the_product_without_rules_allows_what_the_star_forbids() {
    for text in ["user-agent: ream", "user-agent: ream\ndisallow:", "user-agent: ream\nuser-agent: *"] {
        assert!(rules(&format!("user-agent: *\ndisallow: /\n\n{text}\n")).allows("/x"), "{text}");
    }
}

#[test]
fn several_agents_share_a_group_and_groups_of_one_agent_are_merged() {
    let text = "user-agent: a\nuser-agent: ream\ndisallow: /1\n\nuser-agent: b\ndisallow: /2\n\n\
                user-agent: REAM\nallow: /1/open\ndisallow: /3\n";
    assert_eq!(allowed(text, &["/1", "/1/open", "/2", "/3"]), ["/1/open", "/2"]);
    let stars = "user-agent: *\ndisallow: /1\n\nuser-agent: b\ndisallow: /2\n\nuser-agent: *\ndisallow: /3\n";
    assert_eq!(allowed(stars, &["/1", "/2", "/3"]), ["/2"]);
}

#[test]
fn a_name_matches_whatever_its_case_or_version_but_only_whole() {
    for name in ["ream", "REAM", "Ream/2.1", "ream crawler", "ream*", "Ream (images)"] {
        assert!(!rules(&format!("user-agent: {name}\ndisallow: /")).allows("/"), "{name}");
    }
    for name in ["reamer", "rea", "ream-images", "ream_x", "dream", "the ream", "", "*ream", "**"] {
        assert!(rules(&format!("user-agent: {name}\ndisallow: /")).allows("/"), "{name}");
    }
    let text = b"user-agent: img2bot\ndisallow: /";
    assert!(!Rules::parse(text, "Img2Bot/3.0 (+https://a.test)").allows("/"));
    assert!(Rules::parse(text, "").allows("/"));
    assert!(!Rules::parse(b"user-agent: * all\ndisallow: /", "").allows("/"));
}

#[test]
fn other_lines_do_not_part_agents_from_their_rules() {
    for line in ["Sitemap: https://a.test/s.xml", "Crawl-delay: 1", "junk", "Noindex: /", ": x", "# note", ""]
    {
        let text =
            format!("user-agent: ream\n{line}\nuser-agent: b\n{line}\ndisallow: /x\n{line}\ndisallow: /y\n");
        assert_eq!(allowed(&text, &["/x", "/y", "/z"]), ["/z"], "{line}");
    }
}

#[test]
fn byte_order_mark_line_ends_comments_and_blanks_do_not_matter() {
    let expected = rules("user-agent:ream\ndisallow:/x\nallow:/x/y");
    for text in [
        "\u{feff}User-Agent: Ream\r\nDisallow: /x\r\nAllow: /x/y\r\n",
        "user-agent: ream\rdisallow: /x\rallow: /x/y",
        "\n\r\n  USER-AGENT \t: \t ream # me\n\n\tDisallow : /x#y\n# Disallow: /z\nAllow:\t/x/y \t\n",
    ] {
        assert_eq!(rules(text), expected, "{text:?}");
    }
}

#[test]
fn rules_before_any_agent_are_nobodys() {
    assert!(rules("disallow: /\nuser-agent: ream\ndisallow: /x").allows("/"));
}

#[test]
fn the_longest_rule_wins_and_allow_wins_a_tie() {
    let paths = ["/", "/example/page/", "/example/page/disallowed.gif", "/example/page/x"];
    let text =
        "user-agent: ream\nallow: /example/page/\ndisallow: /example/page/disallowed.gif\ndisallow: /\n";
    assert_eq!(allowed(text, &paths), ["/example/page/", "/example/page/x"]);
    for text in ["disallow: /folder\nallow: /folder", "allow: /folder\ndisallow: /folder"] {
        assert!(rules(&format!("user-agent: ream\n{text}")).allows("/folder/page"), "{text}");
    }
    let stars = "user-agent: ream\nallow: /page\ndisallow: /*.htm\n";
    assert_eq!(allowed(stars, &["/page", "/page.htm"]), ["/page"]);
    assert!(rules("user-agent: ream\nallow: /$\ndisallow: /").allows("/"));
    assert!(!rules("user-agent: ream\nallow: /$\ndisallow: /").allows("/page"));
    // Spelled differently the two are still the same rule, so it is a tie.
    assert!(rules("user-agent: ream\ndisallow: /%61%62\nallow: /ab").allows("/ab"));
}

#[test]
fn the_rfcs_example_of_wildcards_holds() {
    let text = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
                User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
                User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\nUser-Agent: quxbot\n";
    let who = |product: &str| {
        let rules = Rules::parse(text.as_bytes(), product);
        ["/a.gif", "/a.gif?x", "/example/page.html", "/example/allowed.gif", "/publications/"]
            .map(|path| u8::from(rules.allows(path)))
    };
    assert_eq!(who("Ream"), [0, 1, 0, 0, 1]);
    assert_eq!(who("FooBot"), [0, 0, 1, 1, 0]);
    assert_eq!(who("BarBot"), [1, 1, 0, 1, 1]);
    assert_eq!(who("bazbot"), [1, 1, 0, 1, 1]);
    assert_eq!(who("quxbot"), [1, 1, 1, 1, 1]);
}

#[test]
fn star_and_dollar_match_as_the_rfc_says() {
    for (pattern, yes, no) in [
        (
            "/fish",
            &["/fish", "/fish.html", "/fish/salmon", "/fishheads?id=1"][..],
            &["/Fish", "/a/fish", "/fis"][..],
        ),
        ("/fish*", &["/fish", "/fishy"], &["/Fish", "/catfish"]),
        ("/fish/", &["/fish/", "/fish/?id=1"], &["/fish", "/fish.html"]),
        ("/*.php", &["/a.php", "/f/a.php?x", "/a.php5", "/a.phpa.php"], &["/", "/a.PHP", "/php"]),
        ("/*.php$", &["/a.php", "/a.php.php"], &["/a.php?x", "/a.php/", "/a.php5"]),
        ("/fish*.php", &["/fish.php", "/fishheads/a.php?x"], &["/Fish.PHP", "/fis.php"]),
        ("/$", &["/"], &["/a", "//"]),
        ("*", &["/", "/a"], &[]),
        ("*$", &["/", "/a"], &[]),
        ("/a**b", &["/ab", "/a/x/b/c"], &["/a"]),
        ("/*?", &["/a?", "/?b"], &["/a", "/a%3Fb"]),
        ("/a$b", &["/a$b", "/a%24bc"], &["/a", "/ab"]),
        ("x", &[], &["/x", "/"]),
        ("/a*a$", &["/aa", "/aba"], &["/a", "/ab"]),
        ("/*ab*ba$", &["/abba", "/abxba"], &["/aba"]),
    ] {
        for path in yes {
            assert!(hits(pattern, path), "{pattern} should match {path}");
        }
        for path in no {
            assert!(!hits(pattern, path), "{pattern} should not match {path}");
        }
    }
}

#[test]
fn all_spellings_of_a_path_are_one() {
    for (pattern, path) in [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https://foo.bar"),
        ("/foo/bar/\u{30c4}", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%e3%83%84", "/foo/bar/\u{30c4}"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a"),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html"),
        ("/path/foo-%24", "/path/foo-$"),
        ("/a b|c", "/a%20b%7Cc"),
        ("/%7Ejoe/", "/~joe/x"),
        ("/100%", "/100%25"),
        ("/a,b", "/a%2cb"),
        ("/a%2fb", "/a%2Fb"),
        ("/*/private", "/x?next=%2Fprivate"),
        ("/\u{1b}[31m", "/%1B%5B31m"),
    ] {
        assert!(hits(pattern, path), "{pattern} should match {path}");
    }
    for (pattern, path) in [
        ("/a/b", "/a%2Fb"),
        ("/a%2Fb", "/a/b"),
        ("/a?b", "/a%3Fb"),
        ("/a%3Fb", "/a?b"),
        ("/A", "/%61"),
        ("/a%2A", "/axx"),
    ] {
        assert!(!hits(pattern, path), "{pattern} should not match {path}");
    }
}

#[test]
fn a_path_without_its_slash_or_with_a_fragment_is_understood() {
    assert!(hits("/x", "x"));
    assert!(hits("/$", ""));
    assert!(hits("/?a", "?a"));
    assert!(hits("/x$", "/x#part"));
}

#[test]
fn the_rules_file_itself_is_always_allowed() {
    let rules = rules("user-agent: *\ndisallow: /\n");
    assert!(rules.allows("/robots.txt") && rules.allows("/robots.txt?x") && rules.allows("/robots%2Etxt"));
    assert!(!rules.allows("/robots.txt.gz") && !rules.allows("/a/robots.txt"));
}

#[test]
fn a_refusal_names_its_rule_in_plain_ascii() {
    let rules = rules("user-agent: *\ndisallow: /a*b\u{30c4}\u{1b}$\nallow: /a/c\n");
    assert_eq!(rules.refusing_rule("/a/b\u{30c4}\u{1b}"), Some("/a*b%E3%83%84%1B$"));
    assert_eq!(rules.refusing_rule("/a/c"), None);
    assert_eq!(rules.refusing_rule("/b"), None);
}

#[test]
fn crawl_delay_is_the_groups_own_and_bounded() {
    let delay = |text: &str| rules(text).crawl_delay().map(|delay| delay.as_secs_f64());
    assert_eq!(delay("user-agent: ream\ncrawl-delay: 2.5\ndisallow: /x"), Some(2.5));
    assert_eq!(delay("user-agent: ream\ndisallow: /x\nCrawl-Delay : 10 # s"), Some(10.0));
    assert_eq!(
        delay("user-agent: *\ncrawl-delay: 9\n\nuser-agent: b\ncrawl-delay: 8\ndisallow: /"),
        Some(9.0)
    );
    assert_eq!(delay("user-agent: b\ncrawl-delay: 9\ndisallow: /\nuser-agent: ream\ndisallow: /x"), None);
    assert_eq!(delay("user-agent: b\ncrawl-delay: 9\nuser-agent: ream\ndisallow: /x"), None);
    assert_eq!(delay("user-agent: ream\ncrawl-delay: 1\ncrawl-delay: 3\ncrawl-delay: 2"), Some(3.0));
    assert_eq!(delay("user-agent: ream\ncrawl-delay: 1e300"), Some(86_400.0));
    for nonsense in ["", "-1", "inf", "nan", "ten", "1,5", "1e999", "\u{664}"] {
        assert_eq!(delay(&format!("user-agent: ream\ncrawl-delay: {nonsense}")), None, "{nonsense}");
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_alone() {
    let long = format!("disallow: /{}", "x".repeat(MAX_LINE_BYTES));
    let text = format!("user-agent: ream\n{long}\ndisallow: /y\n");
    assert_eq!(rules(&text), rules("user-agent: ream\ndisallow: /y"));
}

#[test]
fn what_comes_after_the_size_limit_is_not_read_and_a_cut_line_is_dropped() {
    let mut text = "user-agent: ream\ndisallow: /first\n".to_owned();
    while text.len() + 100 < MAX_BODY_BYTES {
        text.push_str("# filler filler filler filler\n");
    }
    text.push_str(&format!("disallow: /cut{}\ndisallow: /late\n", "x".repeat(200)));
    assert_eq!(rules(&text), rules("user-agent: ream\ndisallow: /first"));
    let one_line = "x".repeat(MAX_BODY_BYTES + 1);
    assert_eq!(rules(&one_line), Rules::default());
}

#[test]
fn memory_stays_bounded_whatever_the_file() {
    let mut text = "user-agent: ream\n".to_owned();
    for n in 0..4 * MAX_RULES {
        text.push_str(&format!("allow:/{n}\n"));
    }
    let many = rules(&text);
    assert_eq!(many.ordered.len(), MAX_RULES);
    // Every octet written as three is the worst case.
    let wide = format!("user-agent: ream\n{}", format!("allow:{}\n", "|".repeat(8000)).repeat(100));
    for rules in [many, rules(&wide)] {
        assert!(rules.memory_bytes() < 3 * MAX_BODY_BYTES + MAX_RULES * size_of::<Rule>() + 1000);
    }
    assert_eq!(Rules::default().memory_bytes(), size_of::<Rules>());
}

/// A matcher that tries every way would need more steps here than there are atoms.
#[test]
fn stars_cost_no_more_than_the_length_of_path_and_pattern() {
    let path = format!("/{}", "a".repeat(50_000));
    let patterns =
        [format!("/{}b", "*a".repeat(3000)), format!("/{}b$", "a*".repeat(3000)), "*".repeat(8000)];
    assert_eq!(patterns.map(|pattern| hits(&pattern, &path)), [false, false, true]);
}

/// The plain definition: the set of places in the path that a prefix of the pattern can reach.
fn model_matches(pattern: &str, path: &str) -> bool {
    let (body, anchored) = pattern.strip_suffix('$').map_or((pattern, false), |body| (body, true));
    let path = path.as_bytes();
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for byte in body.bytes() {
        if byte == b'*' {
            let first = reached.iter().position(|at| *at).unwrap_or(reached.len());
            reached[first..].fill(true);
        } else {
            for at in (0..path.len()).rev() {
                reached[at + 1] = reached[at] && path[at] == byte;
            }
            reached[0] = false;
        }
    }
    if anchored { reached[path.len()] } else { reached.contains(&true) }
}

proptest! {
    #[test]
    fn matching_agrees_with_its_definition(pattern in "[*/]?[ab*]{0,8}[$]?", path in "[ab/]{0,12}") {
        let path = normal_path(&path);
        let pattern = Pattern::new(pattern.as_bytes());
        prop_assert_eq!(pattern.matches(&path), model_matches(pattern.as_str(), &path));
    }

    #[test]
    fn the_one_form_is_ascii_and_its_own_form(path in "\\PC{0,20}|[/?%0-9A-Fa-f*$|]{0,20}") {
        let once = normal_path(&path);
        prop_assert!(once.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(normal_path(&once), once);
    }

    #[test]
    fn the_decision_is_the_longest_matching_rule(
        lines in prop::collection::vec((any::<bool>(), "/[ab*]{0,4}[$]?"), 0..8),
        path in "/[ab]{0,6}",
    ) {
        let mut text = "user-agent: ream\n".to_owned();
        for (allow, pattern) in &lines {
            text.push_str(&format!("{}: {pattern}\n", if *allow { "allow" } else { "disallow" }));
        }
        let matching = lines.iter().filter(|(_, pattern)| model_matches(pattern, &path));
        let best = matching.max_by_key(|(allow, pattern)| (pattern.len(), *allow));
        prop_assert_eq!(rules(&text).allows(&path), best.is_none_or(|(allow, _)| *allow));
    }

    #[test]
    fn any_bytes_are_read_without_harm(body in prop::collection::vec(any::<u8>(), 0..300), path in "\\PC{0,20}") {
        let rules = Rules::parse(&body, "Ream");
        prop_assert_eq!(rules.allows(&path), rules.refusing_rule(&path).is_none());
    }
}
