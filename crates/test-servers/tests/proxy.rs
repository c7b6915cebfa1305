//! Protects the faults that tests make: each does what it says, to both sides, and ends when it is told to.
#![allow(clippy::unwrap_used)]

use ream_test_servers::{Direction, Ending, FaultProxy};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);
/// How long nothing has to come before it counts as nothing. Too short lets a fault go unnoticed, never a test fail.
const NOTHING: Duration = Duration::from_millis(50);

/// What a server got on one connection, and what ended it.
type Heard = (Vec<u8>, std::io::Result<()>);

/// Sends back what it gets; tells of each connection once it has ended.
fn echo() -> (u16, Receiver<Heard>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, sender) = (stream.unwrap(), sender.clone());
            std::thread::spawn(move || {
                let mut all = Vec::new();
                let ending = answer(&mut stream, &mut all);
                let _ = sender.send((all, ending));
            });
        }
    });
    (port, heard)
}

fn answer(stream: &mut TcpStream, all: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let bytes = stream.read(&mut buffer)?;
        if bytes == 0 {
            return Ok(());
        }
        all.extend_from_slice(&buffer[..bytes]);
        // Whether the answer arrives is not the server's affair.
        let _ = stream.write_all(&buffer[..bytes]);
    }
}

fn proxy() -> (FaultProxy, Receiver<Heard>) {
    let (port, heard) = echo();
    (FaultProxy::start(port).unwrap(), heard)
}

fn connect(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn send(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

fn receive(mut stream: &TcpStream, bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    stream.read_exact(&mut buffer).unwrap();
    String::from_utf8(buffer).unwrap()
}

fn round_trip(stream: &TcpStream, text: &str) {
    send(stream, text);
    assert_eq!(receive(stream, text.len()), text);
}

/// What comes until the connection ends, and how it ends.
fn rest(mut stream: &TcpStream) -> (String, Result<(), ErrorKind>) {
    let mut all = Vec::new();
    let ending = stream.read_to_end(&mut all).map(|_| ()).map_err(|error| error.kind());
    (String::from_utf8(all).unwrap(), ending)
}

fn assert_nothing_comes(mut stream: &TcpStream) {
    stream.set_read_timeout(Some(NOTHING)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.set_read_timeout(Some(LIMIT)).unwrap();
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn until(mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < LIMIT, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn everything_passes_and_is_counted() {
    let (proxy, heard) = proxy();
    let (one, two) = (connect(&proxy), connect(&proxy));
    round_trip(&one, "hello");
    round_trip(&two, "you");
    until(|| proxy.passed(Direction::ToClient) == 8);
    assert_eq!((proxy.accepted(), proxy.open(), proxy.passed(Direction::ToServer)), (2, 2, 8));

    // Ends of streams pass, one direction at a time.
    send(&one, "bye");
    one.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&one), ("bye".to_owned(), Ok(())));
    assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), "hellobye");
    until(|| proxy.open() == 1);
}

#[test]
fn much_passes_unharmed() {
    let (proxy, _heard) = proxy();
    let stream = connect(&proxy);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut got = vec![0; sent.len()];
    std::thread::scope(|scope| {
        scope.spawn(|| (&stream).write_all(&sent).unwrap());
        (&stream).read_exact(&mut got).unwrap();
    });
    assert!(sent == got);
}

#[test]
fn a_client_that_goes_away_takes_its_connection_to_the_server_with_it() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    drop(stream);
    assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), "hello");
    until(|| proxy.open() == 0);
}

#[test]
fn a_reset_is_an_error_to_both_sides() {
    let (proxy, heard) = proxy();
    let streams = [connect(&proxy), connect(&proxy)];
    streams.iter().for_each(|stream| round_trip(stream, "hello"));
    proxy.cut(Ending::Reset);
    assert_eq!(proxy.open(), 0);
    for stream in &streams {
        assert_eq!(rest(stream), (String::new(), Err(ErrorKind::ConnectionReset)));
        let (_, ending) = heard.recv_timeout(LIMIT).unwrap();
        assert_eq!(ending.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    round_trip(&connect(&proxy), "again");
}

#[test]
fn a_close_is_the_end_of_the_stream_to_both_sides() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    proxy.cut(Ending::Close);
    assert_eq!(rest(&stream), (String::new(), Ok(())));
    assert!(heard.recv_timeout(LIMIT).unwrap().1.is_ok());
}

#[test]
fn connections_are_refused_and_accepted_again_and_others_go_on() {
    let (proxy, _heard) = proxy();
    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    for _ in 0..3 {
        proxy.refuse();
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        round_trip(&stream, "still here");
        proxy.accept().unwrap();
        round_trip(&connect(&proxy), "hello");
    }
    assert_eq!(proxy.accepted(), 4);
}

#[test]
fn without_a_server_a_client_is_reset() {
    // Taken, so that no other test listens there.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = silent.local_addr().unwrap().as_socket().unwrap().port();
    let proxy = FaultProxy::start(port).unwrap();
    assert_eq!(rest(&connect(&proxy)).1, Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.accepted(), 0);
}

#[test]
fn a_stall_holds_both_directions_of_old_and_new_connections() {
    let (proxy, _heard) = proxy();
    let old = connect(&proxy);
    round_trip(&old, "hello");
    proxy.stall_both();
    let new = connect(&proxy);
    for stream in [&old, &new] {
        send(stream, "held");
        assert_nothing_comes(stream);
    }
    assert_eq!(proxy.passed(Direction::ToServer), 5);
    proxy.resume();
    for stream in [&old, &new] {
        assert_eq!(receive(stream, 4), "held");
    }
}

#[test]
fn a_stall_of_answers_lets_requests_pass() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    proxy.stall(Direction::ToClient);
    send(&stream, "act");
    until(|| proxy.passed(Direction::ToServer) == 3);
    assert_nothing_comes(&stream);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), "act");
    assert_nothing_comes(&stream);
    proxy.pass().unwrap();
    assert_eq!(rest(&stream), ("act".to_owned(), Ok(())));
}

#[test]
fn a_stall_of_requests_keeps_them_and_their_end_from_the_server() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    proxy.stall(Direction::ToServer);
    send(&stream, "lost");
    drop(stream);
    assert!(heard.recv_timeout(NOTHING).is_err());
    proxy.cut(Ending::Reset);
    assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), "hello");
}

#[test]
fn a_cut_ends_a_connection_whose_client_takes_nothing() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    stream.set_write_timeout(Some(NOTHING)).unwrap();
    // Until all buffers on the way there and back are full.
    while (&stream).write(&[0; 65536]).is_ok() {}
    proxy.cut(Ending::Reset);
    assert_eq!(proxy.open(), 0);
    assert!(heard.recv_timeout(LIMIT).is_ok());
}

#[test]
fn a_half_close_ends_one_direction_only() {
    let (proxy, heard) = proxy();
    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    proxy.half_close(Direction::ToClient);
    assert_eq!(rest(&stream), (String::new(), Ok(())));
    send(&stream, "you");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), "helloyou");
    until(|| proxy.open() == 0);

    let stream = connect(&proxy);
    round_trip(&stream, "hello");
    proxy.half_close(Direction::ToServer);
    let (got, ending) = heard.recv_timeout(LIMIT).unwrap();
    assert_eq!((text(&got), ending.is_ok()), ("hello", true));
    // The server closes in turn.
    assert_eq!(rest(&stream), (String::new(), Ok(())));
}

#[test]
fn an_answer_is_lost_after_the_server_acted() {
    let (proxy, heard) = proxy();
    for (bytes, ending) in [(0, Ending::Reset), (2, Ending::Reset), (0, Ending::Close), (2, Ending::Close)] {
        let (stream, other) = (connect(&proxy), connect(&proxy));
        round_trip(&other, "other");
        round_trip(&stream, "hello");
        proxy.cut_after(Direction::ToClient, bytes, ending);
        assert!(proxy.is_cut_pending(Direction::ToClient));
        send(&stream, "act");
        let end = if ending == Ending::Reset { Err(ErrorKind::ConnectionReset) } else { Ok(()) };
        assert_eq!(rest(&stream), ("act"[..bytes as usize].to_owned(), end));
        // All connections end, as when a cable is cut.
        assert_eq!(rest(&other), (String::new(), end));
        assert!(!proxy.is_cut_pending(Direction::ToClient));

        let mut got = [heard.recv_timeout(LIMIT).unwrap().0, heard.recv_timeout(LIMIT).unwrap().0];
        got.sort();
        assert_eq!([text(&got[0]), text(&got[1])], ["helloact", "other"]);
    }
    round_trip(&connect(&proxy), "again");
}

#[test]
fn a_request_is_cut_in_its_middle() {
    let (proxy, heard) = proxy();
    for bytes in 0..=3 {
        let stream = connect(&proxy);
        proxy.cut_after(Direction::ToServer, bytes, Ending::Close);
        send(&stream, "act");
        let _ = rest(&stream);
        assert_eq!(text(&heard.recv_timeout(LIMIT).unwrap().0), &"act"[..bytes as usize]);
    }
}

#[test]
fn a_cut_that_was_to_come_is_called_off() {
    let (proxy, _heard) = proxy();
    let stream = connect(&proxy);
    proxy.cut_after(Direction::ToClient, 4, Ending::Reset);
    round_trip(&stream, "abc");
    proxy.pass().unwrap();
    round_trip(&stream, "hello");
}

#[test]
fn a_delay_holds_requests_and_answers_and_ends() {
    let (proxy, _heard) = proxy();
    let stream = connect(&proxy);
    let delay = Duration::from_millis(30);
    proxy.delay(delay);
    let started = Instant::now();
    round_trip(&stream, "hello");
    assert!(started.elapsed() >= 2 * delay);

    // What is held goes at once when the delay ends.
    proxy.delay(LIMIT * 100);
    send(&stream, "held");
    assert_nothing_comes(&stream);
    proxy.delay(Duration::ZERO);
    assert_eq!(receive(&stream, 4), "held");
}

#[test]
fn dropping_resets_connections_and_ends_all_threads() {
    let (proxy, _heard) = proxy();
    let name = format!("proxy-{}", proxy.port());
    let streams = [connect(&proxy), connect(&proxy), connect(&proxy)];
    streams.iter().for_each(|stream| round_trip(stream, "hello"));
    // One that waits for a stall to end, one that waits for bytes.
    proxy.stall(Direction::ToServer);
    send(&streams[0], "held");
    assert_eq!(threads(&name), 7);
    drop(proxy);
    assert_eq!(rest(&streams[1]).1, Err(ErrorKind::ConnectionReset));
    until(|| threads(&name) == 0);
}

fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end between the listing and the look.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|its| its.trim() == name).count()
}
