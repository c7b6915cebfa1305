//! Did you mean?

/// The candidate nearest to what was written, if any is near enough to be meant.
pub(super) fn nearest<'c>(written: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let near = candidates.into_iter().map(|candidate| (distance(written, candidate), candidate)).min()?;
    let limit = (near.1.chars().count().max(written.chars().count()) / 2).max(1);
    (near.0 <= limit).then_some(near.1)
}

/// How many characters have to be added, removed or changed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (n, from_char) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = n + 1;
        for (m, to_char) in to.iter().enumerate() {
            let change = diagonal + usize::from(from_char != *to_char);
            diagonal = row[m + 1];
            row[m + 1] = change.min(row[m] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_understood() {
        let keys = ["database", "color", "watch.interval_ms"];
        assert_eq!(nearest("databse", keys), Some("database"));
        assert_eq!(nearest("watch.interval", keys), Some("watch.interval_ms"));
        assert_eq!(nearest("colour", keys), Some("color"));
        assert_eq!(nearest("x", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
