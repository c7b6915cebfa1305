//! Lines and groups of a `robots.txt` (RFC 9309 sections 2.1 and 2.2).

use super::Rule;
use super::pattern::Pattern;
use std::time::Duration;

/// RFC 9309 section 2.5 asks for 500 KiB or more.
pub(super) const MAX_BODY_BYTES: usize = 512 * 1024;
pub(super) const MAX_LINE_BYTES: usize = 8 * 1024;
pub(super) const MAX_RULES: usize = 10_000;
const MAX_CRAWL_DELAY_S: f64 = 86_400.0;

/// What all groups of one agent say together.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rules: Vec<Rule>,
    pub(super) crawl_delay: Option<Duration>,
}

/// The groups that name the product if there are any, else those for `*`.
pub(super) fn parse(body: &[u8], product: &str) -> Found {
    let mut parser = Parser::default();
    for line in lines(body) {
        if let Some((key, value)) = key_and_value(line) {
            parser.line(key, value, product);
        }
    }
    parser.named.or(parser.anyone).unwrap_or_default()
}

#[derive(Default)]
struct Parser {
    /// Merged groups that name the product; `Some` as soon as one does, even without rules.
    named: Option<Found>,
    /// Merged groups for `*`.
    anyone: Option<Found>,
    group: Group,
}

/// Whom the lines being read are for.
#[derive(Default)]
struct Group {
    names_product: bool,
    names_anyone: bool,
    /// Whether a rule was seen, so that the next user-agent line begins another group.
    has_rules: bool,
}

impl Parser {
    fn line(&mut self, key: &[u8], value: &[u8], product: &str) {
        if key.eq_ignore_ascii_case(b"user-agent") {
            self.user_agent(value, product);
        } else if key.eq_ignore_ascii_case(b"allow") {
            self.rule(true, value);
        } else if key.eq_ignore_ascii_case(b"disallow") {
            self.rule(false, value);
        } else if key.eq_ignore_ascii_case(b"crawl-delay") {
            self.crawl_delay(value);
        }
    }

    fn user_agent(&mut self, value: &[u8], product: &str) {
        if std::mem::take(&mut self.group.has_rules) {
            self.group = Group::default();
        }
        if names_anyone(value) {
            self.group.names_anyone = true;
            self.anyone.get_or_insert_default();
        } else if names_product(value, product) {
            self.group.names_product = true;
            self.named.get_or_insert_default();
        }
    }

    fn rule(&mut self, allow: bool, value: &[u8]) {
        self.group.has_rules = true;
        // `Disallow:` with nothing behind it forbids nothing.
        if value.is_empty() {
            return;
        }
        for found in self.concerned() {
            if found.rules.len() < MAX_RULES {
                found.rules.push(Rule { allow, pattern: Pattern::new(value) });
            }
        }
    }

    /// Counts for the agents that the group has named so far; of several the longest. It does not end the list of
    /// agents, because it is no rule of the RFC.
    fn crawl_delay(&mut self, value: &[u8]) {
        let Some(delay) = seconds(value) else { return };
        for found in self.concerned() {
            found.crawl_delay = found.crawl_delay.max(Some(delay));
        }
    }

    fn concerned(&mut self) -> impl Iterator<Item = &mut Found> {
        let named = self.named.as_mut().filter(|_| self.group.names_product);
        named.into_iter().chain(self.anyone.as_mut().filter(|_| self.group.names_anyone))
    }
}

fn seconds(value: &[u8]) -> Option<Duration> {
    let seconds: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    if !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(seconds.min(MAX_CRAWL_DELAY_S)).ok()
}

/// Lines end in CR, LF or both. A last line that the size limit cuts is dropped: a shorter path would mean more.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = match body.get(..MAX_BODY_BYTES) {
        Some(head) if body.len() > MAX_BODY_BYTES => &head[..head.iter().rposition(ends_line).unwrap_or(0)],
        _ => body,
    };
    let text = whole.strip_prefix(b"\xef\xbb\xbf").unwrap_or(whole);
    text.split(ends_line).filter(|line| line.len() <= MAX_LINE_BYTES)
}

fn ends_line(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// `key : value # comment`
fn key_and_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.split(|byte| *byte == b'#').next()?;
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
}

fn names_anyone(value: &[u8]) -> bool {
    matches!(value, [b'*'] | [b'*', b' ' | b'\t', ..])
}

/// Whether the name that a site wrote is the product's: the same token whatever its case, also if a version follows it
/// (`Ream/1.0`).
pub(in super::super) fn names_product(written: &[u8], product: &str) -> bool {
    let token = product.split(['/', ' ', '\t']).next().unwrap_or_default().as_bytes();
    let Some((start, rest)) = written.split_at_checked(token.len()) else { return false };
    let goes_on = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    !token.is_empty() && start.eq_ignore_ascii_case(token) && !rest.first().is_some_and(goes_on)
}
