//! One connection: its two sockets and the threads between them.

use super::control::Control;
use super::pump::pump;
use super::{Direction, Ending};
use socket2::SockRef;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a thread whose receiver takes nothing looks whether the connection was ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection and the threads that carry its bytes. The threads own it, so it is closed when both have ended.
#[derive(Debug)]
pub(super) struct Connection {
    link: Weak<Link>,
    threads: [JoinHandle<()>; 2],
}

/// A client's socket and the one to the server for it.
#[derive(Debug)]
pub(super) struct Link {
    client: TcpStream,
    server: TcpStream,
    ended: AtomicBool,
    half_closed: [AtomicBool; 2],
}

impl Connection {
    pub(super) fn open(client: TcpStream, server: TcpStream, control: &Arc<Control>) -> io::Result<Self> {
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(LOOK_EVERY))?;
        }
        let name = format!("proxy-{}", client.local_addr()?.port());
        let link =
            Arc::new(Link { client, server, ended: AtomicBool::default(), half_closed: Default::default() });
        let start = |direction| {
            let (link, control) = (Arc::clone(&link), Arc::clone(control));
            let thread = std::thread::Builder::new().name(name.clone());
            thread.spawn(move || pump(&control, &link, direction))
        };
        let to_server = start(Direction::ToServer)?;
        // Without the second the first has to end as well.
        let to_client = start(Direction::ToClient).inspect_err(|_| link.end(Ending::Reset))?;
        Ok(Self { link: Arc::downgrade(&link), threads: [to_server, to_client] })
    }

    pub(super) fn link(&self) -> Option<Arc<Link>> {
        self.link.upgrade()
    }

    pub(super) fn is_open(&self) -> bool {
        self.link.strong_count() > 0
    }

    /// Waits until it is closed.
    pub(super) fn join(self) {
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

impl Link {
    pub(super) fn sender(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.client,
            Direction::ToClient => &self.server,
        }
    }

    pub(super) fn receiver(&self, direction: Direction) -> &TcpStream {
        match direction {
            Direction::ToServer => &self.server,
            Direction::ToClient => &self.client,
        }
    }

    /// Wakes both threads, which then end and close the sockets.
    pub(super) fn end(&self, ending: Ending) {
        if self.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        for stream in [&self.client, &self.server] {
            // What fails here has been closed by its other side.
            let _ = match ending {
                // A shut reading side wakes who reads and sends nothing; the RST goes out when the socket is closed.
                Ending::Reset => linger_not(stream).and_then(|()| stream.shutdown(Shutdown::Read)),
                Ending::Close => stream.shutdown(Shutdown::Both),
            };
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn half_close(&self, direction: Direction) {
        self.half_closed[direction as usize].store(true, Ordering::Release);
        self.finish(direction);
    }

    pub(super) fn is_half_closed(&self, direction: Direction) -> bool {
        self.half_closed[direction as usize].load(Ordering::Acquire)
    }

    /// Tells the receiver that nothing more comes.
    pub(super) fn finish(&self, direction: Direction) {
        // It fails where the receiver has gone, who then need not be told.
        let _ = self.receiver(direction).shutdown(Shutdown::Write);
    }
}

/// Closes a socket with RST.
pub(super) fn reset(stream: TcpStream) {
    let _ = linger_not(&stream);
    drop(stream);
}

fn linger_not(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_linger(Some(Duration::ZERO))
}
