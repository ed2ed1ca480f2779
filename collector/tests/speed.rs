//! The LibreSpeed back end over real sockets: what it sends, what it takes, and whom it sends away.

use phusong_collector::config::Secret;
use phusong_collector::http::{Api, Bounded, Readiness, Sources, Speed, SpeedLimits, serve_with};
use phusong_collector::store::Readers;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

const TOKEN: &str = "0123456789abcdef";
const MIB: usize = 1 << 20;
const GENEROUS: SpeedLimits = SpeedLimits { concurrency: 4, hour_bytes: 1 << 40, rate_bytes_s: 10_000_000_000 };

struct Server {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
    _token: watch::Sender<Option<Secret>>,
    _runtime: tokio::runtime::Runtime,
}

/// Status, head and body of an answer.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn readiness() -> Readiness {
    Readiness {
        ready: true,
        state: "ok",
        mqtt_connected: true,
        store_ok: true,
        queue_messages: 0,
        queue_fill: 0.0,
        disk_free_bytes: None,
        store_forecast: None,
        reasons: vec![],
    }
}

impl Server {
    fn start(limits: Option<SpeedLimits>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let listener = Bounded::new(listener, 16);
        let address = listener.address().expect("bound");
        let (_token, token) = watch::channel(Some(Secret(TOKEN.into())));
        let (_stop, stop) = watch::channel(false);
        let sources = Sources {
            readiness: Arc::new(readiness),
            metrics: Arc::new(|| Ok(String::new())),
            api: Api::new(Readers::of(Path::new("nowhere")), || 0),
            token,
        };
        runtime.spawn(serve_with(listener, sources, limits.map(Speed::new), stop));
        Server { address, _stop, _token, _runtime: runtime }
    }

    fn connect(&self, request: &str, more: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n").expect("sent");
        stream
    }

    fn ask(&self, request: &str) -> Answer {
        answer(self.connect(request, ""))
    }
}

fn answer(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // An answer that is cut off is looked at as far as it came.
    let _cut = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// The first bytes of the body are here.
fn begun(request: &str, server: &Server) -> TcpStream {
    let mut stream = server.connect(request, "");
    stream.read_exact(&mut [0; 1_000]).expect("it answers");
    stream
}

#[test]
fn garbage_has_the_size_that_was_asked_for_and_cannot_be_made_smaller() {
    let server = Server::start(Some(GENEROUS));
    for (query, mebibytes) in [("", 4), ("?ckSize=1", 1), ("?ckSize=7", 7), ("?ckSize=0", 4), ("?ckSize=x", 4)] {
        let answer = server.ask(&format!("GET /backend/garbage.php{query}"));
        assert_eq!((answer.status, answer.body.len()), (200, mebibytes * MIB), "{query}");
        assert!(answer.head.contains(&format!("content-length: {}", mebibytes * MIB)), "{}", answer.head);
        assert!(answer.head.contains("application/octet-stream") && answer.head.contains("no-store"));
    }
    let body = server.ask("GET /backend/garbage.php?ckSize=1").body;
    let packed = zstd::bulk::compress(&body, 19).expect("memory");
    assert!(packed.len() >= body.len() * 99 / 100, "{} of {}", packed.len(), body.len());
    let server = Server::start(Some(GENEROUS));
    let mut stream = begun("GET /backend/garbage.php?ckSize=5000", &server);
    let mut head = vec![0; 100];
    stream.read_exact(&mut head).expect("more");
}

#[test]
fn an_upload_of_any_size_is_thrown_away_and_answered_with_nothing() {
    let server = Server::start(Some(GENEROUS));
    for (head, size) in [("Content-Length: 0\r\n", 0), ("Content-Length: 25000000\r\n", 25_000_000)] {
        let mut stream = server.connect("POST /backend/empty.php", head);
        let piece = vec![7u8; MIB];
        let mut left = size;
        while left > 0 {
            let here = left.min(MIB);
            stream.write_all(&piece[..here]).expect("it is taken");
            left -= here;
        }
        let answer = answer(stream);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{size}");
    }
    let mut stream = server.connect("POST /backend/empty.php", "Transfer-Encoding: chunked\r\n");
    stream.write_all(b"5\r\nhello\r\n0\r\n\r\n").expect("it is taken");
    assert_eq!(answer(stream).status, 200);
    let ping = server.ask("GET /backend/empty.php");
    assert_eq!((ping.status, ping.body.len()), (200, 0));
    let ip = server.ask("GET /backend/getIP.php?isp=true");
    let ip: serde_json::Value = serde_json::from_slice(&ip.body).expect("JSON");
    assert_eq!((&ip["processedString"], &ip["rawIspInfo"]), (&"127.0.0.1".into(), &"".into()));
}

#[test]
fn other_sites_may_ask_where_they_say_so_and_nobody_needs_a_token_here() {
    let server = Server::start(Some(GENEROUS));
    let plain = server.ask("GET /backend/empty.php");
    assert!(!plain.head.contains("access-control"), "{}", plain.head);
    let cors = server.ask("GET /backend/empty.php?cors=true");
    assert!(cors.head.contains("access-control-allow-origin: *"), "{}", cors.head);
    assert_eq!(server.ask("DELETE /backend/empty.php").status, 405);
    assert_eq!(server.ask("POST /backend/garbage.php").status, 405);
    assert_eq!(server.ask("GET /readyz").status, 401, "the rest asks for its token");
    let off = Server::start(None);
    assert_eq!(off.ask("GET /backend/garbage.php").status, 401, "switched off, there is nothing");
}

#[test]
fn more_clients_than_allowed_are_told_to_come_again_and_the_api_answers_meanwhile() {
    let server = Server::start(Some(SpeedLimits { concurrency: 2, ..GENEROUS }));
    let first = begun("GET /backend/garbage.php?ckSize=1024", &server);
    let _second = begun("GET /backend/garbage.php?ckSize=1024", &server);
    for request in ["GET /backend/garbage.php", "POST /backend/empty.php"] {
        let refused = server.ask(request);
        assert_eq!(refused.status, 503, "{request}");
        assert!(refused.head.contains("retry-after: 30") && refused.head.contains("application/problem+json"));
    }
    assert_eq!(server.ask("GET /backend/empty.php").status, 200, "a ping is no transfer");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.ask("GET /backend/garbage.php?ckSize=1").status != 200 {
        assert!(Instant::now() < deadline, "the place of a client that went is not free");
    }
}

#[test]
fn a_client_gets_so_many_bytes_in_an_hour_and_no_more() {
    let server = Server::start(Some(SpeedLimits { hour_bytes: 3 * MIB as u64, ..GENEROUS }));
    assert_eq!(server.ask("GET /backend/garbage.php?ckSize=2").body.len(), 2 * MIB);
    // What exceeds it is cut off, so that nobody takes a part for the whole.
    let cut = server.ask("GET /backend/garbage.php?ckSize=2");
    assert_eq!((cut.status, cut.body.len() <= MIB), (200, true));
    let refused = server.ask("GET /backend/garbage.php?ckSize=1");
    assert_eq!(refused.status, 429, "{}", refused.head);
    let after: u64 = refused
        .head
        .split("retry-after: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok())
        .expect("a number");
    assert!((1..=3_601).contains(&after));
}

#[test]
fn all_transfers_together_keep_to_the_rate() {
    let server = Server::start(Some(SpeedLimits { rate_bytes_s: 4 * MIB as u64, ..GENEROUS }));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(server.ask("GET /backend/garbage.php?ckSize=2").body.len(), 2 * MIB));
        }
    });
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "4 MiB at 4 MiB a second took {took:?}");
}
