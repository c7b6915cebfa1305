//! Names as people give them, and their ways into a URL.

use std::path::Path;

/// Every how manyth picture gets an odd name.
const ODD_EVERY: usize = 25;

const ODD_NAMES: &[&str] = &[
    "my holiday photo",
    "süße Katze – übermütig",
    "写真 東京タワー",
    "фото на море",
    "100% wool",
    "50%25 off",
    "a+b & c; d=e",
    "it's (really) [final], v2!",
    "what?",
    "#1 of 10",
    "e\u{301}te\u{301} de\u{301}compose\u{301}",
    "tilde~at@dollar$",
    "two  blanks",
    "\u{1f431} cat",
    "double \"quoted\"",
    "صورة",
];

/// Another place for some pictures, below folders with odd names.
pub(super) fn odd(number: usize, place: &str) -> Option<String> {
    if !number.is_multiple_of(ODD_EVERY) {
        return None;
    }
    let name = ODD_NAMES[(number / ODD_EVERY) % ODD_NAMES.len()];
    let extension = Path::new(place).extension()?.to_string_lossy();
    Some(format!("odd names/Größe {}/{name} {number}.{extension}", number % 7))
}

/// How a place stands in a list: encoded in one of several ways, or raw where a URL can hold it raw.
pub(super) fn in_list(number: usize, place: &str) -> String {
    let must_be_encoded = place.contains(['%', '?', '#', '[', ']', '"', '\\']);
    match number / ODD_EVERY % 3 {
        0 if !must_be_encoded => place.to_owned(),
        1 => encoded(place, false),
        _ => encoded(place, true),
    }
}

/// Percent-encodes all but plain characters and slashes.
pub(super) fn encoded(place: &str, upper: bool) -> String {
    let mut url = String::new();
    for byte in place.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(byte.into());
            }
            _ if upper => url.push_str(&format!("%{byte:02X}")),
            _ => url.push_str(&format!("%{byte:02x}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_a_url_is_encoded() {
        assert_eq!(in_list(0, "a b/ü.png"), "a b/ü.png");
        assert_eq!(in_list(0, "100%.png"), "100%25.png");
        assert_eq!(in_list(25, "a b/ü?.png"), "a%20b/%c3%bc%3f.png");
        assert_eq!(in_list(50, "a+b.png"), "a%2Bb.png");
    }
}
