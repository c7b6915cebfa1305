//! Notices when hardly any image succeeds any more, and says in plain words what may be wrong and what to try.

use ream::ErrorClass;
use ream_worker::tally::TallySnapshot;

/// How many images are looked at together.
const WINDOW_IMAGES: u64 = 200;
/// The share of them that must have failed.
const FAILED_SHARE: f64 = 0.9;
/// The share of the failed ones that one class must have: then it is one cause, and not many dead links.
const CLASS_SHARE: f64 = 0.8;

/// Watches the counts of a crawl, window by window.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    before: TallySnapshot,
    told: Vec<ErrorClass>,
}

impl Watcher {
    /// A warning, when the images since the last window nearly all failed for one reason. Each reason is told once.
    pub(super) fn look(&mut self, now: &TallySnapshot) -> Option<String> {
        if now.images() < self.before.images() + WINDOW_IMAGES {
            return None;
        }
        let collapsed = collapsed(&self.before, now);
        self.before = now.clone();
        let (class, count, images) = collapsed?;
        if self.told.contains(&class) {
            return None;
        }
        self.told.push(class);
        Some(format!("{count} of the last {images} images failed with `{class}`: {}", advice(class)))
    }
}

/// The class that nearly all images between two moments failed with, how many did, and how many images there were.
fn collapsed(before: &TallySnapshot, now: &TallySnapshot) -> Option<(ErrorClass, u64, u64)> {
    let images = now.images() - before.images();
    let since = |class: &ErrorClass| {
        let count = |snapshot: &TallySnapshot| snapshot.failed.get(class).copied().unwrap_or(0);
        count(now) - count(before)
    };
    let (class, count) = now.failed.keys().map(|class| (*class, since(class))).max_by_key(|(_, n)| *n)?;
    let failed: u64 = now.failed.keys().map(since).sum();
    let collapsed =
        failed as f64 >= FAILED_SHARE * images as f64 && count as f64 >= CLASS_SHARE * failed as f64;
    collapsed.then_some((class, count, images))
}

/// What may be wrong and what to try.
pub(super) const fn advice(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Dns => {
            "names cannot be resolved. Is this machine online? Is the resolver overloaded? Try a nearer one, or \
             fewer `--images-in-flight`"
        }
        ErrorClass::Connect => {
            "servers cannot be reached. Is this machine online, and does its firewall let it out on ports 80 and 443?"
        }
        ErrorClass::Timeout => {
            "answers do not come in time. The line may be full: try fewer `--images-in-flight`, or a longer \
             `--timeout-s`"
        }
        ErrorClass::Tls => {
            "certificates are not accepted. Are this machine's clock and root certificates right?"
        }
        ErrorClass::Http4xx => {
            "servers refuse. Either the links are dead, or this crawler is not welcome: try fewer at a time \
             (`--max-per-host`), and a `--user-agent` with an address to ask"
        }
        ErrorClass::Http429 => "servers ask for fewer requests: lower `--max-per-host` or set `--host-rate`",
        ErrorClass::Http5xx => {
            "servers break down. Come back later, or ask less of them: lower `--max-per-host`"
        }
        ErrorClass::BlockedAddress => {
            "addresses are outside the public internet: `--allow-net` names networks that may be fetched from"
        }
        ErrorClass::Robots => {
            "sites do not want to be crawled. With their owners' consent, `--robots ignore` does not ask them"
        }
        ErrorClass::NotAnImage => "what comes is no image: does `--url-col` name the right column?",
        ErrorClass::Filtered => {
            "images are left out: are `--min-image-size` and the other limits as they were meant?"
        }
        ErrorClass::HashMismatch => {
            "files are not those of the list: does `--sha256-col` name the right column?"
        }
        ErrorClass::TooLarge => {
            "files are larger than allowed: see `--max-bytes`, `--max-pixels` and `--max-side`"
        }
        ErrorClass::BadUrl
        | ErrorClass::Redirect
        | ErrorClass::BadResponse
        | ErrorClass::Truncated
        | ErrorClass::Decode => "the ledgers tell what was wrong with each",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(ok: u64, failed: &[(ErrorClass, u64)]) -> TallySnapshot {
        TallySnapshot { ok, bytes: 0, failed: failed.iter().copied().collect() }
    }

    #[test]
    fn one_cause_behind_nearly_all_failures_is_told_once() {
        let mut watcher = Watcher::default();
        assert_eq!(watcher.look(&counts(500, &[])), None);
        assert_eq!(watcher.look(&counts(500, &[(ErrorClass::Dns, 199)])), None);
        let told = watcher.look(&counts(505, &[(ErrorClass::Dns, 195)])).unwrap();
        assert!(told.starts_with("195 of the last 200 images failed with `dns`: names cannot"), "{told}");
        assert_eq!(watcher.look(&counts(505, &[(ErrorClass::Dns, 500)])), None);
        assert!(watcher.look(&counts(505, &[(ErrorClass::Dns, 500), (ErrorClass::Http4xx, 400)])).is_some());
    }

    #[test]
    fn many_causes_or_many_successes_are_no_collapse() {
        let before = counts(0, &[]);
        assert_eq!(collapsed(&before, &counts(30, &[(ErrorClass::Dns, 170)])), None);
        assert_eq!(
            collapsed(&before, &counts(0, &[(ErrorClass::Dns, 100), (ErrorClass::Http4xx, 100)])),
            None
        );
    }
}
