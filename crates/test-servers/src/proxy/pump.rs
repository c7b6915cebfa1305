//! Carries bytes in one direction of one connection.

use super::Direction;
use super::connection::Link;
use super::control::{Control, Passage};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::Instant;

/// The most bytes that are passed at once.
const BUFFER: usize = 16 * 1024;

/// Passes what arrives as the control says, until the sender has no more or the connection is ended.
pub(super) fn pump(control: &Control, link: &Link, direction: Direction) {
    if carry(control, link, direction).is_err() {
        // One side is gone, and the other has to learn it.
        control.end(link);
    }
}

fn carry(control: &Control, link: &Link, direction: Direction) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = link.sender(direction).read(&mut buffer);
        if matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted) {
            continue;
        }
        // The end of a stream and a reset wait at the gate as bytes do.
        let arrived = *read.as_ref().unwrap_or(&0);
        let passage = control.gate(link, direction, Instant::now(), arrived);
        if passage == Passage::Ended {
            return Ok(());
        }
        if read? == 0 {
            link.finish(direction);
            return Ok(());
        }
        if let Passage::Open { bytes, cut } = passage {
            let written = write(link, direction, &buffer[..bytes]);
            if !link.is_half_closed(direction) {
                written?;
            }
            if cut {
                control.cut_now(link, direction);
            }
            if bytes < arrived {
                // Whatever became of the cut, nothing may follow the gap.
                return Err(ErrorKind::ConnectionAborted.into());
            }
        }
    }
}

/// As `write_all`, but gives up when the connection is ended while the receiver takes nothing.
fn write(link: &Link, direction: Direction, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match link.receiver(direction).write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock | ErrorKind::TimedOut if !link.has_ended() => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}
