//! One query against real servers over UDP, from a `[[target]]` table to the reading or failure of the wire.

use phusong_agent::attempt::{Means, attempt};
use phusong_agent::config::Config;
use phusong_agent::plan::Plan;
use phusong_protocol::{Attempt, DnsReading, Failure, FailureKind, Outcome, Reading};
use std::collections::BTreeSet;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// The datagrams that a server sends for a query.
type Reply = fn(&[u8]) -> Vec<Vec<u8>>;

/// Truncated (TC), among the flags.
const TC: u16 = 0x0200;

/// A response to `query` with these flags, this many announced answers, and what follows the question.
fn response(query: &[u8], flags: u16, announced: u16, rest: &[u8]) -> Vec<u8> {
    let head = [0x8180 | flags, 1, announced, 0, 0].map(u16::to_be_bytes).concat();
    [&query[..2], &head, &query[12..], rest].concat()
}

/// An A record of the name in question.
fn record() -> Vec<u8> {
    [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0x2c, 0, 4][..], &[192, 0, 2, 1]].concat()
}

fn other_id(mut response: Vec<u8>) -> Vec<u8> {
    response[0] ^= 0x55;
    response
}

/// A server on a free port of loopback; each query is handed out with the port that it came from.
async fn serve(reply: Reply) -> (u16, mpsc::UnboundedReceiver<(u16, Vec<u8>)>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    let (seen, queries) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let query = &buffer[..length];
            // A test that does not look has dropped its end.
            let _unseen = seen.send((from.port(), query.to_vec()));
            for datagram in reply(query) {
                let _gone = socket.send_to(&datagram, from).await;
            }
        }
    });
    (port, queries)
}

async fn outcome(port: u16, more: &str) -> Outcome {
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n[[target]]\nname = \"names\"\n\
         kind = \"dns\"\nhost = \"127.0.0.1\"\nport = {port}\ntimeout_ms = 500\n{more}"
    );
    let config = Config::parse("lab", &text).expect("a good file");
    let attempted = attempt(&Plan::of(&config).lanes[0], &Means::default(), None).await;
    attempted.outcome.expect("there is something to measure")
}

/// RCODE, answers, and whether there would have been more.
async fn reads(reply: Reply, expected: (u16, u16, Option<bool>)) {
    let (port, _queries) = serve(reply).await;
    match outcome(port, "query = \"example.vn\"\nrecord = \"A\"\n").await {
        Outcome::Reading(Reading::Dns(DnsReading { query_us, rcode, answers, truncated })) => {
            assert_eq!((rcode, answers, truncated), expected);
            assert!(query_us < 500_000);
        }
        other => panic!("{expected:?}: {other:?}"),
    }
}

async fn fails(reply: Reply, kind: FailureKind, detail: Option<&str>) {
    let (port, _queries) = serve(reply).await;
    let Outcome::Failure(failure) = outcome(port, "query = \"example.vn\"\nrecord = \"A\"\n").await else {
        panic!("{kind:?} {detail:?}: a reading");
    };
    let Failure { of, kind: found, detail: said, sent, elapsed_us } = failure;
    assert_eq!((of, found, said.as_deref(), sent), (Attempt::Dns, kind, detail, Some(1)));
    assert!(elapsed_us.is_some_and(|us| us >= 500_000), "it listened to the end: {elapsed_us:?}");
}

#[tokio::test]
async fn an_answer_is_read_whatever_its_rcode() {
    reads(|q| vec![response(q, 0, 2, &[record(), record()].concat())], (0, 2, None)).await;
    reads(|q| vec![response(q, 0, 0, &[])], (0, 0, None)).await;
    reads(|q| vec![response(q, 2, 0, &[])], (2, 0, None)).await;
    reads(|q| vec![response(q, 3, 0, &[])], (3, 0, None)).await;
    // A server that could not read the question sends none back.
    reads(|q| vec![[&q[..2], &[0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]].concat()], (1, 0, None)).await;
}

#[tokio::test]
async fn a_truncated_answer_says_so_and_counts_what_came() {
    reads(|q| vec![response(q, TC, 3, &[record(), record()[..9].to_vec()].concat())], (0, 1, Some(true))).await;
    reads(|q| vec![response(q, TC, 0, &[])], (0, 0, Some(true))).await;
}

#[tokio::test]
async fn what_does_not_answer_the_query_is_passed_over() {
    let good: Reply = |q| {
        let right = response(q, 0, 1, &record());
        vec![other_id(right.clone()), q.to_vec(), b"x".to_vec(), right]
    };
    reads(good, (0, 1, None)).await;
}

#[tokio::test]
async fn only_wrong_answers_are_malformed_and_silence_is_a_timeout() {
    let malformed = FailureKind::Malformed;
    fails(|q| vec![other_id(response(q, 0, 1, &record()))], malformed, Some("only an answer with another id")).await;
    let asked_else: Reply = |q| {
        let mut other = response(q, 0, 0, &[]);
        other[13] = b'f';
        vec![other]
    };
    fails(asked_else, malformed, Some("only an answer to another question")).await;
    let no_answer = Some("only a datagram that is no answer");
    fails(|q| vec![q.to_vec()], malformed, no_answer).await;
    fails(|_| vec![vec![0; 5]], malformed, no_answer).await;
    fails(|q| vec![response(q, 0, 3, &record())], malformed, no_answer).await;
    fails(|_| Vec::new(), FailureKind::Timeout, None).await;
}

#[tokio::test]
async fn a_port_that_nobody_serves_is_refused_at_once() {
    let port = {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        socket.local_addr().expect("bound").port()
    };
    let Outcome::Failure(failure) = outcome(port, "").await else { panic!("somebody answered") };
    assert_eq!((failure.kind, failure.sent), (FailureKind::Refused, Some(1)));
}

#[tokio::test]
async fn each_query_has_an_id_and_a_port_of_its_own_and_asks_what_was_configured() {
    let (port, mut queries) = serve(|q| vec![response(q, 0, 0, &[])]).await;
    let (mut ids, mut ports) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..8 {
        assert!(matches!(outcome(port, "[[uplink]]\ninterface = \"lo\"\n").await, Outcome::Reading(_)));
        let (from, query) = queries.recv().await.expect("it was asked");
        // Flags: recursion desired. One question: the root's NS, class IN. Nothing else.
        assert_eq!(query[2..], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
        ids.insert([query[0], query[1]]);
        ports.insert(from);
    }
    assert!(ids.len() > 4 && ports.len() > 4, "{ids:?} {ports:?}");
    outcome(port, "query = \"Example.vn.\"\nrecord = \"AAAA\"\n").await;
    let (_, query) = queries.recv().await.expect("it was asked");
    assert_eq!(&query[12..], b"\x07Example\x02vn\x00\x00\x1c\x00\x01");
}
