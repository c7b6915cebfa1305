//! The thread that takes connections.

use super::connection::{Connection, reset};
use super::control::Control;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the target may take to accept; on loopback it is at once, unless its queue is full.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Takes connections until dropped; then they are refused.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    pub(super) fn start(port: u16, target_port: u16, control: &Arc<Control>) -> io::Result<Self> {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?);
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, target_port));
        let thread = std::thread::Builder::new().name(format!("proxy-{port}")).spawn({
            let (listener, control) = (Arc::clone(&listener), Arc::clone(control));
            move || accept(&listener, target, &control)
        })?;
        Ok(Self { listener, thread: Some(thread) })
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        stop(&self.listener);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, control: &Arc<Control>) {
    loop {
        match listener.accept() {
            Ok((client, _)) => match TcpStream::connect_timeout(&target, CONNECT_LIMIT) {
                Ok(server) => control.add(|| Connection::open(client, server, control)),
                Err(_) => reset(client),
            },
            Err(error) if is_passing(error.kind()) => {}
            Err(_) => return stop(listener),
        }
    }
}

/// Whether the next connection may well be accepted.
fn is_passing(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted)
}

/// Wakes the thread that waits in `accept` with an error, and refuses connections from here on.
fn stop(listener: &TcpListener) {
    let _ = socket2::SockRef::from(listener).shutdown(Shutdown::Both);
}
