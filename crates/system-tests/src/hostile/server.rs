//! The site: all hosts of all cases, and everybody else's address.

use super::case::{Behaviour, Case, Robots};
use super::certificates::Authority;
use super::dns::{NameServer, Says, asked_by_the_system};
use super::exchange::{Duplex, Exchange, Request, stall};
use super::log::Log;
use super::{addresses, cases};
use ream_test_servers::{Result, cannot};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// Open as well, so that who comes is seen.
const OTHER_PORTS: [u16; 5] = [22, 25, 6379, 8080, 8443];
/// No client is waited for longer.
const CLIENT_LIMIT: Duration = Duration::from_secs(90);

struct Host {
    case: Case,
    tls: Option<Arc<ServerConfig>>,
    asked: Mutex<BTreeMap<String, AtomicUsize>>,
}

/// The running site. Its threads end with the process, which is the test's own.
pub struct HostileSite {
    hosts: BTreeMap<IpAddr, Host>,
    log: Arc<Log>,
    authority: String,
}

impl HostileSite {
    /// Starts all hosts, within [`super::namespace::inside`].
    ///
    /// # Errors
    /// A port or the name server's address cannot be had.
    pub fn start() -> Result<Arc<Self>> {
        let (log, authority) = (Arc::new(Log::default()), Authority::new()?);
        let (mut hosts, mut zone) = (BTreeMap::new(), addresses::zone());
        for (number, case) in (1..).zip(cases()) {
            let address = IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(11, 0, 0, 0).to_bits() + number));
            let name = format!("{}.example", case.label);
            let tls = match case.behaviour {
                Behaviour::Nobody => continue,
                Behaviour::Https(kind, _) => Some(authority.config(&name, kind)?),
                _ => None,
            };
            zone.insert(name, Says::Addresses(vec![address]));
            hosts.insert(address, Host { case, tls, asked: Mutex::default() });
        }
        addresses::point_at_hosts(&mut zone);
        for server in asked_by_the_system() {
            let names = NameServer::bind(server, zone.clone(), log.clone())?;
            std::thread::spawn(move || names.serve());
        }
        let site = Arc::new(Self { hosts, log, authority: authority.pem().to_owned() });
        for port in [HTTP_PORT, HTTPS_PORT].into_iter().chain(OTHER_PORTS) {
            // Where IPv6 is to be had, one socket takes both.
            let both = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            let listener = TcpListener::bind(both)
                .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
                .map_err(cannot(format!("listen on port {port}")))?;
            let site = site.clone();
            std::thread::spawn(move || site.accept(&listener));
        }
        Ok(site)
    }

    /// What it saw.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// All its cases that have a host.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.hosts.values().map(|host| &host.case)
    }

    /// The certificate of the authority that its good hosts are signed by.
    pub fn authority_pem(&self) -> &str {
        &self.authority
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for socket in listener.incoming().flatten() {
            let site = self.clone();
            // What goes wrong from here on is what the client makes of it.
            std::thread::spawn(move || site.connected(socket));
        }
    }

    fn connected(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_read_timeout(Some(CLIENT_LIMIT))?;
        socket.set_write_timeout(Some(CLIENT_LIMIT))?;
        socket.set_nodelay(true)?;
        let local = socket.local_addr()?;
        // The address that was dialled says which host is meant, before there is a single byte.
        let host = self.hosts.get(&local.ip().to_canonical());
        match (host, host.map(|host| &host.case.behaviour), local.port()) {
            (Some(host), Some(Behaviour::Http(_)), HTTP_PORT) => {
                self.talk(host, &mut socket.try_clone()?, &socket)
            }
            (Some(host), Some(Behaviour::Https(..)), HTTPS_PORT) => {
                let Some(config) = host.tls.clone() else { return Ok(()) };
                let server = ServerConnection::new(config).map_err(io::Error::other)?;
                self.talk(host, &mut StreamOwned::new(server, socket.try_clone()?), &socket)
            }
            (Some(_), Some(Behaviour::NoTls(talk)), HTTPS_PORT) => talk(socket),
            _ => {
                self.log.stray(local.ip(), local.port());
                Ok(())
            }
        }
    }

    fn talk(&self, host: &Host, stream: &mut dyn Duplex, socket: &TcpStream) -> io::Result<()> {
        while let Some(request) = Request::read(stream)? {
            self.log.begins(&host.case.label, &request);
            let mut exchange = Exchange {
                stream: &mut *stream,
                socket,
                request: &request,
                nth: host.count(&request.path),
                label: &host.case.label,
                log: &self.log,
                keep_alive: false,
                sent_bytes: 0,
            };
            let answered = host.answer(&mut exchange);
            let keep_alive = exchange.keep_alive;
            self.log.ends(&host.case.label);
            answered?;
            if !keep_alive {
                return Ok(());
            }
        }
        Ok(())
    }
}

impl Host {
    /// Requests for this path before.
    fn count(&self, path: &str) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.entry(path.to_owned()).or_default().fetch_add(1, Ordering::Relaxed)
    }

    fn answer(&self, exchange: &mut Exchange<'_>) -> io::Result<()> {
        match (&self.case.behaviour, self.case.robots) {
            (_, Robots::None) if exchange.request.path == "/robots.txt" => {
                exchange.answer("404 Not Found", &[], b"")
            }
            (_, Robots::Text(text)) if exchange.request.path == "/robots.txt" => {
                exchange.answer("200 OK", &[("Content-Type", "text/plain")], text.as_bytes())
            }
            (_, Robots::Status(status)) if exchange.request.path == "/robots.txt" => {
                exchange.answer(status, &[], b"")
            }
            (_, Robots::Stall) if exchange.request.path == "/robots.txt" => stall(&mut *exchange.stream),
            (Behaviour::Http(handler) | Behaviour::Https(_, handler), _) => handler(exchange),
            _ => Ok(()),
        }
    }
}
