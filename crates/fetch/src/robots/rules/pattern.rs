//! One form for all spellings of a path (RFC 9309 section 2.2.2), and patterns with `*` and `$` (section 2.2.3).

/// The path of a rule in its one form: `*` and a last `$` are special; as plain characters they are `%2A` and `%24`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Box<str>);

impl Pattern {
    pub(super) fn new(written: &[u8]) -> Self {
        let (body, anchored) = match written.strip_suffix(b"$") {
            Some(body) => (body, true),
            None => (written, false),
        };
        let mut normal = normal_form(body, Star::Wildcard);
        if anchored {
            normal.push('$');
        }
        Self(normal.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The rule with more octets is the more specific one.
    pub(super) fn octets(&self) -> usize {
        self.0.len()
    }

    /// `path` is in its one form. The leftmost place for each part between stars is always a right one, so nothing is
    /// tried twice, and each search is linear: the whole takes time in the length of path and pattern.
    pub(super) fn matches(&self, path: &str) -> bool {
        let (body, anchored) = match self.0.strip_suffix('$') {
            Some(body) => (body, true),
            None => (&*self.0, false),
        };
        let mut parts = body.split('*');
        let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
        let Some(last) = parts.next_back() else { return !anchored || rest.is_empty() };
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        if anchored { rest.ends_with(last) } else { rest.contains(last) }
    }
}

/// The one form of a URL's path and query; a missing `/` in front is added.
pub(super) fn normal_path(path_and_query: &str) -> String {
    let path = path_and_query.split('#').next().unwrap_or_default();
    let mut normal = normal_form(path.as_bytes(), Star::Plain);
    if !normal.starts_with('/') {
        normal.insert(0, '/');
    }
    normal
}

#[derive(Clone, Copy, PartialEq)]
enum Star {
    Wildcard,
    Plain,
}

/// ASCII only. An encoded octet is decoded where that keeps its meaning: a `/` or `?` within the path does not.
fn normal_form(written: &[u8], star: Star) -> String {
    let mut normal = String::with_capacity(written.len());
    let mut in_query = false;
    let mut rest = written;
    while let Some((&first, behind)) = rest.split_first() {
        let encoded = if first == b'%' { encoded_octet(behind) } else { None };
        rest = if encoded.is_some() { &behind[2..] } else { behind };
        let octet = encoded.unwrap_or(first);
        let plain = match octet {
            b'*' => encoded.is_none() && star == Star::Wildcard,
            b'/' | b'?' => encoded.is_none() || in_query,
            _ => is_plain(octet),
        };
        if plain {
            normal.push(char::from(octet));
        } else {
            push_encoded(&mut normal, octet);
        }
        in_query |= octet == b'?' && plain;
    }
    normal
}

/// Unreserved, or reserved without a meaning for `robots.txt` (RFC 3986 section 2). `%`, `#` and `$` stay encoded.
fn is_plain(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~:[]@!&'()+,;=".contains(&octet)
}

fn encoded_octet(behind_percent: &[u8]) -> Option<u8> {
    let &[high, low, ..] = behind_percent else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_encoded(normal: &mut String, octet: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    normal.extend(['%', digit(octet >> 4), digit(octet & 15)]);
}
