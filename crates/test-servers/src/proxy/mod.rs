//! A TCP proxy that makes faults.

mod acceptor;
mod connection;
mod control;
mod pump;

use crate::fault::{Result, cannot};
use crate::port::ReservedPort;
use acceptor::Acceptor;
use control::Control;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: answers.
    ToClient,
}

/// How a connection is ended, on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With RST: both sides get an error.
    Reset,
    /// With FIN: both sides see the end of the stream, as if the other had closed it.
    Close,
}

/// A TCP proxy in front of a port of 127.0.0.1, on a port of its own there. It passes everything until told otherwise;
/// all it does can be changed while it runs, for the connections there are. When dropped, it resets all connections
/// and its threads end.
#[derive(Debug)]
pub struct FaultProxy {
    acceptor: Mutex<Option<Acceptor>>,
    control: Arc<Control>,
    target_port: u16,
    port: ReservedPort,
}

impl FaultProxy {
    /// Starts a proxy for a port of 127.0.0.1; nobody needs to listen there yet.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start(target_port: u16) -> Result<Self> {
        let port = ReservedPort::new()?;
        let proxy = Self { acceptor: Mutex::new(None), control: Arc::default(), target_port, port };
        proxy.accept()?;
        Ok(proxy)
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Ends all faults: new connections are accepted, nothing is held, delayed or about to be cut. What was ended or
    /// half-closed stays so.
    ///
    /// # Errors
    /// As [`FaultProxy::accept`].
    pub fn pass(&self) -> Result<()> {
        self.control.reset();
        self.accept()
    }

    /// Refuses new connections, as if no server were there. With [`FaultProxy::cut`] after it, the server is down.
    pub fn refuse(&self) {
        *self.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Accepts new connections again.
    ///
    /// # Errors
    /// The system does not let it listen.
    pub fn accept(&self) -> Result<()> {
        let mut acceptor = self.acceptor.lock().unwrap_or_else(PoisonError::into_inner);
        if acceptor.is_none() {
            let started = Acceptor::start(self.port(), self.target_port, &self.control);
            *acceptor = Some(started.map_err(cannot("listen for connections"))?);
        }
        Ok(())
    }

    /// Ends all connections there are; what has not been passed yet is lost. They are gone when this returns. New
    /// ones are accepted, unless [`FaultProxy::refuse`] was called before. A connection is there once
    /// [`FaultProxy::accepted`] counts it, which may be a moment after the client believes so.
    pub fn cut(&self, ending: Ending) {
        self.control.cut(ending);
    }

    /// Lets at most this many more bytes pass in one direction, over all connections together. Once they have passed,
    /// or once the first byte comes where none may pass, all connections are ended; further ones work as usual. So
    /// with 0 bytes to the client the server has acted on a request, and its answer is lost.
    pub fn cut_after(&self, direction: Direction, bytes: u64, ending: Ending) {
        self.control.cut_after(direction, bytes, ending);
    }

    /// Whether a [`FaultProxy::cut_after`] of this direction has yet to happen.
    pub fn is_cut_pending(&self, direction: Direction) -> bool {
        self.control.is_cut_pending(direction)
    }

    /// Holds all that goes in one direction, ends of streams included, on the connections there are and on new ones,
    /// which stay open.
    pub fn stall(&self, direction: Direction) {
        self.control.set_stalled(direction, true);
    }

    /// Holds all that goes in either direction.
    pub fn stall_both(&self) {
        self.stall(Direction::ToServer);
        self.stall(Direction::ToClient);
    }

    /// Ends all stalls; what was held goes on its way.
    pub fn resume(&self) {
        self.control.set_stalled(Direction::ToServer, false);
        self.control.set_stalled(Direction::ToClient, false);
    }

    /// Ends one direction of all connections there are: the receiver sees the end of the stream, and what the sender
    /// sends from now on is dropped. The other direction goes on.
    pub fn half_close(&self, direction: Direction) {
        self.control.half_close(direction);
    }

    /// Holds all that arrives, in both directions, for this long before it is passed, so a request and its answer
    /// take twice that. Meanwhile nothing more is taken in that direction.
    pub fn delay(&self, delay: Duration) {
        self.control.set_delay(delay);
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.control.accepted()
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.control.open()
    }

    /// How many bytes were passed so far in one direction, over all connections.
    pub fn passed(&self, direction: Direction) -> u64 {
        self.control.passed(direction)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.refuse();
        self.cut(Ending::Reset);
    }
}
