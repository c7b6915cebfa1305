//! Telling everything to stop, and waiting for it.

use tokio::sync::watch;

/// Says stop. Dropping it says stop as well.
#[derive(Debug)]
pub struct Shutdown(watch::Sender<bool>);

/// Hears it; cheap to clone.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<bool>);

impl Shutdown {
    /// A switch and its signal.
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), StopSignal(receiver))
    }

    /// Says stop; again does nothing.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// Whether stop was said.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until stop is said.
    pub async fn stopped(&mut self) {
        // An error means that the switch is gone, which says stop too.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}
