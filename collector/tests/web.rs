//! The page out of the binary, and the events that keep it live, over a real socket.

mod api_world;
mod ingest_world;

use api_world::{Commune, WINDOW, sources};
use ingest_world::NOW;
use phusong_collector::http::{Bounded, serve};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const TOKEN: &str = "0123456789abcdef";
const LISTENERS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    commune: Commune,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// An answer that goes on.
struct Stream {
    tcp: TcpStream,
    seen: String,
}

impl Server {
    fn start(token: Option<&str>) -> Self {
        let commune = Commune::new();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let listener = Bounded::new(listener, 2 * LISTENERS);
        let address = listener.address().expect("bound");
        let (stop, stop_out) = watch::channel(false);
        let task = runtime.spawn(serve(listener, sources(&commune.world, token), stop_out));
        Server { commune, address, stop, runtime, task }
    }

    fn open(&self, path: &str, headers: &str) -> Stream {
        let mut tcp = TcpStream::connect(self.address).expect("listens");
        tcp.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        write!(tcp, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").expect("sent");
        Stream { tcp, seen: String::new() }
    }

    /// Head and body of an answer that ends.
    fn get(&self, path: &str, headers: &str) -> (String, Vec<u8>) {
        let mut stream = self.open(path, headers);
        stream.tcp.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut bytes = Vec::new();
        stream.tcp.read_to_end(&mut bytes).expect("answered");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end + 4..].to_vec())
    }

    fn change(&self, what: &str) {
        self.commune.sql(
            "derived.db",
            &format!(
                "INSERT INTO changes (made_ms, what, key, case_ref, place_ref, network_ref, target_ref, from_ms, to_ms,
                    cause, confidence)
                 VALUES ({NOW}, '{what}', 77, 1, 3, 1, NULL, {NOW}, NULL, 'backhaul', 'certain')"
            ),
        );
    }
}

impl Stream {
    /// Reads on until all of these have come.
    fn until(&mut self, wanted: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while !wanted.iter().all(|part| self.seen.contains(part)) {
            assert!(Instant::now() < deadline, "{wanted:?} did not come: {}", self.seen);
            assert!(self.more(), "it ended before {wanted:?}: {}", self.seen);
        }
    }

    /// False at the end.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.tcp.read(&mut bytes) {
            Ok(0) => false,
            Ok(n) => {
                self.seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
                true
            }
            Err(_) => true,
        }
    }

    fn ids(&self) -> Vec<i64> {
        self.seen.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
    }
}

/// The value of a header; empty where it is not there.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

#[test]
fn the_page_needs_no_token_and_says_what_a_browser_must_not_do() {
    let server = Server::start(Some(TOKEN));
    let (head, body) = server.get("/", "");
    let body = String::from_utf8_lossy(&body);
    assert_eq!(header(&head, "content-type"), "text/html; charset=utf-8");
    assert_eq!(header(&head, "x-content-type-options"), "nosniff");
    let policy = header(&head, "content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("worker-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert!(body.contains("Phủ Sóng"), "{body}");
    for path in ["/api/v1/events", "/api/v1/hamlets", "/nowhere"] {
        let (head, _) = server.get(path, "");
        assert!(head.starts_with("HTTP/1.1 401"), "{path}: {head}");
    }
    let (head, _) = server.get("/assets/nothing.js", "");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

fn head_is_of_a_built_page(server: &Server) -> bool {
    let (head, _) = server.get("/", "");
    assert!(head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.1 501"), "{head}");
    head.starts_with("HTTP/1.1 200")
}

#[test]
fn assets_are_kept_for_ever_are_packed_and_are_javascript_where_they_are() {
    let server = Server::start(Some(TOKEN));
    if !head_is_of_a_built_page(&server) {
        return;
    }
    let (head, page) = server.get("/", "");
    assert_eq!(header(&head, "cache-control"), "no-cache");
    let tag = header(&head, "etag").to_owned();
    let (head, body) = server.get("/", &format!("If-None-Match: {tag}\r\n"));
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{head}");
    let page = String::from_utf8(page).expect("UTF-8");
    let assets: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(assets.iter().any(|name| name.ends_with(".js")) && assets.iter().any(|name| name.ends_with(".css")));
    for name in assets {
        let (head, plain) = server.get(name, "");
        assert!(head.starts_with("HTTP/1.1 200"), "{name}: {head}");
        assert_eq!(header(&head, "cache-control"), "public, max-age=31536000, immutable", "{name}");
        let kind = if name.ends_with(".js") { "text/javascript; charset=utf-8" } else { "text/css; charset=utf-8" };
        assert_eq!(header(&head, "content-type"), kind, "{name}");
        let (head, packed) = server.get(name, "Accept-Encoding: gzip, br\r\n");
        assert_eq!((header(&head, "content-encoding"), header(&head, "content-type")), ("gzip", kind), "{name}");
        assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < plain.len(), "{name}");
    }
    let (head, _) = server.get("/favicon.svg", "");
    assert_eq!(header(&head, "content-type"), "image/svg+xml");
}

#[test]
fn a_listener_is_told_each_change_and_comes_back_where_it_was() {
    let server = Server::start(None);
    let mut all = server.open("/api/v1/events?after=0", "");
    all.until(&["id: 6\n", "event: gap_opened\n", "\"what\":\"gap_opened\"", "\"key\":\"7fffffffffffffff\""]);
    assert_eq!(all.ids(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(header(&all.seen, "content-type"), "text/event-stream");
    assert_eq!(header(&all.seen, "cache-control"), "no-store");
    let mut resumed = server.open("/api/v1/events?after=1", "Last-Event-ID: 4\r\n");
    // An id of another store: from now on.
    let mut fresh = server.open("/api/v1/events", "Last-Event-ID: 4000\r\n");
    resumed.until(&["id: 6\n"]);
    fresh.until(&["retry: 2000\n"]);
    server.change("gap_closed");
    for stream in [&mut all, &mut resumed, &mut fresh] {
        stream.until(&["id: 7\n", "event: gap_closed\n", "\"hamlet\":{\"code\":\"nc\",\"name\":\"Nà Chèn\"}"]);
    }
    assert_eq!((resumed.ids(), fresh.ids()), (vec![5, 6, 7], vec![7]));
}

#[test]
fn a_state_that_changes_without_a_change_is_told_too() {
    let server = Server::start(None);
    let mut stream = server.open("/api/v1/events", "");
    // The first look: what was before nobody knows.
    stream.until(&["event: states\n", &format!("\"as_of_ms\":{NOW}")]);
    assert_eq!(stream.seen.matches("event: states").count(), 1);
    let now = WINDOW - 1;
    server.commune.sql(
        "derived.db",
        &format!("UPDATE last_known SET grade = 1, no = {now} WHERE place_ref = 2 AND network_ref = 3"),
    );
    let deadline = Instant::now() + PATIENCE;
    while stream.seen.matches("event: states").count() < 2 {
        assert!(Instant::now() < deadline && stream.more(), "{}", stream.seen);
    }
    assert_eq!(stream.ids(), [0i64; 0]);
}

#[test]
fn listeners_are_bounded_and_one_who_leaves_makes_room() {
    let server = Server::start(None);
    let mut seated: Vec<Stream> = (0..LISTENERS).map(|_| server.open("/api/v1/events", "")).collect();
    seated.iter_mut().for_each(|stream| stream.until(&["retry: 2000"]));
    let (head, body) = server.get("/api/v1/events", "");
    let body = String::from_utf8_lossy(&body);
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
    assert_eq!(header(&head, "content-type"), "application/problem+json");
    assert!(body.contains("ask again in a minute"), "{body}");
    // Everything else is still answered.
    assert!(server.get("/healthz", "").0.starts_with("HTTP/1.1 200"));
    seated.pop();
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A listener that is gone is noticed when something is to be told.
        server.change("gap_changed");
        let mut stream = server.open("/api/v1/events", "");
        while !stream.seen.contains("\r\n\r\n") && stream.more() {}
        if stream.seen.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(Instant::now() < deadline, "no room: {}", stream.seen);
    }
}

#[test]
fn bad_ids_are_refused_and_the_token_is_asked_for() {
    let server = Server::start(Some(TOKEN));
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for (path, extra, wanted) in [
        ("/api/v1/events", "Last-Event-ID: yesterday\r\n", "`Last-Event-ID` cannot be `yesterday`"),
        ("/api/v1/events", "Last-Event-ID: -1\r\n", "`Last-Event-ID` cannot be `-1`"),
        ("/api/v1/events?after=x", "", "`after` cannot be `x`"),
    ] {
        let (head, body) = server.get(path, &format!("{bearer}{extra}"));
        let body = String::from_utf8_lossy(&body);
        assert!(head.starts_with("HTTP/1.1 400") && body.contains(wanted), "{head}\n{body}");
    }
    let mut stream = server.open("/api/v1/events", &bearer);
    stream.until(&["HTTP/1.1 200", "retry: 2000"]);
}

#[test]
fn a_listener_does_not_hold_up_the_end() {
    let server = Server::start(None);
    let mut stream = server.open("/api/v1/events", "");
    stream.until(&["retry: 2000"]);
    server.stop.send_replace(true);
    let ended = server.runtime.block_on(async { tokio::time::timeout(PATIENCE, server.task).await });
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
    let deadline = Instant::now() + PATIENCE;
    while stream.more() {
        assert!(Instant::now() < deadline, "it goes on");
    }
}
