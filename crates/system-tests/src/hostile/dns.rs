//! A name server that lies.

use super::log::Log;
use ream_test_servers::{Result, cannot};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::sync::Arc;

const HEADER_BYTES: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NO_SUCH_NAME: u8 = 3;

/// What the name server says of a name.
#[derive(Debug, Clone)]
pub(super) enum Says {
    /// These addresses, each time.
    Addresses(Vec<IpAddr>),
    /// The first the first time, the second from then on: DNS rebinding.
    Rebinding(Ipv4Addr, Ipv4Addr),
    /// SERVFAIL.
    Failure,
    /// Nothing.
    Silence,
}

/// Answers for the names of a zone; no other name exists.
pub(super) struct NameServer {
    socket: UdpSocket,
    zone: BTreeMap<String, Says>,
    log: Arc<Log>,
}

/// The name servers that the system asks, as in `resolv.conf(5)`.
pub(super) fn asked_by_the_system() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = |line: &str| line.strip_prefix("nameserver")?.trim().parse().ok();
    let found: Vec<IpAddr> = text.lines().filter_map(server).collect();
    if found.is_empty() { vec![Ipv4Addr::LOCALHOST.into()] } else { found }
}

impl NameServer {
    pub(super) fn bind(at: IpAddr, zone: BTreeMap<String, Says>, log: Arc<Log>) -> Result<Self> {
        let socket = UdpSocket::bind((at, 53)).map_err(cannot(format!("be the name server {at}")))?;
        Ok(Self { socket, zone, log })
    }

    pub(super) fn serve(mut self) {
        let mut packet = [0; 1500];
        while let Ok((bytes, from)) = self.socket.recv_from(&mut packet) {
            if let Some(reply) = self.reply(&packet[..bytes]) {
                let _ = self.socket.send_to(&reply, from);
            }
        }
    }

    fn reply(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (name, kind, question) = question(packet)?;
        self.log.name(&name);
        let (code, addresses) = match self.zone.get_mut(&name) {
            None => (NO_SUCH_NAME, Vec::new()),
            Some(Says::Failure) => (SERVER_FAILURE, Vec::new()),
            Some(Says::Silence) => return None,
            Some(Says::Addresses(addresses)) => (NO_ERROR, addresses.clone()),
            Some(Says::Rebinding(first, then)) => {
                let now = IpAddr::V4(*first);
                if kind == TYPE_A {
                    *first = *then;
                }
                (NO_ERROR, vec![now])
            }
        };
        let records: Vec<_> = addresses.into_iter().filter_map(|address| record(address, kind)).collect();
        let mut reply = packet[..2].to_vec();
        // An answer, recursion wanted and available; one question, no authority, nothing additional.
        reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
        reply.extend(question);
        reply.extend(records.concat());
        Some(reply)
    }
}

/// Name, type, and the bytes of the first question.
fn question(packet: &[u8]) -> Option<(String, u16, &[u8])> {
    let (mut at, mut labels) = (HEADER_BYTES, Vec::new());
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(packet.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, packet.get(HEADER_BYTES..at + 4)?))
}

/// A record for the name in the question, if the address is of the type that was asked for.
fn record(address: IpAddr, kind: u16) -> Option<Vec<u8>> {
    let (own, bytes) = match address {
        IpAddr::V4(v4) => (TYPE_A, v4.octets().to_vec()),
        IpAddr::V6(v6) => (TYPE_AAAA, Ipv6Addr::octets(&v6).to_vec()),
    };
    if own != kind {
        return None;
    }
    // The name as a pointer to the question, the type, class IN, one second to live.
    let mut record = vec![0xc0, 0x0c, 0, u8::try_from(kind).ok()?, 0, 1, 0, 0, 0, 1, 0];
    record.push(u8::try_from(bytes.len()).ok()?);
    record.extend(bytes);
    Some(record)
}
