//! A `robots.txt`, and behind the first NUL a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fetch::robots::rules::Rules;
use std::time::Duration;

const PRODUCT: &str = "Ream";
/// Ends any group, and begins and ends that of somebody else.
const OTHERS_GROUP: &str = "\nallow:\nuser-agent: zz\nallow:\n";

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    // Only the first mark means nothing: with another one behind it, one more in front would change what is read.
    let mut body = &data[..end];
    while let Some(rest) = body.strip_prefix(b"\xef\xbb\xbf") {
        body = rest;
    }
    let path = String::from_utf8_lossy(data.get(end + 1..).unwrap_or_default());
    let rules = Rules::parse(body, PRODUCT);

    assert!(rules.allows("/robots.txt"));
    assert!(rules.crawl_delay().is_none_or(|delay| delay <= Duration::from_secs(86_400)));
    assert!(rules.memory_bytes() < 1000 + 3 * body.len() + 40 * body.len());

    let with = |parts: &[&[u8]]| Rules::parse(&parts.concat(), PRODUCT);
    assert_eq!(with(&[b"\xef\xbb\xbf", body]), rules, "a byte order mark");
    // Somebody else's groups change nothing, before and behind.
    let others = format!("{OTHERS_GROUP}disallow: /\ncrawl-delay: 7\n");
    assert_eq!(with(&[others.as_bytes(), body]), rules, "another's group before");
    assert_eq!(with(&[body, others.as_bytes()]), rules, "another's group behind");
    // Groups of one agent are merged, so saying it twice changes no decision.
    let twice = with(&[body, OTHERS_GROUP.as_bytes(), body]);
    assert_eq!(twice.allows(&path), rules.allows(&path), "said twice");
    assert_eq!(twice.crawl_delay(), rules.crawl_delay());

    let Some(refusing) = rules.refusing_rule(&path) else {
        assert!(rules.allows(&path));
        return;
    };
    assert!(!rules.allows(&path));
    assert!(refusing.bytes().all(|byte| byte.is_ascii_graphic()), "{refusing:?}");
    if refusing.len() < 8000 {
        // The rule as it is reported is the rule, and an equally long `Allow` takes it back.
        let again = Rules::parse(format!("user-agent: *\ndisallow: {refusing}").as_bytes(), PRODUCT);
        assert_eq!(again.refusing_rule(&path), Some(refusing));
        let taken_back = format!("{OTHERS_GROUP}user-agent: REAM/9\nallow: {refusing}\n");
        assert!(with(&[body, taken_back.as_bytes()]).allows(&path), "{refusing:?}");
    }
});
