use super::*;
use hickory_resolver::Hosts;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NoRecords;
use hickory_resolver::proto::op::{Query, ResponseCode};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::UdpSocket;

#[test]
fn a_name_with_a_dot_is_looked_up_as_it_is() {
    for (host, asked) in [("a.test", "a.test."), ("a.test.", "a.test."), ("intranet", "intranet")] {
        assert_eq!(absolute(host.to_owned()), asked);
    }
}

#[test]
fn only_what_a_server_knows_not_to_exist_does_not_exist() {
    let answer = |code| read(&NetError::from(DnsError::NoRecordsFound(NoRecords::new(Query::new(), code))));
    assert!(matches!(answer(ResponseCode::NXDomain), LookupError::NoSuchName { .. }));
    assert!(matches!(answer(ResponseCode::ServFail), LookupError::Failed { .. }));
    assert!(matches!(read(&NetError::Timeout), LookupError::Failed { .. }));
}

/// A name server on loopback, and the number of questions that it was asked.
async fn server() -> (u16, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = socket.send_to(&answer(&buffer[..length]), peer).await;
        }
    });
    (port, asked)
}

/// An address for `known.test`; no such name for `gone.test`; else it has failed.
fn answer(query: &[u8]) -> Vec<u8> {
    let labels = query[12..].iter().position(|byte| *byte == 0).unwrap();
    let question = &query[12..12 + labels + 5];
    let name = question[..labels].to_ascii_lowercase();
    let wants_ipv4 = question[labels + 1..labels + 3] == [0, 1];
    let (code, answers): (u8, &[u8]) = match name.as_slice() {
        // A pointer to the question's name, type A, class IN, 77 s, four bytes.
        b"\x05known\x04test" if wants_ipv4 => (0, &[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 77, 0, 4, 8, 8, 4, 4]),
        b"\x05known\x04test" => (0, &[]),
        b"\x04gone\x04test" => (3, &[]),
        _ => (2, &[]),
    };
    let counts = [0, 1, 0, u8::from(!answers.is_empty()), 0, 0, 0, 0];
    [&query[..2], &[0x81, 0x80 | code], &counts, question, answers].concat()
}

async fn lookup() -> (HickoryLookup, Arc<AtomicUsize>) {
    let (port, asked) = server().await;
    let mut connection = ConnectionConfig::udp();
    connection.port = port;
    let server = NameServerConfig::new([127, 0, 0, 1].into(), true, vec![connection]);
    let search = hickory_resolver::proto::rr::Name::from_ascii("search.test.").unwrap();
    let config = ResolverConfig::from_parts(None, vec![search], vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.options_mut().timeout = Duration::from_secs(5);
    let mut lookup = HickoryLookup::build(builder).unwrap();
    let mut hosts = Hosts::default();
    hosts.read_hosts_conf("8.8.8.8 listed.test\n".as_bytes()).unwrap();
    Arc::get_mut(&mut lookup.resolver).unwrap().set_hosts(Arc::new(hosts));
    (lookup, asked)
}

#[tokio::test]
async fn a_name_server_is_asked_and_its_time_to_live_kept() {
    let (lookup, _) = lookup().await;
    let found = lookup.lookup("known.test".to_owned()).await.unwrap();
    assert_eq!(found.addresses, [IpAddr::from([8, 8, 4, 4])]);
    let ttl = found.ttl.unwrap();
    assert!(ttl > Duration::from_secs(60) && ttl <= Duration::from_secs(77), "{ttl:?}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_looked_for_in_the_search_list() {
    let (lookup, asked) = lookup().await;
    let error = lookup.lookup("gone.test".to_owned()).await.unwrap_err();
    assert!(matches!(error, LookupError::NoSuchName { .. }), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2, "one question for each kind of address");
    let error = lookup.lookup("broken.test".to_owned()).await.unwrap_err();
    assert!(matches!(error, LookupError::Failed { .. }), "{error:?}");
}

#[tokio::test]
async fn the_hosts_file_comes_first() {
    let (lookup, _) = lookup().await;
    let found = lookup.lookup("listed.test".to_owned()).await.unwrap();
    assert_eq!(found.addresses, [IpAddr::from([8, 8, 8, 8])]);
}
