//! Which texts of a list are URLs that may become images.

use url::{ParseError, Url};

/// The URL without surrounding blanks, or why it takes no image number. The text stays as the list has it, so
/// that ledgers can be joined with the list.
pub(super) fn check(text: String) -> Result<String, String> {
    if is_plainly_good(text.as_bytes()) {
        return Ok(text);
    }
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if trimmed.is_empty() {
        return Err("no URL".to_owned());
    }
    // The URL standard drops tabs and line ends silently, which would glue a URL to the column after it.
    if trimmed.chars().any(|c| c.is_ascii_control()) {
        return Err("not a URL: contains a control character such as a tab".to_owned());
    }
    let url = Url::parse(trimmed).map_err(|e| match e {
        ParseError::RelativeUrlWithoutBase => {
            "not a URL: it has to begin with http:// or https://".to_owned()
        }
        other => format!("not a URL: {other}"),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        let scheme: String = url.scheme().chars().take(32).collect();
        return Err(format!("the scheme is `{scheme}`; allowed are http and https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user name or password".to_owned());
    }
    Ok(if trimmed.len() == text.len() { text } else { trimmed.to_owned() })
}

/// Whether this is a URL of the usual look, which needs no parser. Behind the host a URL may hold anything, so it
/// is enough to know the host: lower-case ASCII labels, none of them Punycode, the last not a number. Anything else,
/// a port included, is left to the parser.
fn is_plainly_good(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(b"https://").or_else(|| text.strip_prefix(b"http://")) else {
        return false;
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(end);
    is_plain_host(host) && !tail.iter().any(u8::is_ascii_control) && tail.last() != Some(&b' ')
}

fn is_plain_host(host: &[u8]) -> bool {
    let mut last = 0;
    for label in host.split(|byte| *byte == b'.') {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        match label.first() {
            Some(first) if *first != b'-' && label.iter().all(plain) && !label.starts_with(b"xn--") => {
                last = *first;
            }
            _ => return false,
        }
    }
    host.len() <= 253 && last.is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn what_needs_no_parser_is_what_the_parser_takes(
            text in "https?://[a-z0-9.-]{0,12}(\\.[a-z0-9]{1,4})?([/?#][ -~é]{0,20})?"
        ) {
            if is_plainly_good(text.as_bytes()) {
                let url = Url::parse(&text);
                prop_assert!(url.is_ok(), "{text}: {url:?}");
                let url = url.unwrap();
                prop_assert!(url.username().is_empty() && url.password().is_none());
                prop_assert_eq!(text.trim_matches(|c: char| c.is_ascii_whitespace()), &text);
            }
        }
    }

    #[test]
    fn usual_urls_need_no_parser_and_odd_ones_do() {
        for usual in ["http://a.test", "https://img-2.a.test/x y.jpg?a=b#c", "http://localhost/é"] {
            assert!(is_plainly_good(usual.as_bytes()), "{usual}");
        }
        for odd in [
            "http://1.2.3.4/",
            "http://a.0x1/",
            "http://a.test:80/",
            "http://u@a.test/",
            "http://xn--a.test/",
            "http://a.test/\t",
            "http://a.test/ ",
            "http://A.test/",
            "http:///x",
            "ftp://a.test/",
        ] {
            assert!(!is_plainly_good(odd.as_bytes()), "{odd}");
        }
    }
}
