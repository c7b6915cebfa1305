//! The header `X-Robots-Tag`, by which a server says what may be done with one file.

use super::rules::names_product;

#[cfg(test)]
mod tests;

/// With these a site asks not to be in collections of images; `none` stands for `noindex, nofollow`.
pub const REFUSING: [&str; 5] = ["noai", "noimageai", "noindex", "noimageindex", "none"];

/// Bytes looked at, over all headers of one answer.
const MAX_BYTES: usize = 64 * 1024;

/// The first directive of [`REFUSING`] that is said to everybody or to `product`, in the values of all
/// `X-Robots-Tag` headers of one answer.
///
/// A value is a list of directives with commas between; `agent:` says whom those behind it concern, until the next
/// agent or the end of the value.
#[must_use]
pub fn refusal<'a>(values: impl Iterator<Item = &'a [u8]>, product: &str) -> Option<String> {
    let mut left_bytes = MAX_BYTES;
    for value in values {
        let seen = &value[..value.len().min(left_bytes)];
        left_bytes -= seen.len();
        if let Some(directive) = refusal_of_one(seen, product) {
            return Some(directive.to_owned());
        }
    }
    None
}

fn refusal_of_one(value: &[u8], product: &str) -> Option<&'static str> {
    let mut concerned = true;
    let mut in_date = false;
    for item in value.split(|byte| *byte == b',') {
        let item = item.trim_ascii();
        // The commas and colons of `unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT` part no items.
        if in_date && item.first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let (agents, directive) = split_agents(item, product);
        concerned = agents.unwrap_or(concerned);
        in_date = name_of(directive).eq_ignore_ascii_case(b"unavailable_after");
        if concerned && let Some(found) = refusing(directive) {
            return Some(found);
        }
    }
    None
}

fn refusing(directive: &[u8]) -> Option<&'static str> {
    REFUSING.into_iter().find(|known| directive.eq_ignore_ascii_case(known.as_bytes()))
}

/// Takes `agent:` off the front, as often as it stands there: whether one of them is the product or `*` (`None`
/// without any), and the directive behind.
fn split_agents<'a>(item: &'a [u8], product: &str) -> (Option<bool>, &'a [u8]) {
    let mut concerned = None;
    let mut rest = item;
    while !takes_a_value(name_of(rest))
        && let Some(colon) = rest.iter().position(|byte| *byte == b':')
    {
        let agent = name_of(rest);
        let meant = agent == b"*" || names_product(agent, product);
        concerned = Some(meant || concerned == Some(true));
        rest = rest[colon + 1..].trim_ascii();
    }
    (concerned, rest)
}

/// What stands before the first colon, or all of it.
fn name_of(item: &[u8]) -> &[u8] {
    item.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii()
}

/// Directives of the form `name: value`, which look like an agent but are none.
fn takes_a_value(name: &[u8]) -> bool {
    let starts_with_max = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"max-"));
    starts_with_max || name.eq_ignore_ascii_case(b"unavailable_after")
}
