//! What every request waits for, in this order: that its host is not given up, the host's turn, the domain's turn,
//! the host's pace, a slot. All of it is given back when the request is over, so a wait between tries holds nothing.

use crate::budget::Reservation;
use crate::config::FetchConfig;
use crate::deadline::later;
use crate::error::Failure;
use crate::host::{Host, Hosts, Start};
use crate::slot::Slot;
use crate::turns::{SentAway, Turn, Turns};
use ream_core::ErrorClass;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use url::Url;

pub(crate) struct Gate {
    config: Arc<FetchConfig>,
    hosts: Hosts,
    slots: Turns,
    slow_slots: Turns,
    robots_slots: Turns,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Asker<'a> {
    Image(&'a Reservation),
    /// Has queues of its own, of which no place is ever held by one that waits for memory: all images of an origin
    /// wait for its robots.txt, the oldest too.
    Robots {
        /// The number of the image that is the first to need it.
        age: u64,
    },
}

/// A request that may go out. Its host must hear how it ended.
pub(crate) struct Admission {
    pub(crate) slot: Slot,
    pub(crate) host: Arc<Host>,
    probe: bool,
    _turns: [Option<Turn>; 2],
}

impl Gate {
    pub(crate) fn new(config: Arc<FetchConfig>) -> Self {
        let slots = || Turns::new(config.max_in_flight);
        let (slots, slow_slots, robots_slots) = (slots(), slots(), slots());
        Self { hosts: Hosts::new(Arc::clone(&config)), config, slots, slow_slots, robots_slots }
    }

    /// A place among the fetches in flight; smaller ages go first.
    pub(crate) async fn slot(&self, age: u64) -> Option<Turn> {
        self.slots.take(age).await.ok()
    }

    pub(crate) fn host(&self, url: &Url) -> Arc<Host> {
        self.hosts.get(url)
    }

    /// Waits until the request may go out, at most until `patience` ends.
    pub(crate) async fn enter(
        &self,
        host: Arc<Host>,
        asker: Asker<'_>,
        patience: Instant,
    ) -> Result<Admission, Failure> {
        let mut queue = Queue { asker, patience, max_wait: self.config.max_wait, host: &host.name };
        let turns = loop {
            host.look(Instant::now(), patience)?;
            // Who is sent away finds the host given up, or waits again.
            if let Ok(turns) = self.turns(&host, &queue).await? {
                break turns;
            }
        };
        // The queue before this was others' doing.
        queue.patience = patience.max(later(Instant::now(), self.config.max_wait));
        loop {
            let ready_at = host.look(Instant::now(), queue.patience)?;
            if ready_at > queue.patience {
                return Err(queue.too_long());
            }
            sleep_until(ready_at).await;
            let Ok(slot) = self.slot_for(&queue).await? else { continue };
            match host.start(Instant::now())? {
                Start::Now { probe } => return Ok(Admission { slot, host, probe, _turns: turns }),
                // Another was faster: wait for the next moment, without the slot.
                Start::Later => {}
            }
        }
    }

    async fn turns(
        &self,
        host: &Host,
        queue: &Queue<'_>,
    ) -> Result<Result<[Option<Turn>; 2], SentAway>, Failure> {
        let domain = host.domain.as_deref();
        let (own, shared) = match queue.asker {
            Asker::Image(_) => (&host.turns, domain.map(|domain| &domain.turns)),
            Asker::Robots { .. } => (&host.robots_turns, domain.map(|domain| &domain.robots_turns)),
        };
        let Ok(turn) = queue.wait(own).await? else { return Ok(Err(SentAway)) };
        let Some(shared) = shared else { return Ok(Ok([turn, None])) };
        Ok(queue.wait(shared).await?.map(|shared| [turn, shared]))
    }

    async fn slot_for(&self, queue: &Queue<'_>) -> Result<Result<Slot, SentAway>, Failure> {
        let (places, lane) = match queue.asker {
            Asker::Image(_) => (&self.slots, Some(self.slow_slots.clone())),
            Asker::Robots { .. } => (&self.robots_slots, None),
        };
        Ok(queue.wait(places).await?.map(|place| Slot::new(place, lane, self.config.slow_after)))
    }
}

/// One asker's way of waiting.
struct Queue<'a> {
    asker: Asker<'a>,
    patience: Instant,
    max_wait: Duration,
    host: &'a str,
}

impl Queue<'_> {
    /// A place; none for one that passed the queue, because younger fetches hold the places and wait for memory.
    async fn wait(&self, turns: &Turns) -> Result<Result<Option<Turn>, SentAway>, Failure> {
        if let Some(turn) = turns.try_take() {
            return Ok(Ok(Some(turn)));
        }
        let age = match self.asker {
            Asker::Image(reservation) => reservation.number(),
            Asker::Robots { age } => age,
        };
        tokio::select! {
            biased;
            turn = turns.take(age) => Ok(turn.map(Some)),
            () = self.must_pass() => Ok(Ok(None)),
            () = self.no_turns(turns) => Err(self.too_long()),
        }
    }

    /// Ends when patience has, and no place was given to anybody for as long: a queue that moves is waited for, however
    /// slow the host.
    async fn no_turns(&self, turns: &Turns) {
        let mut end = self.patience;
        loop {
            sleep_until(end).await;
            end = later(turns.last_given(), self.max_wait);
            if end <= Instant::now() {
                return;
            }
        }
    }

    async fn must_pass(&self) {
        match self.asker {
            Asker::Image(reservation) => reservation.must_pass().await,
            Asker::Robots { .. } => std::future::pending().await,
        }
    }

    fn too_long(&self) -> Failure {
        let message = format!("no turn at {} in the time that one image may take", self.host);
        Failure::new(ErrorClass::Timeout, message).out_of_patience()
    }
}

impl Admission {
    pub(crate) fn succeeded(mut self) {
        self.probe = false;
        self.host.succeeded();
    }

    pub(crate) fn failed(mut self, failure: &Failure) {
        self.host.failed(std::mem::take(&mut self.probe), failure);
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.probe {
            self.host.probe_abandoned();
        }
    }
}

#[cfg(test)]
mod tests;
