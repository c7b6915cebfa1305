//! What groups promise, with calls whose runs the test lets go.

use super::*;
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

    fn undo(&self, answers: Vec<Number>) -> BoxFuture<'static, ()> {
        self.undone.lock().unwrap().extend(answers);
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
        let (ran, undone, leave) = (Arc::default(), Arc::default(), Arc::new(Semaphore::new(0)));
        let tens = Tens { ran: Arc::clone(&ran), undone: Arc::clone(&undone), leave: leave.clone() };
        Self { groups: Groups::new(tens, PATIENCE, Home::here()), ran, undone, leave }
    }

    /// A call that is under way and hangs, once all that went before is over. The first permit is for it.
    async fn hanging(&self) -> JoinHandle<String> {
        self.settled().await;
        let ran = self.ran().len();
        let hanging = self.call(0).await;
        while self.ran().len() == ran {
            tokio::task::yield_now().await;
        }
        hanging
    }

    async fn settled(&self) {
        while !self.groups.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// A call that was made by now.
    async fn call(&self, call: Number) -> JoinHandle<String> {
        let groups = self.groups.clone();
        let told = tokio::spawn(async move {
            match groups.call("kind", &call, 1, Instant::now()).await {
                Some(Ok(answer)) => answer.to_string(),
                Some(Err(error)) => error.to_string(),
                None => "alone".to_owned(),
            }
        });
        tokio::task::yield_now().await;
        told
    }

    fn let_go(&self, runs: usize) {
        self.leave.add_permits(runs);
    }

    fn ran(&self) -> Vec<Vec<Number>> {
        self.ran.lock().unwrap().clone()
    }

    fn last_run(&self) -> Vec<Number> {
        self.ran().pop().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_come_at_once_go_together_and_so_do_those_behind_them() {
    let scene = Scene::new();
    let (one, two) = tokio::join!(scene.call(1), scene.call(2));
    tokio::task::yield_now().await;
    assert_eq!(scene.ran(), [[1, 2]], "before anybody has waited");
    let (three, four) = (scene.call(3).await, scene.call(4).await);
    scene.let_go(2);
    for (told, answer) in [(one, "10"), (two, "20"), (three, "30"), (four, "40")] {
        assert_eq!(told.await.unwrap(), answer);
    }
    assert_eq!(scene.ran(), [[1, 2], [3, 4]]);
    scene.settled().await;
}

#[tokio::test(start_paused = true)]
async fn other_kinds_do_not_wait() {
    let scene = Scene::new();
    let hanging = scene.hanging().await;
    let groups = scene.groups.clone();
    let other = tokio::spawn(async move { groups.call("other", &1, 1, Instant::now()).await });
    while scene.ran().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.last_run(), [1]);
    scene.let_go(2);
    assert_eq!(hanging.await.unwrap(), "0");
    assert!(matches!(other.await.unwrap(), Some(Ok(10))));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_has_gone_before_its_group_began_is_not_made() {
    let scene = Scene::new();
    let _hanging = scene.hanging().await;
    let (gone, stays) = (scene.call(1).await, scene.call(2).await);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    scene.let_go(2);
    assert_eq!(stays.await.unwrap(), "20");
    assert_eq!(scene.last_run(), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_while_its_group_runs_takes_nobody_along_and_its_call_is_undone() {
    let scene = Scene::new();
    let (gone, stays) = tokio::join!(scene.call(1), scene.call(2));
    tokio::task::yield_now().await;
    assert_eq!(scene.ran(), [[1, 2]]);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    scene.let_go(1);
    assert_eq!(stays.await.unwrap(), "20");
    scene.settled().await;
    assert_eq!(*scene.undone.lock().unwrap(), [10]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_and_was_not_taken_is_undone_once_and_one_that_was_taken_is_not() {
    let scene = Scene::new();
    let groups = scene.groups.clone();
    let mut asked = Box::pin(async move { groups.call("kind", &1, 1, Instant::now()).await });
    assert!(futures::poll!(&mut asked).is_pending());
    scene.let_go(1);
    scene.settled().await;
    assert!(scene.undone.lock().unwrap().is_empty());
    drop(asked);
    assert_eq!(*scene.undone.lock().unwrap(), [10]);
    scene.let_go(1);
    assert_eq!(scene.call(2).await.await.unwrap(), "20");
    scene.settled().await;
    assert_eq!(*scene.undone.lock().unwrap(), [10]);
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_goes_without_those_whose_patience_is_at_its_end() {
    let scene = Scene::new();
    for call in 1..=MAX_PLACES as Number {
        scene.call(call).await;
        tokio::time::sleep(LONG_WAIT * 2).await;
    }
    let early = scene.call(5).await;
    tokio::time::sleep(PATIENCE / 2).await;
    let late = scene.call(6).await;
    scene.let_go(MAX_PLACES + 2);
    assert_eq!((early.await.unwrap().as_str(), late.await.unwrap().as_str()), ("50", "60"));
    assert_eq!(scene.ran()[MAX_PLACES..], [[5], [6]]);
}

#[tokio::test(start_paused = true)]
async fn who_spoils_a_group_spoils_it_for_nobody_else() {
    let scene = Scene::new();
    scene.let_go(3);
    let (good, bad, shy) = tokio::join!(scene.call(1), scene.call(13), scene.call(7));
    for told in [good, bad, shy] {
        assert_eq!(told.await.unwrap(), "alone");
    }
    scene.settled().await;
    let (good, shy) = tokio::join!(scene.call(1), scene.call(7));
    assert_eq!((good.await.unwrap().as_str(), shy.await.unwrap().as_str()), ("10", "alone"));
    scene.settled().await;
    let bad = scene.call(13).await;
    assert!(bad.await.unwrap().contains("another number"));
}

#[tokio::test(start_paused = true)]
async fn a_database_out_of_reach_is_told_to_everybody_at_once() {
    let scene = Scene::new();
    scene.let_go(1);
    let (one, two) = tokio::join!(scene.call(1), scene.call(99));
    for told in [one, two] {
        assert!(told.await.unwrap().contains("no server"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_no_answer_for_its_calls_and_no_end_for_the_next() {
    let scene = Scene::new();
    let bad = scene.call(666).await;
    tokio::task::yield_now().await;
    assert_eq!(scene.ran(), [[666]]);
    let next = scene.call(1).await;
    scene.let_go(2);
    assert!(bad.await.unwrap().contains("closed"));
    assert_eq!(next.await.unwrap(), "10");
    scene.settled().await;
}

#[tokio::test(start_paused = true)]
async fn calls_behind_one_that_hangs_find_another_way_a_few_at_most() {
    let scene = Scene::new();
    // Each group hangs, and is one call: the next has not come yet.
    let mut told = Vec::new();
    for call in 1..11 {
        told.push(scene.call(call).await);
        tokio::time::sleep(LONG_WAIT * 2).await;
    }
    assert_eq!(scene.ran(), [[1], [2], [3], [4]], "as many as there are places");
    scene.let_go(MAX_PLACES + 1);
    for told in told {
        told.await.unwrap();
    }
    assert_eq!(scene.last_run(), [5, 6, 7, 8, 9, 10]);
    scene.settled().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_longer_than_patience_for_a_group_to_begin() {
    let scene = Scene::new();
    let begun_at = Instant::now();
    let mut hanging = Vec::new();
    for call in 1..=MAX_PLACES as Number {
        hanging.push(scene.call(call).await);
        tokio::time::sleep(LONG_WAIT * 2).await;
    }
    let late = scene.call(9).await;
    assert!(late.await.unwrap().contains("not answered within"));
    assert!(begun_at.elapsed() < PATIENCE + LONG_WAIT * 20, "{:?}", begun_at.elapsed());
    // Those that have begun are still to be answered.
    scene.let_go(MAX_PLACES);
    for told in hanging {
        assert!(told.await.unwrap().ends_with('0'));
    }
    assert_eq!(scene.ran().len(), MAX_PLACES);
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
        // A group hangs on the runtime that ends; others wait behind it, there and elsewhere.
        ending.block_on(async {
            drop(scene.hanging().await);
            for call in 1..4 {
                drop(scene.call(call).await);
            }
        });
        let lasting = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waiting = lasting.block_on(scene.call(5));
        drop(ending);
        assert_eq!(lasting.block_on(waiting).unwrap(), "alone");
        assert_eq!(scene.ran(), [[0]]);
        // Whoever comes later hears it at once.
        let late = lasting.block_on(scene.call(6));
        assert_eq!(lasting.block_on(late).unwrap(), "alone");
        assert!(scene.groups.lock().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn groups_have_an_end() {
    let scene = Scene::new();
    let many = MAX_CHUNKS / 2 + 1;
    let told: Vec<_> = (1..4)
        .map(|call| {
            let groups = scene.groups.clone();
            tokio::spawn(async move { groups.call("kind", &call, many, Instant::now()).await })
        })
        .collect();
    scene.let_go(3);
    for told in told {
        assert!(matches!(told.await.unwrap(), Some(Ok(_))));
    }
    assert_eq!(scene.ran(), [[1], [2], [3]]);
}
