//! Hearing that chunks became startable, through whichever process. What is heard only saves waiting: whoever waits looks
//! again after a while in any case.

use super::connect::{Connections, Wire};
use super::error::{Doing, Failure, Tried};
use crate::repository::WakeUps;
use futures::StreamExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::AsyncMessage;

/// The wait before it listens again; each next is twice as long, until it has been listening.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a server may take to answer that it is listened to.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Wakes the claimers of this very store.
#[derive(Clone)]
pub(super) struct Waker {
    sender: watch::Sender<u64>,
    /// What this store's own notifications carry.
    mark: Arc<str>,
}

impl Waker {
    pub(super) fn new() -> Self {
        Self { sender: watch::Sender::new(0), mark: format!("{:016x}", fastrand::u64(..)).into() }
    }

    pub(super) fn mark(&self) -> &str {
        &self.mark
    }

    pub(super) fn wake(&self) {
        self.sender.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(super) fn wake_ups(&self) -> WakeUps {
        self.sender.subscribe()
    }
}

/// Hears wake-ups until it is dropped, with a connection of its own.
pub(super) struct Listener {
    task: JoinHandle<()>,
}

impl Listener {
    pub(super) fn start(connections: Connections, waker: Waker) -> Self {
        if connections.is_pooled() {
            tracing::warn!(
                "the database is behind a pooler that does not pass on wake-ups: new chunks are found by looking, up to \
                 some seconds later; a direct connection finds them at once"
            );
        }
        let home = connections.home().clone();
        let task = home.spawn(async move {
            if !connections.is_pooled() {
                listen_for_ever(&connections, &waker).await;
            }
        });
        Self { task }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen_for_ever(connections: &Connections, waker: &Waker) {
    let mut wait = FIRST_WAIT;
    let mut missed = false;
    loop {
        if let Err(failure) = listen(connections, waker, missed, &mut wait).await {
            tracing::debug!(?failure, "wake-ups are not heard");
        }
        missed = true;
        tokio::time::sleep(wait.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Until the connection ends.
async fn listen(connections: &Connections, waker: &Waker, missed: bool, wait: &mut Duration) -> Tried<()> {
    let (client, mut wire): (_, Wire) = connections.connect().await?;
    let listening = tokio::time::timeout(LISTEN_TIMEOUT, client.batch_execute("LISTEN ream_wake_ups"));
    tokio::pin!(listening);
    let mut is_listening = false;
    let mut messages = futures::stream::poll_fn(move |cx| wire.poll_message(cx));
    loop {
        tokio::select! {
            done = &mut listening, if !is_listening => {
                let late = |_| Failure::Transient(format!("listen: no answer after {LISTEN_TIMEOUT:?}"));
                done.map_err(late)?.doing("listen")?;
                is_listening = true;
                *wait = FIRST_WAIT;
                if missed {
                    // What came meanwhile was not heard.
                    waker.wake();
                }
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(heard))) if heard.payload() == waker.mark() => {}
                Some(Ok(AsyncMessage::Notification(_))) => waker.wake(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(super::error::failure("listen", &error)),
                None => return Ok(()),
            }
        }
    }
}
