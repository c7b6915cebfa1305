//! What groups promise, with calls whose runs the test lets go.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

type Number = u32;

const PATIENCE: Duration = Duration::from_secs(30);

/// Runs wait for leave, and what they were asked to run is noted. Calls are answered with ten times themselves; 13 breaks
/// whatever it is in, and 7 cannot be made in company.
struct Tens {
    ran: Arc<Mutex<Vec<Vec<Number>>>>,
    undone: Arc<Mutex<Vec<Number>>>,
    leave: Arc<Semaphore>,
}

impl Kind for Tens {
    type Key = &'static str;
    type Call = Number;
    type Answer = Number;

    fn run(
        &self,
        _: &'static str,
        calls: Vec<Number>,
        _: Instant,
    ) -> BoxFuture<'static, Result<Vec<Option<Number>>>> {
        self.ran.lock().unwrap().push(calls.clone());
        let leave = self.leave.clone();
        Box::pin(async move {
            leave.acquire().await.unwrap().forget();
            if calls.contains(&13) {
                return Err(Error::invalid("call", 13, "another number"));
            }
            if calls.contains(&99) {
                return Err(unavailable("no server"));
            }
            assert!(!calls.contains(&666), "a run that panics");
            Ok(calls.iter().map(|call| (*call != 7).then_some(call * 10)).collect())
        })
    }

    fn undo(&self, answer: Number) -> BoxFuture<'static, ()> {
        self.undone.lock().unwrap().push(answer);
        Box::pin(std::future::ready(()))
    }
}

struct Scene {
    groups: Arc<Groups<Tens>>,
    ran: Arc<Mutex<Vec<Vec<Number>>>>,
    undone: Arc<Mutex<Vec<Number>>>,
    leave: Arc<Semaphore>,
}

impl Scene {
    /// At home in the runtime of the test, whose time stands still.
    fn new() -> Self {
        Self::at(Home::here())
    }

    fn at(home: Home) -> Self {
        let (ran, undone, leave) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let tens = Tens { ran: Arc::clone(&ran), undone: Arc::clone(&undone), leave: leave.clone() };
        Self { groups: Groups::new(tens, PATIENCE, home), ran, undone, leave }
    }

    /// The place, once all that went before has left it.
    async fn first(&self) -> Option<Place<Tens>> {
        while !self.groups.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        match self.groups.turn("kind", &0, 1, Instant::now()).await {
            Turn::Yours(place) => Some(place),
            _ => None,
        }
    }

    /// A call that waits by now.
    async fn waiting(&self, call: Number) -> JoinHandle<String> {
        let groups = self.groups.clone();
        let waiting = tokio::spawn(async move {
            match groups.turn("kind", &call, 1, Instant::now()).await {
                Turn::Answered(Ok(answer)) => answer.to_string(),
                Turn::Answered(Err(error)) => error.to_string(),
                Turn::Yours(_) => "yours".to_owned(),
                Turn::Alone => "alone".to_owned(),
            }
        });
        tokio::task::yield_now().await;
        waiting
    }

    fn let_go(&self, runs: usize) {
        self.leave.add_permits(runs);
    }

    fn ran(&self) -> Vec<Vec<Number>> {
        self.ran.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_alone_waits_for_nobody_and_those_behind_it_go_together() {
    let scene = Scene::new();
    let place = scene.first().await;
    assert!(place.is_some());
    let (one, two) = (scene.waiting(1).await, scene.waiting(2).await);
    assert!(scene.ran().is_empty());
    scene.let_go(1);
    drop(place);
    assert_eq!((one.await.unwrap().as_str(), two.await.unwrap().as_str()), ("10", "20"));
    assert_eq!(scene.ran(), [[1, 2]]);
    assert!(scene.first().await.is_some(), "all is over: the next is alone again");
}

#[tokio::test(start_paused = true)]
async fn other_kinds_do_not_wait() {
    let scene = Scene::new();
    let _place = scene.first().await;
    assert!(matches!(scene.groups.turn("other", &1, 1, Instant::now()).await, Turn::Yours(_)));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_has_gone_before_its_group_began_is_not_made() {
    let scene = Scene::new();
    let place = scene.first().await;
    let (gone, stays) = (scene.waiting(1).await, scene.waiting(2).await);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    scene.let_go(1);
    drop(place);
    assert_eq!(stays.await.unwrap(), "20");
    assert_eq!(scene.ran(), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_while_its_group_runs_takes_nobody_along_and_its_call_is_undone() {
    let scene = Scene::new();
    let place = scene.first().await;
    let (gone, stays) = (scene.waiting(1).await, scene.waiting(2).await);
    drop(place);
    tokio::task::yield_now().await;
    assert_eq!(scene.ran(), [[1, 2]]);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    scene.let_go(1);
    assert_eq!(stays.await.unwrap(), "20");
    assert!(scene.first().await.is_some());
    assert_eq!(*scene.undone.lock().unwrap(), [10]);
}

#[tokio::test(start_paused = true)]
async fn who_spoils_a_group_spoils_it_for_nobody_else() {
    let scene = Scene::new();
    let place = scene.first().await;
    let (good, bad, shy) = (scene.waiting(1).await, scene.waiting(13).await, scene.waiting(7).await);
    scene.let_go(1);
    drop(place);
    for told in [good, bad, shy] {
        assert_eq!(told.await.unwrap(), "alone");
    }
    let place = scene.first().await;
    let (good, shy) = (scene.waiting(1).await, scene.waiting(7).await);
    scene.let_go(1);
    drop(place);
    assert_eq!((good.await.unwrap().as_str(), shy.await.unwrap().as_str()), ("10", "alone"));
    let place = scene.first().await;
    let bad = scene.waiting(13).await;
    scene.let_go(1);
    drop(place);
    assert!(bad.await.unwrap().contains("another number"));
}

#[tokio::test(start_paused = true)]
async fn a_database_out_of_reach_is_told_to_everybody_at_once() {
    let scene = Scene::new();
    let place = scene.first().await;
    let (one, two) = (scene.waiting(1).await, scene.waiting(99).await);
    scene.let_go(1);
    drop(place);
    for told in [one, two] {
        assert!(told.await.unwrap().contains("no server"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_no_answer_for_its_calls_and_no_end_for_the_next() {
    let scene = Scene::new();
    let place = scene.first().await;
    let bad = scene.waiting(666).await;
    drop(place);
    tokio::task::yield_now().await;
    let next = scene.waiting(1).await;
    scene.let_go(2);
    assert!(bad.await.unwrap().contains("closed"));
    assert_eq!(next.await.unwrap(), "10");
}

#[tokio::test(start_paused = true)]
async fn calls_behind_one_that_hangs_find_another_way_a_few_at_most() {
    let scene = Scene::new();
    let hanging = scene.first().await;
    // Each of the next groups hangs as well, and each is one call: the next has not come yet.
    let mut told = Vec::new();
    for call in 1..10 {
        told.push(scene.waiting(call).await);
        tokio::time::sleep(LONG_WAIT * 2).await;
    }
    let begun = scene.ran();
    assert_eq!(begun, [[1], [2], [3]], "beside the first, as many as there are places");
    scene.let_go(begun.len() + 1);
    for told in told {
        told.await.unwrap();
    }
    assert_eq!(scene.ran()[3..], [vec![4, 5, 6, 7, 8, 9]]);
    drop(hanging);
    assert!(scene.first().await.is_some(), "all places are left");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_patience_for_a_group_to_begin() {
    let scene = Scene::new();
    let _hanging = scene.first().await;
    let begun_at = Instant::now();
    let mut hanging = Vec::new();
    for call in 1..4 {
        hanging.push(scene.waiting(call).await);
        tokio::time::sleep(LONG_WAIT * 2).await;
    }
    let late = scene.waiting(4).await;
    assert!(late.await.unwrap().contains("not answered within"));
    assert!(begun_at.elapsed() < PATIENCE + LONG_WAIT * 10, "{:?}", begun_at.elapsed());
    // Those that have begun are still to be answered.
    scene.let_go(3);
    for told in hanging {
        assert!(told.await.unwrap().ends_with('0'));
    }
    assert_eq!(scene.ran(), [[1], [2], [3]]);
}

#[test]
fn a_runtime_that_ends_under_its_calls_tells_those_on_others_to_go_alone() {
    for threads in [0, 2] {
        let mut builder = match threads {
            0 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let ending = builder.enable_all().build().unwrap();
        let scene = ending.block_on(async { Scene::new() });
        // A place is held and a group hangs on the runtime that ends, others wait behind both.
        let groups = scene.groups.clone();
        ending.block_on(async {
            let place = scene.first().await;
            tokio::spawn(async move {
                let _place = place;
                std::future::pending::<()>().await;
            });
            for call in 1..4 {
                drop(scene.waiting(call).await);
            }
        });
        let lasting = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waiting = lasting.spawn(async move { groups.turn("kind", &5, 1, Instant::now()).await });
        lasting.block_on(tokio::task::yield_now());
        drop(ending);
        let turn = lasting.block_on(waiting).unwrap();
        assert!(matches!(turn, Turn::Alone | Turn::Yours(_)));
        assert!(scene.ran().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn groups_have_an_end() {
    let scene = Scene::new();
    let place = scene.first().await;
    let many = MAX_CHUNKS / 2 + 1;
    let made = Arc::new(AtomicUsize::new(0));
    let told: Vec<_> = (1..4)
        .map(|call| {
            let (groups, made) = (scene.groups.clone(), made.clone());
            tokio::spawn(async move {
                groups.turn("kind", &call, many, Instant::now()).await;
                made.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    tokio::task::yield_now().await;
    scene.let_go(3);
    drop(place);
    for told in told {
        told.await.unwrap();
    }
    assert_eq!(scene.ran(), [[1], [2], [3]]);
}
