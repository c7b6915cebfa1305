use super::*;
use crate::budget::Budget;
use futures::FutureExt as _;
use proptest::prelude::*;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const S: Duration = Duration::from_secs(1);

fn gate(config: FetchConfig) -> Arc<Gate> {
    Arc::new(Gate::new(Arc::new(config)))
}

fn host(gate: &Gate, name: &str) -> Arc<Host> {
    gate.host(&Url::parse(&format!("http://{name}/")).unwrap())
}

fn failure(class: ErrorClass) -> Failure {
    Failure::new(class, "it failed")
}

/// One fetch of the model below, in milliseconds and bytes.
#[derive(Debug, Clone)]
struct Fetch {
    host: u8,
    connect_ms: u64,
    bodies: Vec<u64>,
    work_bytes: u64,
    fails_first: bool,
}

fn fetches() -> impl Strategy<Value = Vec<Fetch>> {
    let fetch = (0..4u8, 0..50u64, prop::collection::vec(0..8u64, 1..3), 0..12u64, any::<bool>());
    let fetch = fetch.prop_map(|(host, connect_ms, bodies, work_bytes, fails_first)| Fetch {
        host,
        connect_ms,
        bodies,
        work_bytes,
        fails_first,
    });
    prop::collection::vec(fetch, 1..40)
}

/// The bound that the budget promises, for bodies of at most 14 bytes and work of at most 11.
fn assert_bounded(budget: &Budget, limit_bytes: u64) {
    assert!(budget.used_bytes() <= limit_bytes.max(limit_bytes / 4 + 11) + 14);
}

async fn fetch(
    gate: Arc<Gate>,
    fetch: Fetch,
    mut reservation: Reservation,
    budget: Budget,
) -> (Reservation, u64) {
    let patience = Instant::now() + 100_000 * S;
    for last in [!fetch.fails_first, true] {
        let host = host(&gate, &format!("h{}.test", fetch.host));
        let mut admission = gate.enter(host, Asker::Image(&reservation), patience).await.unwrap();
        admission.slot.during(sleep(Duration::from_millis(fetch.connect_ms))).await;
        for bytes in &fetch.bodies {
            reservation.reserve(*bytes).await;
            assert_bounded(&budget, gate.config.memory_budget);
            admission.slot.during(sleep(Duration::from_millis(1))).await;
        }
        if last {
            admission.succeeded();
            break;
        }
        admission.failed(&failure(ErrorClass::Truncated));
        reservation.shrink_to(0);
        sleep(Duration::from_millis(7)).await;
    }
    (reservation, fetch.work_bytes)
}

/// Uses the fetches of one chunk in their order, as a packer does.
async fn pack(chunk: Vec<tokio::task::JoinHandle<(Reservation, u64)>>, budget: Budget, limit_bytes: u64) {
    for fetched in chunk {
        let (mut reservation, work_bytes) = fetched.await.unwrap();
        let permit = reservation.work(work_bytes).await;
        assert_bounded(&budget, limit_bytes);
        sleep(Duration::from_millis(1)).await;
        drop(permit);
        reservation.shrink_to(1);
        sleep(Duration::from_millis(1)).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn chunks_packed_in_order_always_end(
        fetches in fetches(), memory_budget in 0..20u64, max_in_flight in 1..4usize, max_per_host in 1..3usize,
        chunk in 1..20usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let ended = runtime.unwrap().block_on(async {
            let budget = Budget::new(memory_budget);
            let limits = FetchConfig { memory_budget, max_in_flight, max_per_host, ..FetchConfig::default() };
            let gate = gate(limits);
            let all: Vec<_> = fetches.iter().cloned().map(|one| (one, budget.join())).collect();
            // The youngest is polled first, which is the worst order.
            let start = |(one, place)| tokio::spawn(fetch(Arc::clone(&gate), one, place, budget.clone()));
            let mut tasks: Vec<_> = all.into_iter().rev().map(start).collect();
            tasks.reverse();
            let mut packers = Vec::new();
            while !tasks.is_empty() {
                let rest = tasks.split_off(chunk.min(tasks.len()));
                packers.push(pack(std::mem::replace(&mut tasks, rest), budget.clone(), memory_budget));
            }
            timeout(10_000 * S, futures::future::join_all(packers)).await.is_ok()
        });
        prop_assert!(ended, "stuck");
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_has_no_more_requests_than_it_may_and_the_others_go_on() {
    let gate = gate(FetchConfig { max_per_host: 2, ..FetchConfig::default() });
    let budget = Budget::new(1000);
    let enter = |name: &str| {
        let (gate, host, place) = (Arc::clone(&gate), host(&gate, name), budget.join());
        async move { gate.enter(host, Asker::Image(&place), Instant::now() + S).await }
    };
    let (a, _b) = (enter("full.test").await.unwrap(), enter("full.test").await.unwrap());
    let refused = enter("full.test").await.err().unwrap();
    assert!(refused.out_of_patience && refused.class == ErrorClass::Timeout, "{refused:?}");
    enter("other.test").await.unwrap();
    drop(a);
    enter("full.test").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_asks_for_a_pause_gets_it_from_all_its_images() {
    let gate = gate(FetchConfig::default());
    let budget = Budget::new(1000);
    let started = Instant::now();
    let enter = |patience: Duration| {
        let (gate, host, place) = (Arc::clone(&gate), host(&gate, "busy.test"), budget.join());
        async move { gate.enter(host, Asker::Image(&place), started + patience).await }
    };
    let mut refused = failure(ErrorClass::Http429).with_status(429).with_retry_after(Some(120 * S));
    refused.back_off = true;
    enter(S).await.unwrap().failed(&refused);
    let impatient = enter(119 * S).now_or_never().unwrap().err().unwrap();
    assert_eq!((impatient.class, impatient.http_status), (ErrorClass::Http429, Some(429)));
    let patient = futures::future::join_all((0..20).map(|_| enter(200 * S))).now_or_never();
    assert!(patient.is_none());
    enter(200 * S).await.unwrap();
    assert_eq!(started.elapsed(), 120 * S);
}

#[tokio::test(start_paused = true)]
async fn images_of_a_host_that_is_given_up_end_at_once() {
    let gate = gate(FetchConfig { max_per_host: 3, give_up_after: 3, ..FetchConfig::default() });
    let budget = Budget::new(1000);
    let enter = || {
        let (gate, host, place) = (Arc::clone(&gate), host(&gate, "dead.test"), budget.join());
        async move { gate.enter(host, Asker::Image(&place), Instant::now() + 1000 * S).await }
    };
    let under_way = [enter().await.unwrap(), enter().await.unwrap(), enter().await.unwrap()];
    let mut waiting = Box::pin(futures::future::join_all((0..500).map(|_| enter())));
    assert!(waiting.as_mut().now_or_never().is_none());
    for admission in under_way {
        admission.failed(&failure(ErrorClass::Connect));
    }
    let ended = Instant::now();
    for refused in waiting.await {
        let refused = refused.err().unwrap();
        assert_eq!(refused.class, ErrorClass::Connect);
        assert!(refused.message.starts_with("host given up after 3 failures"), "{}", refused.message);
    }
    assert_eq!(ended.elapsed(), Duration::ZERO);
    tokio::time::advance(60 * S).await;
    let probe = enter().await.unwrap();
    assert!(enter().await.is_err());
    // A probe that is dropped unanswered leaves the question to the next.
    drop(probe);
    enter().await.unwrap().succeeded();
    enter().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn requests_keep_the_hosts_distance_while_others_pass() {
    let gate = gate(FetchConfig { max_rate_per_host: Some(2.0), ..FetchConfig::default() });
    let budget = Budget::new(1000);
    let started = Instant::now();
    let enter = |name: &'static str| {
        let (gate, place) = (Arc::clone(&gate), budget.join());
        async move {
            let entered = gate.enter(host(&gate, name), Asker::Image(&place), started + 1000 * S).await;
            entered.unwrap().succeeded();
            started.elapsed()
        }
    };
    let mut times = futures::future::join_all((0..20).map(|_| enter("paced.test"))).await;
    times.sort();
    for (n, at) in times.iter().enumerate() {
        let due = Duration::from_millis(500 * n as u64);
        // Timers are exact to a millisecond.
        assert!(*at >= due && *at < due + Duration::from_millis(5 * 20), "{n}: {at:?}");
    }
    let before = started.elapsed();
    enter("other.test").await;
    assert_eq!(started.elapsed(), before);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_drips_costs_the_others_next_to_nothing() {
    let rate = |drips: bool| async move {
        let gate = gate(FetchConfig { max_in_flight: 8, max_per_host: 8, ..FetchConfig::default() });
        let budget = Budget::new(1000);
        let started = Instant::now();
        let mut all = Vec::new();
        for n in 0..6000 {
            let (gate, place) = (Arc::clone(&gate), budget.join());
            let slow = drips && n % 60 == 0;
            let name = if slow { "drip.test".to_owned() } else { format!("fast{}.test", n % 20) };
            let network = if slow { 20 * S } else { Duration::from_millis(100) };
            all.push(tokio::spawn(async move {
                let host = host(&gate, &name);
                let entered = gate.enter(host, Asker::Image(&place), started + 1000 * S).await;
                let Ok(mut admission) = entered else { return None };
                admission.slot.during(sleep(network)).await;
                if slow {
                    admission.failed(&failure(ErrorClass::Timeout));
                } else {
                    admission.succeeded();
                }
                Some(started.elapsed()).filter(|_| !slow)
            }));
        }
        let ended = futures::future::join_all(all).await.into_iter().filter_map(Result::unwrap);
        let ended: Vec<Duration> = ended.collect();
        ended.len() as f64 / ended.iter().max().unwrap().as_secs_f64()
    };
    let (without, with) = (rate(false).await, rate(true).await);
    assert!(with > 0.9 * without, "{with} of {without} images/s");
}

#[tokio::test(start_paused = true)]
async fn a_domain_of_many_names_is_not_asked_by_all_of_them_at_once() {
    let gate = gate(FetchConfig { max_per_host: 2, ..FetchConfig::default() });
    let budget = Budget::new(1000);
    let patience = Instant::now() + S;
    let (mut images, mut robots) = (Vec::new(), Vec::new());
    for n in 0..40 {
        let name = format!("n{n}.wild.example");
        let place = budget.join();
        images.extend(gate.enter(host(&gate, &name), Asker::Image(&place), patience).now_or_never());
        robots.extend(gate.enter(host(&gate, &name), Asker::Robots { age: n }, patience).now_or_never());
    }
    assert_eq!((images.len(), robots.len()), (8, 2));
}
