//! `X-Robots-Tag` headers, a line each.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ream_fetch::robots::tag::{REFUSING, refusal};

fn found(headers: &[&[u8]]) -> Option<String> {
    refusal(headers.iter().copied(), "Ream")
}

fuzz_target!(|data: &[u8]| {
    let headers: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let answer = found(&headers);
    if let Some(directive) = &answer {
        assert!(REFUSING.contains(&directive.as_str()), "{directive}");
        let lower = data.to_ascii_lowercase();
        assert!(lower.windows(directive.len()).any(|text| text == directive.as_bytes()));
    }
    let each = headers.iter().map(|header| found(&[header]));
    assert_eq!(each.flatten().next(), answer, "headers speak for themselves");
    let shouted: Vec<Vec<u8>> = headers.iter().map(|header| header.to_ascii_uppercase()).collect();
    assert_eq!(found(&shouted.iter().map(Vec::as_slice).collect::<Vec<_>>()), answer, "case");
    for header in headers {
        assert_eq!(found(&[&[b"zz: all, *: noai,", header].concat()]).as_deref(), Some("noai"));
        // What is said to somebody else only matters from the next agent on.
        if !header.contains(&b':') {
            assert_eq!(found(&[&[b"zz:", header].concat()]), None);
            assert_eq!(found(&[&[b"ream: ", header].concat()]), found(&[header]));
        }
    }
});
