//! Pages and names from the probe to the store: an agent asks servers of this test, the collector has what they said.

use phusong_protocol::{Attempt, FailureKind, Outcome, Reading, ReadingKind};
use phusong_tests::harness::{Collector, Lab, TargetConfig, wait};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

const FAILURE: u16 = 64;

/// Answers every request with `answer` and ends the connection, for as long as the test runs.
fn serve_pages(answer: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // The request fits in one piece; an agent that went away asks again.
            let _gone = stream.read(&mut [0; 2_048]).and_then(|_| stream.write_all(answer.as_bytes()));
        }
    });
    port
}

/// Answers every query with "no such name".
fn serve_names() -> u16 {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let port = socket.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // RFC 1035, 4.1.1: a response, recursion available, RCODE 3.
            (buffer[2], buffer[3]) = (0x81, 0x83);
            let _gone = socket.send_to(&buffer[..length], from);
        }
    });
    port
}

/// What the collector has of a kind about a target.
fn outcomes(collector: &Collector, target: &str, kind: u16) -> Vec<Outcome> {
    let store = collector.store().expect("the store opens");
    let sql = "SELECT o.body FROM observation o JOIN target t ON t.id = o.target_ref WHERE t.name = ?1 AND o.kind = ?2";
    let mut statement = store.prepare(sql).expect("the schema has these columns");
    let bodies = statement.query_map((target, kind), |row| row.get::<_, Vec<u8>>(0)).expect("rows");
    bodies.map(|body| Outcome::from_cbor(kind, &body.expect("a row")).expect("a good body")).collect()
}

fn first(collector: &Collector, target: &str, kind: u16) -> Outcome {
    let what = format!("{target} of kind {kind}");
    wait::until(&what, wait::PATIENCE, || outcomes(collector, target, kind).into_iter().next()).expect("in time")
}

#[test]
fn pages_and_names_are_summarised_and_their_failures_arrive_beside() {
    let lab = Lab::start("probe-kinds", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    let target = |name: &str, kind: &str, host: String, port: Option<u16>| TargetConfig {
        kind: kind.into(),
        port,
        ..TargetConfig::icmp(name, &host)
    };
    let page = |answer| format!("http://127.0.0.1:{}/", serve_pages(answer));
    config.targets = vec![
        target("names", "dns", "127.0.0.1".into(), Some(serve_names())),
        target("page", "http", page("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), None),
        target("broken", "http", page("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), None),
        target("portal", "http", page("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"), None),
    ];
    let _agent = lab.start_agent(config).expect("the agent starts");

    for (name, of) in [("names", Attempt::Dns), ("page", Attempt::Http)] {
        let Outcome::Reading(Reading::Summary(summary)) = first(&collector, name, ReadingKind::Summary.code()) else {
            panic!("{name}: no summary")
        };
        assert_eq!((summary.of, summary.sent, summary.received), (of, summary.rounds, summary.rounds), "{name}");
        assert!(summary.max_us.is_some_and(|us| us > 0), "{name}: {summary:?}");
        assert!(outcomes(&collector, name, FAILURE).is_empty(), "{name}");
    }
    for (name, kind) in [("broken", FailureKind::HttpStatus), ("portal", FailureKind::Portal)] {
        let Outcome::Failure(failure) = first(&collector, name, FAILURE) else { panic!("{name}: no failure") };
        assert_eq!((failure.of, failure.kind, failure.sent), (Attempt::Http, kind, Some(1)), "{name}");
    }
}
