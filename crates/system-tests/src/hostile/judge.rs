//! Whether the site saw what politeness and safety forbid.

use super::case::{ATTEMPTS, Behaviour, Case, Robots, Run};
use super::exchange::Request;
use super::log::Event;
use super::server::HostileSite;
use std::time::{Duration, Instant};

const ROBOTS_TXT: &str = "/robots.txt";

/// A request that a host saw.
struct Seen {
    at: Instant,
    request: Request,
    in_flight: usize,
}

/// Everything that the site saw and should not have seen, a line each. `most_per_host` is what the crawl was told.
pub fn judge(site: &HostileSite, run: Run, most_per_host: usize) -> Vec<String> {
    let events = site.log().events();
    let mut faults = Vec::new();
    for event in &events {
        if let Event::Stray(address) = event {
            faults.push(format!("{address} was dialled, where nobody may come"));
        }
    }
    for case in site.cases() {
        let seen: Vec<_> = events.iter().filter_map(|event| of(event, &case.label)).collect();
        let mut fault = |text: String| faults.push(format!("{}: {text}", case.label));
        for one in &seen {
            manners(case, one, most_per_host).into_iter().for_each(&mut fault);
        }
        counts(case, &seen, run).into_iter().for_each(&mut fault);
        patience(case, &seen).into_iter().for_each(&mut fault);
        if run == Run::Kept {
            robots(case, &seen).into_iter().for_each(&mut fault);
        }
        let sent = site.log().most_sent_bytes(&case.label);
        if case.most_sent_bytes.is_some_and(|most| sent > most) {
            fault(format!("got rid of {sent} bytes in one answer"));
        }
    }
    faults
}

fn of(event: &Event, wanted: &str) -> Option<Seen> {
    match event {
        Event::Request { at, label, request, in_flight } if label == wanted => {
            Some(Seen { at: *at, request: request.clone(), in_flight: *in_flight })
        }
        _ => None,
    }
}

/// What every single request has to be like.
fn manners(case: &Case, seen: &Seen, most_per_host: usize) -> Vec<String> {
    let (request, mut faults) = (&seen.request, Vec::new());
    let host = format!("{}.example", case.label);
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{what}: {request:?}"));
        }
    };
    expect(request.method == "GET", "this is no GET");
    expect(request.header("host") == Some(&host), "this is for another host");
    expect(
        request.header("user-agent").is_some_and(|agent| agent.to_ascii_lowercase().starts_with("ream/")),
        "this does not say who asks",
    );
    expect(
        request.header("accept-encoding").is_none_or(|encoding| encoding == "identity"),
        "this asks for an encoding",
    );
    for private in ["cookie", "authorization", "referer", "range"] {
        expect(request.header(private).is_none(), &format!("this has a `{private}`"));
    }
    expect(seen.in_flight <= most_per_host, "this is one too many at a time");
    faults
}

/// How often each path may be asked for.
fn counts(case: &Case, seen: &[Seen], run: Run) -> Vec<String> {
    let count = |path: &str| seen.iter().filter(|one| one.request.path == path).count();
    let mut faults = Vec::new();
    for row in &case.rows {
        let Some(path) = &row.path else { continue };
        let (asked, may_fail) = (count(path), row.expected(run) != ["ok"]);
        let most = *row.requests.end();
        if asked > most || (!may_fail && asked < *row.requests.start()) {
            faults.push(format!("{path} was asked for {asked} times, allowed are {:?}", row.requests));
        }
    }
    let asked = count(ROBOTS_TXT);
    if asked > ATTEMPTS {
        faults.push(format!("{ROBOTS_TXT} was asked for {asked} times"));
    }
    faults
}

/// A host that named a time is left alone for that long.
fn patience(case: &Case, seen: &[Seen]) -> Vec<String> {
    let Some(seconds) = case.retry_after_s else { return Vec::new() };
    // What comes before the first refusal is free.
    let refused = seen.iter().position(|one| one.request.path != ROBOTS_TXT).unwrap_or(seen.len());
    let early = |pair: &[Seen]| pair[1].at - pair[0].at < Duration::from_secs(seconds);
    let told =
        |pair: &[Seen]| format!("asked again after {:?} instead of {seconds} s", pair[1].at - pair[0].at);
    seen[refused..].windows(2).filter(|pair| early(pair)).map(told).collect()
}

/// A host is asked what it allows first, and then for that alone.
fn robots(case: &Case, seen: &[Seen]) -> Vec<String> {
    let mut faults = Vec::new();
    if matches!(case.behaviour, Behaviour::NoTls(_) | Behaviour::Nobody) {
        return faults;
    }
    if seen.first().is_some_and(|first| first.request.path != ROBOTS_TXT) {
        faults.push(format!("{} was asked for before {ROBOTS_TXT}", seen[0].request.path));
    }
    if matches!(case.robots, Robots::None) {
        return faults;
    }
    let allowed = |path: &str| {
        let row = case.rows.iter().find(|row| row.path.as_deref() == Some(path));
        path == ROBOTS_TXT || row.is_some_and(|row| row.kept == ["ok"])
    };
    for one in seen.iter().filter(|one| !allowed(&one.request.path)) {
        faults.push(format!("{} was asked for, which {ROBOTS_TXT} forbids", one.request.path));
    }
    faults
}
