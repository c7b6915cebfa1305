//! A place among the fetches in flight.
//!
//! Few hosts that drip could take most places for as long as their time-outs last. So a fetch that is on the network
//! for longer than `slow_after` gives its place to another and goes on in the slow lane, which has as many places
//! again; if that is full, it keeps its place. Connections are thus bounded by twice the places.

use crate::deadline::later;
use crate::turns::{Turn, Turns};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub(crate) struct Slot {
    place: Option<Turn>,
    slow_lane: Option<Turns>,
    slow_at: Instant,
}

impl Slot {
    /// `place` is none for a fetch that passed the queue.
    pub(crate) fn new(place: Option<Turn>, slow_lane: Option<Turns>, slow_after: Duration) -> Self {
        Self { place, slow_lane, slow_at: later(Instant::now(), slow_after) }
    }

    /// Waits for the network, in the slow lane if it takes long.
    pub(crate) async fn during<T>(&mut self, network: impl Future<Output = T>) -> T {
        let mut network = std::pin::pin!(network);
        if self.slow_lane.is_some() {
            tokio::select! {
                biased;
                done = &mut network => return done,
                () = sleep_until(self.slow_at) => {}
            }
            if let Some(place) = self.slow_lane.take().and_then(|lane| lane.try_take()) {
                self.place = Some(place);
            }
        }
        network.await
    }

    /// Time that is not the network's does not count.
    pub(crate) fn extend(&mut self, by: Duration) {
        self.slow_at += by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const S: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_slow_fetch_gives_its_place_away_once() {
        let (places, lane) = (Turns::new(1), Turns::new(1));
        let mut slow = Slot::new(places.try_take(), Some(lane.clone()), 3 * S);
        slow.during(sleep(2 * S)).await;
        slow.extend(S);
        slow.during(sleep(S)).await;
        assert!(places.try_take().is_none());
        slow.during(sleep(2 * S)).await;
        let mut second = Slot::new(places.try_take(), Some(lane.clone()), 3 * S);
        assert!(second.place.is_some() && lane.try_take().is_none());
        // The slow lane is full: this one stays where it is.
        second.during(sleep(9 * S)).await;
        assert!(places.try_take().is_none());
        drop(slow);
        assert!(lane.try_take().is_some());
    }
}
