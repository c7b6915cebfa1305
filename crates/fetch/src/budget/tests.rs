use super::*;
use futures::FutureExt as _;

#[test]
fn bodies_of_all_but_the_oldest_share_a_quarter_of_the_budget() {
    let budget = Budget::new(400);
    let _oldest = budget.join();
    let (mut a, mut b, mut c) = (budget.join(), budget.join(), budget.join());
    a.reserve(40).now_or_never().unwrap();
    b.reserve(60).now_or_never().unwrap();
    assert!(c.reserve(1).now_or_never().is_none());
    b.shrink_to(10);
    c.reserve(50).now_or_never().unwrap();
    drop((a, b, c));
    assert_eq!(budget.used_bytes(), 0);
}

#[test]
fn the_oldest_never_waits_for_the_younger() {
    let budget = Budget::new(400);
    let (mut oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
    third.reserve(100).now_or_never().unwrap();
    assert!(second.reserve(500).now_or_never().is_none());
    oldest.reserve(500).now_or_never().unwrap();
    drop(oldest);
    second.reserve(500).now_or_never().unwrap();
}

#[test]
fn memory_goes_to_the_older_first() {
    let budget = Budget::new(400);
    let mut holder = budget.join();
    holder.reserve(100).now_or_never().unwrap();
    let (mut older, mut younger) = (budget.join(), budget.join());
    let mut large = Box::pin(older.reserve(90));
    assert!(large.as_mut().now_or_never().is_none());
    holder.shrink_to(50);
    // There is room for the younger one's; it would only make the older one wait for longer.
    assert!(younger.reserve(10).now_or_never().is_none());
    holder.shrink_to(0);
    large.now_or_never().unwrap();
    younger.reserve(10).now_or_never().unwrap();
}

#[tokio::test]
async fn a_waiter_wakes_when_it_becomes_the_oldest() {
    let budget = Budget::new(40);
    let (oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
    third.reserve(10).await;
    let mut waiting = std::pin::pin!(second.reserve(10));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    drop(oldest);
    waiting.await;
}

#[tokio::test]
async fn the_oldest_passes_queues_only_while_others_wait_for_memory() {
    let budget = Budget::new(40);
    let (oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
    second.reserve(10).await;
    let mut passing = Box::pin(oldest.must_pass());
    assert!(futures::poll!(passing.as_mut()).is_pending());
    {
        let mut waiting = std::pin::pin!(third.reserve(10));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        passing.await;
    }
    // The one that waited has given up.
    assert!(oldest.must_pass().now_or_never().is_none());
    let mut waiting = std::pin::pin!(third.reserve(10));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    assert!(second.must_pass().now_or_never().is_none());
    drop(oldest);
    second.must_pass().await;
}

#[test]
fn a_wait_given_up_leaves_nothing_behind() {
    let budget = Budget::new(40);
    let (_oldest, mut second, mut third) = (budget.join(), budget.join(), budget.join());
    second.reserve(10).now_or_never().unwrap();
    assert!(third.reserve(10).now_or_never().is_none());
    let held = second.work(25).now_or_never().unwrap();
    assert!(third.work(25).now_or_never().is_none());
    drop((second, held));
    assert_eq!(budget.used_bytes(), 0);
    assert!(third.work(40).now_or_never().is_some());
}

#[test]
fn work_stays_within_the_budget_or_runs_alone() {
    let budget = Budget::new(100);
    let (mut a, b) = (budget.join(), budget.join());
    a.reserve(40).now_or_never().unwrap();
    let first = a.work(50).now_or_never().unwrap();
    assert!(b.work(20).now_or_never().is_none());
    let second = b.work(10).now_or_never().unwrap();
    // Needs more than there is: it waits until no other work runs, and none that came later goes before it.
    let (mut large, mut later) = (Box::pin(a.work(1000)), Box::pin(b.work(1)));
    assert!(large.as_mut().now_or_never().is_none());
    drop(first);
    assert!(large.as_mut().now_or_never().is_none() && later.as_mut().now_or_never().is_none());
    drop(second);
    let large = large.now_or_never().unwrap();
    assert_eq!(budget.used_bytes(), 1040);
    assert!(later.as_mut().now_or_never().is_none());
    drop(large);
    assert!(later.now_or_never().is_some());
}

#[test]
fn bodies_wait_while_work_needs_the_rest() {
    let budget = Budget::new(100);
    let (oldest, mut second) = (budget.join(), budget.join());
    let work = oldest.work(80).now_or_never().unwrap();
    let mut waiting = Box::pin(second.reserve(25));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(work);
    waiting.now_or_never().unwrap();
}
